#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The programs that measure pass over an Open MPI that works, and each of their operations fails, with status and its name, when the
# MPI below it is broken (damage.c). Run by make check in the build folder; exit status 77: skipped.
set -u
. "$(dirname "$0")/common.sh"
# A process that waits leaves the processor to the one it waits for.
export OMPI_MCA_mpi_yield_when_idle=1

# Shared memory, and messages where MPI's own shared memory windows would hide them.
few='--quick --iters 3'
for ranks in 2 3; do
    options=
    # shellcheck disable=SC2086
    passes $ranks ./colltimes $few --sizes 8,4K
    # shellcheck disable=SC2086
    passes $ranks ./overlap $few --sizes 1,64K
    # shellcheck disable=SC2086
    passes $ranks ./threadrate $few --window 5 --sizes 8,1K
    passes $ranks ./startup
    options="--mca osc $osc"
    # shellcheck disable=SC2086
    passes $ranks ./putget $few --window 5 --sizes 8,4K
done
passes 2 ./colltimes --check-all --iters 3 --sizes 12
# With so few a p99 is not known, and not made up.
grep -q '"p99_us": null, ' "$dir/json" || failed 'a p99 of 3 values'
passes 2 ./overlap --check-all --iters 1000 --sizes 8 --case receive
grep -q '"p999_us": [0-9.]*, .*"overlap_pct": [0-9.]*, ' "$dir/json" || failed 'a p99.9 of 1000 values, and the overlap'

for program in colltimes overlap putget threadrate; do
    "./$program" --list >"$dir/operations" || failed "$program --list"
    [ -s "$dir/operations" ] || failed "$program has no operations"
    while read -r name; do
        case $name in *barrier) breaks=apart ;; *) breaks=data:1 ;; esac
        fails_so $breaks "^$program: rank [01] on [^:]*: $name: " 2 "tests/${program}_damaged" --quick --iters 3 --sizes 1K \
            --case "$name" </dev/null
    done <"$dir/operations"
done
fails_so data:1 'first message, .* wrong byte at offset 0' 2 tests/startup_damaged

options=
refuses 64 'sizes=0: a number from 1 to' 2 ./putget --sizes 0
refuses 64 'case=put: there is no such name; --list prints them' 2 ./putget --case put
refuses 64 'no operation is left to measure' 2 ./colltimes --sizes 5 --case allreduce
refuses 64 '5 bytes are left out: it takes numbers of 4 bytes' 2 ./colltimes --sizes 5 --case allreduce
refuses 64 "unrecognized option '--window'" 2 ./overlap --window 4
refuses 64 'two ranks or more are needed: mpirun -np 2 threadrate' 1 ./threadrate
all_told

#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The conformance programs pass over an Open MPI that works, and every one of
# their cases fails, with status and its name, when the MPI below it is broken
# in a way that the case is there to notice (damage.c). Run by make check in the
# build folder; exit status 77: skipped.
set -u
. "$(dirname "$0")/common.sh"
# btl/tcp by frames only: with put and get, pml/ob1 of Open MPI 4.1 writes beyond
# a receive buffer that is too short, and there is a case for that.
options="--mca btl self,tcp --mca btl_tcp_if_include lo --mca btl_tcp_flags 1 --mca osc $osc"

# What a case is there for, if it is not the contents of what is received.
damage_for() { # CASE PROGRAM
    case $1 in
    # The first calls are those that make windows.
    put_and_get_carry_*) echo data:4 ;;
    connect_and_accept_*) echo data:2 ;; # the first is the port's name
    too_short_receive_buffer_*) echo hush ;;
    cancelled_receive_*) echo deaf ;;
    synchronous_send_waits_*) echo early ;;
    barrier_*) echo ajar ;;
    *)
        case $2 in
        onesided | atomics) echo data:2 ;;
        *) echo data:1 ;;
        esac
        ;;
    esac
}

for program in atomics collectives communicators datatypes matching onesided probes processes reductions \
    requests sizes threads; do
    limit=120
    [ $program != processes ] || limit=30
    passes 2 ./$program --quick --timeout $limit
    passes 3 ./$program --quick --timeout $limit
    "./$program" --list >"$dir/cases" || failed "$program --list"
    [ -s "$dir/cases" ] || failed "$program has no cases"
    while read -r name; do
        fails_so "$(damage_for "$name" $program)" "^$program: rank [01] on [^:]*: $name: " 2 "tests/${program}_damaged" \
            --quick --timeout 30 --case "$name" </dev/null
    done <"$dir/cases"
done

refuses 64 'case=nonsense: there is no such name' 2 ./sizes --case nonsense
refuses 64 'skip=posted: there is no such name' 2 ./sizes --skip posted
refuses 64 'boundaries=12Q: a number from' 2 ./sizes --boundaries 12Q

all_told

#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# oversubscribed.sh [LAUNCHES]: MPI_Alltoall of 1 KiB between RANKS (8) processes of this machine that are not bound, more than it has
# processors: over soft VFs with each btl_vfring_wait, and over btl/tcp, each with Open MPI giving its processor up between two polls in vain, as
# it does where it knows of more ranks than processors, and without (mpi_yield_when_idle 1, 0). Interleaved launch by launch, so that what else
# the machine does hits all alike. Prints medians over the launches with their range, as a Markdown table. PREFIX and MTU: see common.sh.
set -eu
. "$(dirname "$0")/common.sh"
launches=${1:-5}
ranks=${RANKS:-8}
devices=
n=0
while [ "$n" -lt "$ranks" ]; do
    "$PREFIX/libexec/vfring/vfring-softvf" create "$dir" --index "$n" --mac "02:76:66:04:00:$(printf %02x "$n")" --mtu "$mtu" > "$dir/made"
    devices=$devices${devices:+,}$dir/vf$n
    n=$((n + 1))
done
# one NAME YIELD ARGUMENT...: one launch; appends the time in us of the slowest rank
one() {
    name=$1-$2 yields=$2
    shift 2
    timeout 300 mpirun -n "$ranks" --oversubscribe --bind-to none --mca mpi_yield_when_idle "$yields" "$@" \
        "$PREFIX/libexec/vfring/alltoall" --sizes=1K --quick --samples=5 --json="$dir/json" > "$dir/log" 2>&1 || { cat "$dir/log" >&2; exit 1; }
    sed -n 's/.*"bytes": 1024, "operation": "alltoall", .*"median_us": \([0-9.]*\).*/\1/p' "$dir/json" >> "$dir/$name"
    [ -s "$dir/$name" ] || { cat "$dir/json" >&2; exit 1; }
}
i=0
while [ "$i" -lt "$launches" ]; do
    for yields in 1 0; do
        for how in spin adaptive event; do
            one $how $yields --mca btl self,vfring --mca btl_vfring_devices "$devices" --mca btl_vfring_wait $how
        done
        one tcp $yields --mca btl self,tcp
    done
    i=$((i + 1))
done
echo "| $ranks ranks, $(nproc) processors, MTU $mtu, $launches launches | µs, Open MPI yields | of adaptive | µs, it does not | of adaptive |"
echo "| --- | --- | --- | --- | --- |"
for how in spin adaptive event tcp; do
    echo "| $how | $(stat "$dir/$how-1") | $(ratio "$dir/$how-1" "$dir/adaptive-1") | $(stat "$dir/$how-0") | $(ratio "$dir/$how-0" "$dir/adaptive-0") |"
done
echo "load average at the end: $(cut -d' ' -f1-3 /proc/loadavg)"

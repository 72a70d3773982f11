#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# rails.sh [LAUNCHES]: bandwidth of messages of 1 MiB between two ranks on this machine, by soft VFs whose wires have a rate: one of
# RATE (1000 Mbit/s), two of that, one of a quarter of it, and that with one of RATE. Interleaved launch by launch, so that what else the
# machine does hits all alike. Prints medians over the launches with their range, as a Markdown table, and how much of the
# wires' sum two rails make use of. PREFIX and MTU: see common.sh.
set -eu
. "$(dirname "$0")/common.sh"
launches=${1:-5}
rate=${RATE:-1000} # Mbit/s

# one NAME RATE...: one launch with a VF of each rate for each rank, in Mbit/s; appends the bandwidth in MB/s
one() {
    name=$1
    shift
    rm -f "$dir"/vf*
    devices=
    n=0
    for rank in 0 1; do
        for mbits; do
            "$PREFIX/libexec/vfring/vfring-softvf" create "$dir" --index $n --mac "02:76:66:03:00:0$n" --mtu "$mtu" --rate "$mbits" > "$dir/made"
            devices=$devices${devices:+,}$dir/vf$n
            n=$((n + 1))
        done
    done
    run --mca btl self,vfring --mca btl_vfring_devices "$devices" --mca btl_vfring_rails $# \
        "$PREFIX/libexec/vfring/bandwidth" --sizes=1M --quick --samples=5 --window=8 --iters=4 --json="$dir/json"
    ! grep -q 'set aside' "$dir/log" || cat "$dir/log" >&2
    sed -n 's/.*{"bytes": 1048576, .*"mb_per_s": \([0-9.]*\).*/\1/p' "$dir/json" >> "$dir/$name"
}
i=0
while [ "$i" -lt "$launches" ]; do
    one fast "$rate"
    one both "$rate" "$rate"
    one slow $((rate / 4))
    one unequal $((rate / 4)) "$rate"
    i=$((i + 1))
done
echo "| 1 MiB, MTU $mtu, $launches launches | MB/s | of one rail |"
echo "| --- | --- | --- |"
echo "| $rate Mbit/s | $(stat "$dir/fast") | 1 |"
echo "| twice $rate Mbit/s | $(stat "$dir/both") | $(ratio "$dir/both" "$dir/fast") of 2 |"
echo "| $((rate / 4)) Mbit/s | $(stat "$dir/slow") | 1 |"
echo "| $((rate / 4)) and $rate Mbit/s | $(stat "$dir/unequal") | $(ratio "$dir/unequal" "$dir/slow") of 5 |"
echo "load average at the end: $(cut -d' ' -f1-3 /proc/loadavg)"

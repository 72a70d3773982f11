#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# ratios.sh [LAUNCHES]: vfring over soft VFs against btl/tcp over loopback and
# shared memory, two ranks on this machine, interleaved launch by launch, so
# that what else the machine does hits all alike. Prints medians over the
# launches with their range, and vfring's ratio to each peer, as a Markdown table.
# PREFIX and MTU: see common.sh.
set -eu
. "$(dirname "$0")/common.sh"
launches=${1:-5}
for i in 0 1; do
    "$PREFIX/libexec/vfring/vfring-softvf" create "$dir" --index $i --mac "02:76:66:03:00:0$i" --mtu "$mtu" > "$dir/made"
done
export OMPI_MCA_btl_vfring_devices="$dir/vf0,$dir/vf1" OMPI_MCA_btl_tcp_if_include=lo
shm=vader
ompi_info --parsable | grep -q 'mca:btl:vader:' || shm=sm

# one TRANSPORT PROGRAM SIZE FIELD FILE: one launch; appends the field of that size
one() {
    run --mca btl "self,$1" "$PREFIX/libexec/vfring/$2" --sizes="$3" --samples=7 --json="$dir/json"
    sed -n "s/.*{\"bytes\": $3, .*\"$4\": \([0-9.]*\).*/\1/p" "$dir/json" >> "$5"
}
i=0
while [ "$i" -lt "$launches" ]; do
    for t in vfring tcp $shm; do
        one $t pingpong 8 median_us "$dir/lat.$t"
        one $t bandwidth 8 msg_per_s "$dir/rate.$t"
        one $t pingpong 65536 median_us "$dir/lat64k.$t"
        one $t bandwidth 1048576 mb_per_s "$dir/bw.$t"
    done
    i=$((i + 1))
done
echo "| two ranks, soft VFs of MTU $mtu, $launches launches | vfring | tcp | $shm | vfring : tcp | vfring : $shm |"
echo "| --- | --- | --- | --- | --- | --- |"
row() {
    echo "| $1 | $(stat "$dir/$2.vfring") | $(stat "$dir/$2.tcp") | $(stat "$dir/$2.$shm") |" \
        "$(ratio "$dir/$2.vfring" "$dir/$2.tcp") | $(ratio "$dir/$2.vfring" "$dir/$2.$shm") |"
}
row "8 B half round trip, µs" lat
row "8 B message rate, 1/s" rate
row "64 KiB half round trip, µs" lat64k
row "1 MiB bandwidth, MB/s" bw
echo "load average at the end: $(cut -d' ' -f1-3 /proc/loadavg)"

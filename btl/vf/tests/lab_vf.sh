#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# lab_vf.sh DIR: tries the driver on real VFs. Root, in the lab (docs/lab.md) or
# on a machine whose first 82576 or I350 PF nobody needs; the module uio_vf must be
# installed, and a user mpi must exist. DIR has vf_smoke; vf_pingpong is installed, or in $VFRING_TOOLS.
# Exit status 0 when everything was as it should be.
set -u
. "$(dirname "$0")/lab_common.sh"

bind() { # VF-NUMBER: prints its node
    bdf=$(bdf_of "$1")
    bind_to uio_vf "$bdf"
    node=/dev/$(basename "/sys/bus/pci/devices/$bdf/uio_vf/"*)
    wait_node "$node"
    echo "$node"
}

step "set-up: PF $pf"
expect 1 'is not loaded' "$dir/vf_smoke" /dev/uiovf0
modprobe uio_vf || exit 1
expect 1 'no VF is bound' "$dir/vf_smoke" /dev/uiovf0
make_vfs
a=$(bind 0)
b=$(bind 1)
c=$(bind 2)
echo "VFs: $a $b, and $c without a MAC"
wait_link

step "root"
expect 0 'MAC 52:54:00:aa:00:01' "$dir/vf_smoke" "$a"
expect 0 'closed' "$dir/vf_smoke" "$a" 9000
expect 0 'closed' "$dir/vf_smoke" "$a"

step "no MAC from the administrator: a local one"
expect 0 'closed' "$dir/vf_smoke" "$c"

step "not the user's, then the user's"
expect 1 'belongs to root with mode 0600; mpi may not' as_user "$dir/vf_smoke" "$a"
chown $user "$a" "$b"
expect 0 'closed' as_user "$dir/vf_smoke" "$a"

step "limits"
expect 1 'RLIMIT_MEMLOCK' with_memlock 65536 "$dir/vf_smoke" "$a"
grep -q 'ulimit -l' /tmp/out || wrong "no remedy"
limit=/sys/class/uio_vf/$(basename "$a")/dma_limit_bytes
old=$(cat "$limit")
echo 1048576 >"$limit"
expect 1 "device is 1048576 bytes" as_user "$dir/vf_smoke" "$a"
grep -q 'dma_limit_bytes' /tmp/out || wrong "no remedy"
echo "$old" >"$limit"

step "raw hops, unprivileged"
expect 0 'every frame checked' as_user "$tools/vf_pingpong" --iters 500 "$a" "$b"
expect 0 'every frame checked' as_user "$tools/vf_pingpong" --iters 300 --bytes 1514 "$a" "$b"
expect 0 'every frame checked' as_user "$tools/vf_pingpong" --iters 200 --mtu 9000 --bytes 9014 "$a" "$b"

step "busy, then killed"
start "$dir/vf_smoke" "$a" 1500 60
wait_text /tmp/smoke 'broadcasts sent'
expect 1 'is in use by process' "$dir/vf_smoke" "$a"
grep -q '(vf_smoke)' /tmp/out || wrong "the owner's name is not told"
kill -9 $job
wait $job
[ "$(cat "${limit%/*}/dma_live_bytes")" = 0 ] || wrong "memory stays registered"
expect 0 'closed' as_user "$dir/vf_smoke" "$a"

step "PF down and up while open"
start "$dir/vf_smoke" "$a" 1500 12
wait_text /tmp/smoke 'broadcasts sent'
ip link set "$pf" down
sleep 1
ip link set "$pf" up
wait_text /tmp/smoke 'health: Network dropped connection on reset'
wait $job || wrong "vf_smoke ended with $?"
wait_link
expect 0 'closed' as_user "$dir/vf_smoke" "$a"

step "PF down: cannot open"
ip link set "$pf" down
expect 1 'ip link set PF up' as_user "$dir/vf_smoke" "$a"
ip link set "$pf" up
wait_link
expect 0 'closed' as_user "$dir/vf_smoke" "$a"

step "unbound while open"
bdf=$(bdf_of 0)
start "$dir/vf_smoke" "$a" 1500 5
wait_text /tmp/smoke 'broadcasts sent'
echo "$bdf" >/sys/bus/pci/drivers/uio_vf/unbind
wait_text /tmp/smoke 'health: No such device'
wait $job || wrong "vf_smoke ended with $?"
cat /tmp/smoke
a=$(bind 0)
expect 0 'closed' "$dir/vf_smoke" "$a"

step "VFs taken away while open"
start "$dir/vf_smoke" "$b" 1500 8
wait_text /tmp/smoke 'broadcasts sent'
echo 0 >"$pci/sriov_numvfs"
wait_text /tmp/smoke 'health: No such device'
wait $job || wrong "vf_smoke ended with $?"
cat /tmp/smoke
modprobe -r uio_vf || wrong "uio_vf cannot be unloaded"
finish

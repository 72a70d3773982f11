#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# lab_vfio.sh DIR: tries the driver on real VFs bound to vfio-pci, opened by their groups' nodes: what lab_vf.sh does
# with those of uio_vf, as far as VFIO has it. Root, in the lab (docs/lab.md) or on a machine with an IOMMU whose first 82576 or
# I350 PF nobody needs; a user mpi must exist. DIR has vf_smoke; vf_pingpong is installed, or in $VFRING_TOOLS.
# Exit status 0 when everything was as it should be.
set -u
as_user_first="prlimit --memlock=67108864:67108864"
. "$(dirname "$0")/lab_common.sh"

bind() { # VF-NUMBER: prints the node of its group
    bdf=$(bdf_of "$1")
    bind_to vfio-pci "$bdf"
    node=/dev/vfio/$(basename "$(readlink "/sys/bus/pci/devices/$bdf/iommu_group")")
    wait_node "$node"
    echo "$node"
}

step "set-up: PF $pf"
expect 1 'vfio-pci is not loaded' "$dir/vf_smoke" /dev/vfio/4711
modprobe vfio-pci || exit 1
expect 1 'no VF of this IOMMU group' "$dir/vf_smoke" /dev/vfio/4711
make_vfs
a=$(bind 0)
b=$(bind 1)
c=$(bind 2)
echo "groups: $a $b, and $c of a VF without a MAC"
ls -l /dev/vfio
chmod 0666 /dev/vfio/vfio # as udev's rules have it
wait_link

step "root"
expect 0 'MAC 52:54:00:aa:00:01' "$dir/vf_smoke" "$a"
expect 0 'closed' "$dir/vf_smoke" "$a" 9000
expect 0 'closed' "$dir/vf_smoke" "$c"

step "not the user's, then the user's"
expect 1 'belongs to root with mode 0600; mpi may not' as_user "$dir/vf_smoke" "$a"
chown $user "$a" "$b"
expect 0 'closed' as_user "$dir/vf_smoke" "$a"

step "limits"
expect 1 'RLIMIT_MEMLOCK' with_memlock 65536 "$dir/vf_smoke" "$a"
grep -q 'ulimit -l' /tmp/out || wrong "no remedy"

step "raw hops, unprivileged"
expect 0 'every frame checked' as_user "$tools/vf_pingpong" --iters 500 "$a" "$b"
expect 0 'every frame checked' as_user "$tools/vf_pingpong" --iters 200 --mtu 9000 --bytes 9014 "$a" "$b"

step "busy, then killed"
start "$dir/vf_smoke" "$a" 1500 60
wait_text /tmp/smoke 'broadcasts sent'
expect 1 'is in use by another process' "$dir/vf_smoke" "$a"
kill -9 $job
wait $job
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

step "reset by somebody else while open"
start "$dir/vf_smoke" "$a" 1500 8
wait_text /tmp/smoke 'broadcasts sent'
echo 1 >"/sys/bus/pci/devices/$(bdf_of 0)/reset"
wait_text /tmp/smoke 'health: Network dropped connection on reset'
wait $job || wrong "vf_smoke ended with $?"
cat /tmp/smoke
expect 0 'closed' as_user "$dir/vf_smoke" "$a"

step "unbound while open: the process is asked for it, and the unbinding waits until it is closed"
start "$dir/vf_smoke" "$a" 1500 5
wait_text /tmp/smoke 'broadcasts sent'
(echo "$(bdf_of 0)" >/sys/bus/pci/drivers/vfio-pci/unbind) &
unbind=$!
wait_text /tmp/smoke 'health: No such device'
kill -0 $unbind || wrong "it was unbound under its process"
wait $job || wrong "vf_smoke ended with $?"
wait $unbind || wrong "unbinding ended with $?"
cat /tmp/smoke
[ ! -e "/sys/bus/pci/drivers/vfio-pci/$(bdf_of 0)" ] || wrong "it is bound still"
a=$(bind 0)
expect 0 'closed' "$dir/vf_smoke" "$a"

step "a process that does not let go, killed in the middle of an unbinding"
start "$dir/vf_smoke" "$b" 1500 60
wait_text /tmp/smoke 'broadcasts sent'
(echo "$(bdf_of 1)" >/sys/bus/pci/drivers/vfio-pci/unbind) &
unbind=$!
wait_text /tmp/smoke 'health: No such device'
kill -9 $job
wait $job
wait $unbind || wrong "unbinding ended with $?"
b=$(bind 1)
expect 0 'closed' "$dir/vf_smoke" "$b"
echo 0 >"$pci/sriov_numvfs"
modprobe -r vfio-pci || wrong "vfio-pci cannot be unloaded"
dmesg | grep -E '[^ ]BUG:|WARNING:|Oops|DMAR.*[Ff]ault' && wrong "the kernel complains"
finish

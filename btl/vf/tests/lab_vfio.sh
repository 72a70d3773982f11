#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# lab_vfio.sh DIR: tries the driver on real VFs bound to vfio-pci, opened by their groups' nodes: what lab_vf.sh does
# with those of uio_vf, as far as VFIO has it. Root, in the lab (docs/lab.md) or on a machine with an IOMMU whose first 82576 or
# I350 PF nobody needs; a user mpi must exist. DIR has vf_smoke; vf_pingpong is installed, or in $VFRING_TOOLS.
# Exit status 0 when everything was as it should be.
set -u
dir=$1
tools=${VFRING_TOOLS:-/usr/libexec/vfring}
user=mpi
failed=0

step() { echo; echo "== $*"; }
wrong() { echo "WRONG: $*"; failed=1; }
# expect STATUS TEXT COMMAND...: the command ends so, and its output has TEXT.
expect() {
    want=$1 text=$2
    shift 2
    case $1 in
    as_user | with_memlock) "$@" >/tmp/out 2>&1 ;;
    *) timeout 120 "$@" >/tmp/out 2>&1 ;;
    esac
    got=$?
    cat /tmp/out
    [ $got = "$want" ] || wrong "$* ended with $got, not $want"
    grep -qF -e "$text" /tmp/out || wrong "its output lacks '$text'"
}
as_user() { timeout 120 prlimit --memlock=67108864:67108864 setpriv --reuid $user --regid $user --init-groups "$@"; }
# with_memlock BYTES COMMAND...
with_memlock() { bytes=$1; shift; timeout 120 prlimit --memlock="$bytes:$bytes" "$@"; }
# start COMMAND...: as the user in the background; sets job, its process id
start() {
    : >/tmp/smoke
    (exec prlimit --memlock=67108864:67108864 setpriv --reuid $user --regid $user --init-groups "$@" >/tmp/smoke 2>&1) &
    job=$!
}
wait_text() { # FILE TEXT: at most 20 s
    for _ in $(seq 200); do
        grep -qF -e "$2" "$1" && return
        sleep 0.1
    done
    wrong "no '$2' in $1:"
    cat "$1"
}
wait_link() {
    for _ in $(seq 100); do
        [ "$(cat "/sys/class/net/$pf/carrier" 2>/dev/null)" = 1 ] && return
        sleep 0.1
    done
    wrong "PF $pf has no link"
}

modprobe igb 2>/dev/null
for _ in $(seq 50); do
    ls /sys/class/net/*/device/sriov_totalvfs >/dev/null 2>&1 && break
    sleep 0.1
done
pf=
for device in /sys/class/net/*/device; do
    [ -e "$device/sriov_totalvfs" ] || continue
    pf=$(basename "$(dirname "$device")")
    break
done
[ -n "$pf" ] || { echo "no PF with SR-IOV here"; exit 1; }
pci=/sys/class/net/$pf/device

bind() { # VF-NUMBER: prints the node of its group
    bdf=$(bdf_of "$1")
    echo vfio-pci >"/sys/bus/pci/devices/$bdf/driver_override"
    [ -e "/sys/bus/pci/devices/$bdf/driver" ] && echo "$bdf" >"/sys/bus/pci/devices/$bdf/driver/unbind"
    echo "$bdf" >/sys/bus/pci/drivers_probe
    group=/dev/vfio/$(basename "$(readlink "/sys/bus/pci/devices/$bdf/iommu_group")")
    for _ in $(seq 100); do
        [ -c "$group" ] && break
        sleep 0.05
    done
    echo "$group"
}
bdf_of() { basename "$(readlink "$pci/virtfn$1")"; }

step "set-up: PF $pf"
expect 1 'vfio-pci is not loaded' "$dir/vf_smoke" /dev/vfio/4711
modprobe vfio-pci || exit 1
expect 1 'no VF of this IOMMU group' "$dir/vf_smoke" /dev/vfio/4711
echo 0 >"$pci/sriov_numvfs"
echo 0 >"$pci/sriov_drivers_autoprobe"
ip link set "$pf" up mtu 9000
echo 3 >"$pci/sriov_numvfs"
ip link set "$pf" vf 0 mac 52:54:00:aa:00:01
ip link set "$pf" vf 1 mac 52:54:00:aa:00:02
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
expect 1 'RLIMIT_MEMLOCK' with_memlock 65536 setpriv --reuid $user --regid $user --init-groups "$dir/vf_smoke" "$a"
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

echo
[ $failed = 0 ] && echo "all as it should be" || echo "something was wrong, see WRONG above"
exit $failed

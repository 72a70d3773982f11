#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# lab_vf.sh DIR: tries the driver on real VFs. Root, in the lab (docs/lab.md) or
# on a machine whose first 82576 or I350 PF nobody needs; the module uio_vf must be
# installed, and a user mpi must exist. DIR has vf_smoke; vf_pingpong is installed, or in $VFRING_TOOLS.
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
as_user() { timeout 120 setpriv --reuid $user --regid $user --init-groups "$@"; }
# with_memlock BYTES COMMAND...
with_memlock() { bytes=$1; shift; timeout 120 prlimit --memlock="$bytes:$bytes" "$@"; }
# start COMMAND...: as the user in the background; sets job, its process id
start() {
    : >/tmp/smoke
    (exec setpriv --reuid $user --regid $user --init-groups "$@" >/tmp/smoke 2>&1) &
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

bind() { # VF-NUMBER: prints its node
    bdf=$(basename "$(readlink "$pci/virtfn$1")")
    echo uio_vf >"/sys/bus/pci/devices/$bdf/driver_override"
    [ -e "/sys/bus/pci/devices/$bdf/driver" ] && echo "$bdf" >"/sys/bus/pci/devices/$bdf/driver/unbind"
    echo "$bdf" >/sys/bus/pci/drivers_probe
    basename "/sys/bus/pci/devices/$bdf/uio_vf/"* >/tmp/name
    for _ in $(seq 100); do
        [ -c "/dev/$(cat /tmp/name)" ] && break
        sleep 0.05
    done
    echo "/dev/$(cat /tmp/name)"
}
bdf_of() { basename "$(readlink -f "/sys/class/uio_vf/$(basename "$1")/device")"; }

step "set-up: PF $pf"
expect 1 'is not loaded' "$dir/vf_smoke" /dev/uiovf0
modprobe uio_vf || exit 1
expect 1 'no VF is bound' "$dir/vf_smoke" /dev/uiovf0
echo 0 >"$pci/sriov_numvfs"
echo 0 >"$pci/sriov_drivers_autoprobe"
ip link set "$pf" up mtu 9000
echo 3 >"$pci/sriov_numvfs"
ip link set "$pf" vf 0 mac 52:54:00:aa:00:01
ip link set "$pf" vf 1 mac 52:54:00:aa:00:02
a=$(bind 0)
b=$(bind 1)
c=$(bind 2)
echo "VFs: $a $b, and $c without a MAC"
for _ in $(seq 100); do
    [ "$(cat "/sys/class/net/$pf/carrier" 2>/dev/null)" = 1 ] && break
    sleep 0.1
done

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
expect 1 'RLIMIT_MEMLOCK' with_memlock 65536 setpriv --reuid $user --regid $user --init-groups "$dir/vf_smoke" "$a"
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
for _ in $(seq 100); do
    [ "$(cat "/sys/class/net/$pf/carrier" 2>/dev/null)" = 1 ] && break
    sleep 0.1
done
expect 0 'closed' as_user "$dir/vf_smoke" "$a"

step "PF down: cannot open"
ip link set "$pf" down
expect 1 'ip link set PF up' as_user "$dir/vf_smoke" "$a"
ip link set "$pf" up
for _ in $(seq 100); do
    [ "$(cat "/sys/class/net/$pf/carrier" 2>/dev/null)" = 1 ] && break
    sleep 0.1
done
expect 0 'closed' as_user "$dir/vf_smoke" "$a"

step "unbound while open"
bdf=$(bdf_of "$a")
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

echo
[ $failed = 0 ] && echo "all as it should be" || echo "something was wrong, see WRONG above"
exit $failed

# SPDX-License-Identifier: BSD-3-Clause
# What lab_vf.sh and lab_vfio.sh share, which read it in with the folder of vf_smoke as $1: a user's programs and what is expected of them,
# and the first PF. $as_user_first, if it is set, is a command before each of the user's.
dir=$1
tools=${VFRING_TOOLS:-/usr/libexec/vfring}
user=mpi
setpriv="${as_user_first:-} setpriv --reuid $user --regid $user --init-groups"
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
# shellcheck disable=SC2086 # it is several words
as_user() { timeout 120 $setpriv "$@"; }
# with_memlock BYTES COMMAND...: as the user
with_memlock() { bytes=$1; shift; timeout 120 prlimit --memlock="$bytes:$bytes" setpriv --reuid $user --regid $user --init-groups "$@"; }
# start COMMAND...: as the user in the background; sets job, its process id
start() {
    : >/tmp/smoke
    (exec $setpriv "$@" >/tmp/smoke 2>&1) &
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
wait_node() { # PATH
    for _ in $(seq 100); do
        [ -c "$1" ] && return
        sleep 0.05
    done
}
bdf_of() { basename "$(readlink "$pci/virtfn$1")"; } # VF-NUMBER
bind_to() { # DRIVER BDF
    echo "$1" >"/sys/bus/pci/devices/$2/driver_override"
    [ -e "/sys/bus/pci/devices/$2/driver" ] && echo "$2" >"/sys/bus/pci/devices/$2/driver/unbind"
    echo "$2" >/sys/bus/pci/drivers_probe
}
make_vfs() { # three, of which the third has no MAC
    echo 0 >"$pci/sriov_numvfs"
    echo 0 >"$pci/sriov_drivers_autoprobe"
    ip link set "$pf" up mtu 9000
    echo 3 >"$pci/sriov_numvfs"
    ip link set "$pf" vf 0 mac 52:54:00:aa:00:01
    ip link set "$pf" vf 1 mac 52:54:00:aa:00:02
}
finish() {
    echo
    [ $failed = 0 ] && echo "all as it should be" || echo "something was wrong, see WRONG above"
    exit $failed
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

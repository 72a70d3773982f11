# SPDX-License-Identifier: BSD-3-Clause
# What bench.sh and hosts.sh do with VFs; lab/src/script.ts puts it before them.

mtu=9000
programs=/usr/libexec/vfring
bin=/run/bench
# Standard names, but not "vf": ip(8) takes that for its keyword.
interface=iov0

mac() { echo "52:54:00:aa:00:0$1"; }

make_vfs() { # COUNT NUMBER: of the first PF, which no driver takes; MACs from that of NUMBER on. Their addresses are in $bin/vfs.
    for device in /sys/class/net/*/device; do
        [ ! -e "$device/sriov_totalvfs" ] || break
    done
    pf=$(basename "$(dirname "$device")")
    echo 0 >"$device/sriov_drivers_autoprobe"
    ip link set "$pf" up mtu $mtu
    wait_for "link of $pf" has_carrier "$pf"
    echo "$1" >"$device/sriov_numvfs"
    for i in $(seq 0 $(($1 - 1))); do
        ip link set "$pf" vf "$i" mac "$(mac $(($2 + i)))"
        basename "$(readlink "$device/virtfn$i")"
    done >$bin/vfs
}

give() { # VF TRANSPORT: to its driver. `node` is the VF's for vfring, `name` its interface for tcp.
    case $2 in
    vfring) driver=uio_vf ;;
    tcp) driver=igbvf ;;
    dpdk) driver=vfio-pci ;;
    *) die "no driver for $2" ;;
    esac
    device=/sys/bus/pci/devices/$1
    [ ! -e "$device/driver" ] || echo "$1" >"$device/driver/unbind"
    echo $driver >"$device/driver_override"
    echo "$1" >/sys/bus/pci/drivers_probe
    [ "$(basename "$(readlink "$device/driver")")" = $driver ] || die "$driver does not take $1"
    case $driver in
    uio_vf)
        node=/dev/$(basename "$device/uio_vf/"*)
        wait_for "$node" test -c "$node" ;;
    igbvf) name=$(basename "$device/net/"*) ;;
    esac
}

set_up() { # NAME ADDRESS [COMMAND...]: the interface of a VF; the command, such as ip netns exec NAME, gets to where it is
    old=$1 address=$2
    shift 2
    "$@" ip link set "$old" name $interface
    "$@" ip link set $interface mtu $mtu up
    "$@" ip addr add "$address/24" dev $interface
    wait_for "link of $address" has_carrier $interface "$@"
}

reaches() { # ADDRESS [COMMAND...]: with whole frames
    address=$1
    shift
    "$@" ping -c 1 -W 20 -M do -s $((mtu - 28)) "$address" >/dev/null || die "no frame of $mtu bytes gets to $address"
}

mkdir -p $bin

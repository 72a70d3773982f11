#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# hosts.sh COMMAND...: what `npm run bench:lab -- --hosts 2` does on each of two hosts. The one VF of each changes its driver from
# measurement to measurement, and nothing else changes.
#
#   setup                      a VF of the PF, with a MAC, and what the drivers need
#   bind vfring|tcp            gives the VF to uio_vf or igbvf
#   mpi vfring|tcp PROGRAM ARG...    on host1: an MPI test program, a rank on each host
#   raw TOOL ARG...            on both: vf_pingpong or vf_stream, frames without MPI; host1 measures, host2 answers
set -eu
mtu=9000
programs=/usr/libexec/vfring
bin=/run/bench
# Standard names, but not "vf": ip(8) takes that for its keyword.
interface=iov0
number=$(sed s/host// /proc/sys/kernel/hostname)
mac() { echo "52:54:00:aa:00:0$1"; }

setup() {
    modprobe igb
    modprobe uio_vf
    modprobe igbvf
    for device in /sys/class/net/*/device; do
        [ ! -e "$device/sriov_totalvfs" ] || break
    done
    pf=$(basename "$(dirname "$device")")
    echo 0 >"$device/sriov_drivers_autoprobe"
    ip link set "$pf" up mtu $mtu
    wait_for "link of $pf" has_carrier "$pf"
    echo 1 >"$device/sriov_numvfs"
    ip link set "$pf" vf 0 mac "$(mac "$number")"
    basename "$(readlink "$device/virtfn0")" >$bin/vf
}

bind() {
    case $1 in
    vfring) driver=uio_vf ;;
    tcp) driver=igbvf ;;
    *) die "no driver for $1" ;;
    esac
    vf=$(cat $bin/vf)
    device=/sys/bus/pci/devices/$vf
    [ ! -e "$device/driver" ] || echo "$vf" >"$device/driver/unbind"
    echo $driver >"$device/driver_override"
    echo "$vf" >/sys/bus/pci/drivers_probe
    [ "$(basename "$(readlink "$device/driver")")" = $driver ] || die "$driver does not take $vf"
    case $driver in
    uio_vf) wait_for /dev/uiovf0 test -c /dev/uiovf0 ;;
    igbvf)
        name=$(basename "$device/net/"*)
        ip link set "$name" name $interface
        ip link set $interface mtu $mtu up
        ip addr add "10.0.0.$number/24" dev $interface
        wait_for "link of $vf" has_carrier $interface ;;
    esac
}

# The same user, launcher and options for both; neither may use shared memory, nor needs to: the ranks are on two hosts.
mpi() {
    transport=$1 program=$2
    shift 2
    case $transport in
    vfring) set -- --mca btl self,vfring --mca btl_vfring_mtu $mtu --mca btl_vfring_stats 1 --mca btl_vfring_devices /dev/uiovf0 $programs/"$program" "$@" ;;
    tcp)
        ping -c 1 -W 20 -M do -s $((mtu - 28)) 10.0.0.2 >/dev/null || die "no frame of $mtu bytes gets across"
        set -- --mca btl self,tcp --mca btl_tcp_if_include $interface $programs/"$program" "$@" ;;
    esac
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
    # A rank has its host's processor for itself.
    mpirun --host host1,host2 --mca pml ob1 --mca mpi_yield_when_idle 0 "$@"
}

raw() {
    tool=$1
    shift
    case $number.$tool in
    1.*) set -- "$@" --peer "$(mac 2)" ;;
    2.vf_pingpong) set -- --echo ;;
    2.vf_stream) set -- --sink ;;
    esac
    $programs/"$tool" --mtu $mtu "$@" /dev/uiovf0
}

mkdir -p $bin
command=$1
shift
"$command" "$@"

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
number=$(sed s/host// /proc/sys/kernel/hostname)

setup() {
    modprobe igb
    modprobe uio_vf
    modprobe igbvf
    make_vfs 1 "$number"
}

bind() {
    give "$(cat $bin/vfs)" "$1"
    [ "$1" != tcp ] || set_up "$name" "10.0.0.$number"
}

# The same user, launcher and options for both; neither may use shared memory, nor needs to: the ranks are on two hosts.
mpi() {
    transport=$1 program=$2
    shift 2
    case $transport in
    vfring) set -- --mca btl self,vfring --mca btl_vfring_mtu $mtu --mca btl_vfring_stats 1 --mca btl_vfring_devices /dev/uiovf0 $programs/"$program" "$@" ;;
    tcp)
        reaches 10.0.0.2
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

"$@"

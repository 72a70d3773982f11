#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# bench.sh COMMAND...: what `npm run bench:lab` does inside the guest. Two VFs of one
# PF change their driver from measurement to measurement, and nothing else changes.
#
#   setup                            two VFs of the first PF, with MACs, and what the drivers need
#   bind vfring|tcp|dpdk             gives both VFs to uio_vf (user mpi), igbvf or vfio-pci
#   mpi vfring|tcp PROGRAM ARG...    an MPI test program, a rank on each VF and each processor; over vfring it is user mpi's
#   forward vfring|dpdk BURST BYTES SAMPLES   raw frames; a line "rate N" a sample: frames/s that a VF receives
set -eu
user=mpi

counted() { [ "$(grep -c Rx-pps $bin/log)" -ge "$1" ]; } # LINES

setup() {
    modprobe igb
    modprobe uio_vf
    modprobe vfio-pci
    # Found here, or igbvf would be as each VF is made.
    modprobe igbvf
    make_vfs 2 0
    # DPDK's memory: 128 pages of 2 MiB.
    echo 128 >/proc/sys/vm/nr_hugepages
    # Two nodes, as Open MPI sees them: a network and a host name each, and a cable for its daemons.
    ip netns add node0
    ip netns add node1
    ip link add admin netns node0 type veth peer name admin netns node1
    for i in 0 1; do
        ip -n node$i link set lo up
        ip -n node$i addr add 10.1.0.1$i/24 dev admin
        ip -n node$i link set admin up
        echo "10.1.0.1$i node$i" >>/etc/hosts
    done
    # In place of ssh; Open MPI calls it with a host's name and a command.
    cat >$bin/agent <<'END'
#!/bin/sh
host=$1
shift
exec ip netns exec "$host" unshare -u sh -c "hostname $host; $*"
END
    # Two nodes, but one machine: each rank gets a processor of its own, whatever node it is on.
    cat >$bin/pinned <<'END'
#!/bin/sh
exec taskset -c "$OMPI_COMM_WORLD_RANK" "$@"
END
    chmod 755 $bin/agent $bin/pinned
}

bind() {
    i=0
    : >$bin/nodes
    while read -r vf; do
        give "$vf" "$1"
        case $1 in
        vfring)
            chown $user "$node"
            echo "$node" >>$bin/nodes ;;
        tcp)
            ip link set "$name" netns node$i
            set_up "$name" 10.0.0.1$i ip netns exec node$i ;;
        esac
        i=$((i + 1))
    done <$bin/vfs
    [ "$1" != tcp ] || reaches 10.0.0.11 ip netns exec node0
}

# Neither may use shared memory; each says so if it cannot do without.
mpi() {
    transport=$1 program=$2
    shift 2
    case $transport in
    vfring)
        # Open MPI's launcher crashes in a folder that its user may not enter.
        cd /home/$user
        # vfringd would raise the limit of locked memory for a lease, and give the nodes to the user.
        prlimit --memlock=$((64 << 20)) setpriv --reuid $user --regid $user --init-groups env HOME=/home/$user \
            mpirun -n 2 --bind-to none --mca pml ob1 --mca btl self,vfring --mca btl_vfring_mtu $mtu --mca btl_vfring_stats 1 \
            --mca btl_vfring_devices "$(paste -sd, $bin/nodes)" $bin/pinned $programs/"$program" "$@" ;;
    tcp)
        export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
        $bin/agent node0 mpirun -n 2 --host node0,node1 --map-by node --bind-to none --prtemca plm_ssh_agent $bin/agent --mca pml ob1 \
            --mca btl self,tcp --mca btl_tcp_if_include $interface $bin/pinned $programs/"$program" "$@" ;;
    esac
}

forward() {
    transport=$1 burst=$2 bytes=$3 samples=$4
    case $transport in
    vfring)
        $programs/vf_forward --burst "$burst" --bytes "$bytes" --samples "$samples" --millis 1000 $(cat $bin/nodes) >$bin/log 2>&1 \
            || { cat $bin/log >&2; exit 1; }
        cat $bin/log >&2
        sed -n 's/.*: median \([0-9]*\) frames.*/rate \1/p' $bin/log ;;
    dpdk)
        set -- $(cat $bin/vfs)
        dpdk-testpmd -l 0,1 --main-lcore 0 -a "$1" -a "$2" --in-memory -m 128 --file-prefix bench \
            -- --nb-cores=1 --total-num-mbufs=8192 --forward-mode=io --eth-peer=0,"$(mac 1)" --eth-peer=1,"$(mac 0)" \
            --stats-period 1 --tx-first --burst="$burst" --txpkts="$bytes" >$bin/log 2>&1 </dev/null &
        # It runs until it is told to end. The first second is start and warm-up.
        wait_for "$samples statistics of testpmd" counted $((2 * samples + 2))
        kill -TERM $!
        wait $! || { cat $bin/log >&2; exit 1; }
        sed -n 's/.*Rx-pps: *\([0-9][0-9]*\).*/rate \1/p' $bin/log | tail -n $((2 * samples)) ;;
    esac
}

"$@"

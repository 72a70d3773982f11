#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# instructions.sh [BYTES]: user-space instructions of one MPI_Send and one
# MPI_Recv over soft VFs, without polling and without the soft device's model,
# by callgrind; and the functions they are spent in. The counts are exact and
# the same in each run, so a test may compare them with a limit:
#   LIMIT=1700 instructions.sh 8
# which is what btl/mca/tests/instructions.sh does. PREFIX is where vfring is
# installed (default: build/prefix); or COMPONENT, the component's folder, and
# VFRING_SOFTVF, the soft VFs' tool.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
PREFIX=${PREFIX:-$here/../../../build/prefix}
COMPONENT=${COMPONENT:-$PREFIX/lib/openmpi}
VFRING_SOFTVF=${VFRING_SOFTVF:-$PREFIX/libexec/vfring/vfring-softvf}
bytes=${1:-8}
dir=$(mktemp -d /dev/shm/vfring-instr-XXXXXX)
trap 'rm -rf "$dir"' EXIT INT TERM

"${MPICC:-mpicc}" -O2 -g -o "$dir/turns" "$here/turns.c"
for i in 0 1; do
    "$VFRING_SOFTVF" create "$dir" --index "$i" --mac "02:76:66:01:00:0$i" > "$dir/made"
done
OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
OMPI_MCA_opal_mca_base_component_path=$COMPONENT:$(ompi_info --parsable --path pkglibdir | cut -d: -f3)
OMPI_MCA_btl_vfring_devices=$dir/vf0,$dir/vf1
# A process under callgrind, on a busy machine, is away for seconds: no timeout counts
# before an hour, so that what is counted is the same whatever else the machine does.
OMPI_MCA_btl_vfring_rto_min=3600000000 OMPI_MCA_btl_vfring_ack_delay=3600000000
TURNS_PAGE=$dir/page
export OMPI_ALLOW_RUN_AS_ROOT OMPI_ALLOW_RUN_AS_ROOT_CONFIRM OMPI_MCA_opal_mca_base_component_path \
    OMPI_MCA_btl_vfring_devices OMPI_MCA_btl_vfring_rto_min OMPI_MCA_btl_vfring_ack_delay TURNS_PAGE

# count FUNCTION ITERATIONS: instructions inside FUNCTION in rank 0, less those
# of the soft device, which begin at soft_write(), and those of libevent's loop,
# which Open MPI runs by the clock, not by the message.
count() {
    rm -f "$TURNS_PAGE" "$dir"/out.*
    mpirun -n 2 --mca pml ob1 --mca btl "${BTL:-self,vfring}" \
        valgrind --tool=callgrind --toggle-collect="$1" \
        --callgrind-out-file="$dir/out.%q{OMPI_COMM_WORLD_RANK}" "$dir/turns" "$bytes" "$2" \
        > "$dir/log" 2>&1 || { cat "$dir/log" >&2; exit 1; }
    callgrind_annotate --inclusive=yes --threshold=100 "$dir/out.0" 2> /dev/null | tr -d , | awk '
        /PROGRAM TOTALS/ { total = $1 }
        / [^ ]*:soft_write( |$)/ { if ($1 > model) model = $1 } # one line for each file it has code of
        / [^ ]*:event_base_loop( |$)/ { if ($1 > events) events = $1 }
        END { print total - model - events }'
}
# per_call FUNCTION
per_call() {
    few=$(count "$1" 200)
    many=$(count "$1" 2200)
    cp "$dir/out.0" "$dir/$1.out"
    echo $(((many - few) / 2000))
}
send=$(per_call do_send)
recv=$(per_call do_recv)
echo "bytes $bytes: MPI_Send $send, MPI_Recv $recv, together $((send + recv)) instructions"
for f in do_send do_recv; do
    echo "$f, instructions of 2200 calls by function:"
    callgrind_annotate --threshold=97 "$dir/$f.out" 2> /dev/null | grep -v softvf_ \
        | sed -n 's/^ *\([0-9,]* ([ 0-9.]*%)\)  *[^ ]*:\([^ ]*\).*/  \1 \2/p' | head -n 22
done
[ $((send + recv)) -le "${LIMIT:-1000000000}" ] || { echo "more than $LIMIT" >&2; exit 1; }

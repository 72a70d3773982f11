#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# instructions.sh [BYTES]: user-space instructions of one MPI_Send and one
# MPI_Recv over soft VFs, without polling and without the soft device's model,
# by callgrind; and the functions they are spent in. The counts are exact and
# the same in each run, so a test may compare them with a limit:
#   LIMIT=1625 instructions.sh 8
# which is what btl/mca/tests/instructions.sh does. PREFIX is where vfring is
# installed (default: build/prefix); or COMPONENT, the component's folder, and
# VFRING_SOFTVF, the soft VFs' tool. POLLS: so often each rank polls in vain before it sends, which is
# counted, too (default 0).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
PREFIX=${PREFIX:-$here/../../../build/prefix}
COMPONENT=${COMPONENT:-$PREFIX/lib/openmpi}
VFRING_SOFTVF=${VFRING_SOFTVF:-$PREFIX/libexec/vfring/vfring-softvf}
bytes=${1:-8} polls=${POLLS:-0}
dir=$(mktemp -d /dev/shm/vfring-instr-XXXXXX)
trap 'rm -rf "$dir"' EXIT INT TERM

"${MPICC:-mpicc}" -O2 -g -o "$dir/turns" "$here/turns.c"
for i in 0 1; do
    "$VFRING_SOFTVF" create "$dir" --index "$i" --mac "02:76:66:01:00:0$i" > "$dir/made"
done
OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
OMPI_MCA_opal_mca_base_component_path=$COMPONENT:$(ompi_info --parsable --path pkglibdir | cut -d: -f3)
OMPI_MCA_btl_vfring_helper=0 # it runs when it likes
OMPI_MCA_btl_vfring_devices=$dir/vf0,$dir/vf1
# A process under callgrind, on a busy machine, is away for seconds: no timeout counts
# before an hour, so that what is counted is the same whatever else the machine does.
OMPI_MCA_btl_vfring_rto_min=3600000000 OMPI_MCA_btl_vfring_ack_delay=3600000000
TURNS_PAGE=$dir/page
export OMPI_ALLOW_RUN_AS_ROOT OMPI_ALLOW_RUN_AS_ROOT_CONFIRM OMPI_MCA_opal_mca_base_component_path \
    OMPI_MCA_btl_vfring_helper OMPI_MCA_btl_vfring_devices OMPI_MCA_btl_vfring_rto_min OMPI_MCA_btl_vfring_ack_delay TURNS_PAGE

# Collecting is switched at the entry to and the return from each of these: on for a
# call, off inside it for the soft device's model, which begins at soft_write(), and
# for libevent's loop, which Open MPI runs by the clock, not by the message.
calls=1000
mpirun -n 2 --mca pml ob1 --mca btl "${BTL:-self,vfring}" \
    valgrind --tool=callgrind --toggle-collect=do_send --toggle-collect=do_recv --toggle-collect=do_poll \
    --toggle-collect=soft_write --toggle-collect='*event_base_loop' \
    --zero-before=counting_begins --dump-before=counting_ends \
    --callgrind-out-file="$dir/out.%q{OMPI_COMM_WORLD_RANK}" "$dir/turns" "$bytes" 200 "$calls" "$polls" \
    > "$dir/log" 2>&1 || { cat "$dir/log" >&2; exit 1; }
profile=$dir/out.0.1
callgrind_annotate --inclusive=yes --threshold=100 "$profile" > "$dir/inclusive" 2> "$dir/log" || { cat "$dir/log" >&2; exit 1; }
# per_call FUNCTION: of rank 0
per_call() {
    tr -d , < "$dir/inclusive" | awk -v calls="$calls" -v name=":$1\$" '
        $0 ~ name || $0 ~ ":'"$1"' " { if ($1 > most) most = $1 } # one line for each file it has code of
        END { printf "%d", most / calls }'
}
send=$(per_call do_send)
recv=$(per_call do_recv)
[ "$send" -gt 0 ] && [ "$recv" -gt 0 ] || { echo "nothing was counted:" >&2; cat "$dir/inclusive" >&2; exit 1; }
polled=$(per_call do_poll)
echo "bytes $bytes: MPI_Send $send, MPI_Recv $recv, together $((send + recv)) instructions"
[ "$polls" = 0 ] || echo "polls $polls: $polled instructions"
echo "instructions of $calls sends and receives by function:"
# The frames below main() were entered before the counting began: their own cost is wrong.
callgrind_annotate --threshold=100 "$profile" 2> /dev/null | grep -v -e 'below main' -e libc-start -e ld-linux \
    | sed -n 's/^ *\([0-9,]*\) ([ 0-9.]*%)  *[^ ]*:\([^ ]*\).*/\1 \2/p' | tr -d , \
    | awk '{ sum[$2] += $1 } END { for (f in sum) printf "%8d %s\n", sum[f], f }' | sort -rn | head -n 30
[ $((send + recv)) -le "${LIMIT:-1000000000}" ] || { echo "more than $LIMIT" >&2; exit 1; }

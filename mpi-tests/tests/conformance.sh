#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The conformance programs pass over an Open MPI that works, and every one of
# their cases fails, with status and its name, when the MPI below it is broken
# in a way that the case is there to notice (damage.c). Run by make check in the
# build folder; exit status 77: skipped.
set -u
MPIRUN=${MPIRUN:-mpirun}
if ! command -v "$MPIRUN" >/dev/null 2>&1; then
    echo "skipped: $MPIRUN not found (apt-get install openmpi-bin, or set MPIRUN)"
    exit 77
fi
# mpirun asks root for these; a test of programs is no reason to refuse.
OMPI_ALLOW_RUN_AS_ROOT=1
OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
# What a process spawns may share processors, too.
OMPI_MCA_rmaps_base_oversubscribe=1 PRTE_MCA_rmaps_default_mapping_policy=:oversubscribe
export OMPI_ALLOW_RUN_AS_ROOT OMPI_ALLOW_RUN_AS_ROOT_CONFIRM OMPI_MCA_rmaps_base_oversubscribe \
    PRTE_MCA_rmaps_default_mapping_policy

dir=$(mktemp -d) || exit 99
trap 'rm -rf "$dir"' EXIT
failures=0

# btl/tcp by frames only: with put and get, pml/ob1 of Open MPI 4.1 writes beyond
# a receive buffer that is too short, and there is a case for that.
mpi() { # RANKS PROGRAM ARGS: output in $dir/out, returns mpirun's status
    ranks=$1
    shift
    timeout 300 "$MPIRUN" -np "$ranks" --map-by :OVERSUBSCRIBE --mca pml ob1 --mca btl self,tcp \
        --mca btl_tcp_if_include lo --mca btl_tcp_flags 1 --mca osc "$osc" \
        -x MT_DAMAGE "$@" >"$dir/out" 2>&1
}

# One-sided communication by messages, where this Open MPI has it (4.1); 5.0 has
# another way that btl/tcp can go.
osc=$(ompi_info --param osc pt2pt 2>/dev/null | grep -q 'MCA osc: pt2pt' && echo pt2pt || echo ^ucx)

failed() { # WHAT
    echo "FAILED: $1; the output was:"
    cat "$dir/out"
    failures=$((failures + 1))
}

passes() { # RANKS PROGRAM ARGS
    name=${2##*/}
    MT_DAMAGE=none
    mpi "$@" --seed 7 --json "$dir/json"
    status=$?
    # The launcher of Open MPI 4.1.4 loses a spawned process now and then: its PMIx_Init
    # waits for ever, over any transport. That is not what is tested here.
    tries=1
    while [ "$name" = processes ] && [ $status -ne 0 ] && [ $tries -lt 4 ] && grep -q 'did not end within' "$dir/out"; do
        mpi "$@" --seed 7 --json "$dir/json"
        status=$?
        tries=$((tries + 1))
    done
    if [ $status -ne 0 ]; then
        failed "$*: status $status"
    elif ! grep -q "^${name}: ok, $1 ranks, .* cases passed" "$dir/out"; then
        failed "$*: no ok line"
    elif ! grep -q '"ok": true' "$dir/json"; then
        failed "$*: no result in the JSON file"
    fi
}

notices() { # DAMAGE PROGRAM CASE
    MT_DAMAGE=$1
    mpi 2 "tests/$2_damaged" --quick --timeout 30 --case "$3"
    status=$?
    if [ $status -eq 0 ] || [ $status -ge 124 ]; then
        failed "MT_DAMAGE=$1 $2 $3: status $status"
    elif ! grep -q "^$2: rank [01] on [^:]*: $3: " "$dir/out"; then
        failed "MT_DAMAGE=$1 $2 $3: no line that names the case"
    fi
}

# What a case is there for, if it is not the contents of what is received.
damage_for() { # CASE PROGRAM
    case $1 in
    # The first calls are those that make windows.
    put_and_get_carry_*) echo data:4 ;;
    connect_and_accept_*) echo data:2 ;; # the first is the port's name
    too_short_receive_buffer_*) echo hush ;;
    cancelled_receive_*) echo deaf ;;
    synchronous_send_waits_*) echo early ;;
    barrier_*) echo ajar ;;
    *)
        case $2 in
        onesided | atomics) echo data:2 ;;
        *) echo data:1 ;;
        esac
        ;;
    esac
}

refuses() { # STATUS MESSAGE RANKS PROGRAM ARGS
    expected=$1
    message=$2
    MT_DAMAGE=none
    shift 2
    mpi "$@"
    status=$?
    if [ $status -ne "$expected" ]; then
        failed "$*: status $status, expected $expected"
    elif [ "$(grep -c -e "$message" "$dir/out")" -ne 1 ]; then
        failed "$*: not said once: $message"
    fi
}

export MT_DAMAGE
for program in atomics collectives communicators datatypes matching onesided probes processes reductions \
    requests sizes threads; do
    limit=120
    [ $program != processes ] || limit=30
    passes 2 ./$program --quick --timeout $limit
    passes 3 ./$program --quick --timeout $limit
    "./$program" --list >"$dir/cases" || failed "$program --list"
    [ -s "$dir/cases" ] || failed "$program has no cases"
    while read -r name; do
        notices "$(damage_for "$name" $program)" $program "$name" </dev/null
    done <"$dir/cases"
done

refuses 64 'case=nonsense: there is no such case' 2 ./sizes --case nonsense
refuses 64 'skip=posted: there is no such case' 2 ./sizes --skip posted
refuses 64 'boundaries=12Q: a number from' 2 ./sizes --boundaries 12Q

if [ $failures -ne 0 ]; then
    echo "$failures failures"
    exit 1
fi

#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The MPI test programs pass over an Open MPI that works, and fail, with status
# and message, when one byte of one message is damaged. Run by make check in
# the build folder; exit status 77: skipped.
set -u
MPIRUN=${MPIRUN:-mpirun}
if ! command -v "$MPIRUN" >/dev/null 2>&1; then
    echo "skipped: $MPIRUN not found (apt-get install openmpi-bin, or set MPIRUN)"
    exit 77
fi
# mpirun asks root for these; a test of programs is no reason to refuse.
OMPI_ALLOW_RUN_AS_ROOT=1
OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_ALLOW_RUN_AS_ROOT OMPI_ALLOW_RUN_AS_ROOT_CONFIRM

dir=$(mktemp -d) || exit 99
trap 'rm -rf "$dir"' EXIT
failures=0

mpi() { # RANKS PROGRAM ARGS: output in $dir/out, returns mpirun's status
    ranks=$1
    shift
    timeout 300 "$MPIRUN" -np "$ranks" --map-by :OVERSUBSCRIBE --mca pml ob1 \
        -x MT_CORRUPT "$@" >"$dir/out" 2>&1
}

failed() { # WHAT
    echo "FAILED: $1; the output was:"
    cat "$dir/out"
    failures=$((failures + 1))
}

passes() { # RANKS PROGRAM ARGS
    name=$2
    MT_CORRUPT=none
    mpi "$@" --seed 7 --json "$dir/json"
    status=$?
    if [ $status -ne 0 ]; then
        failed "$*: status $status"
    elif ! grep -q "^${name##*/}: ok, $1 ranks, " "$dir/out"; then
        failed "$*: no ok line"
    elif ! grep -q '"ok": true' "$dir/json"; then
        failed "$*: no result in the JSON file"
    elif command -v python3 >/dev/null 2>&1 && ! python3 -m json.tool "$dir/json" /dev/null; then
        failed "$*: the result is not JSON"
    fi
}

notices() { # CORRUPT MESSAGE RANKS PROGRAM ARGS
    MT_CORRUPT=$1
    message=$2
    shift 2
    mpi "$@"
    status=$?
    if [ $status -eq 0 ] || [ $status -ge 124 ]; then
        failed "MT_CORRUPT=$MT_CORRUPT $*: status $status"
    elif ! grep -q "$message" "$dir/out"; then
        failed "MT_CORRUPT=$MT_CORRUPT $*: not a word of: $message"
    fi
}

refuses() { # STATUS MESSAGE RANKS PROGRAM ARGS
    expected=$1
    message=$2
    MT_CORRUPT=none
    shift 2
    mpi "$@"
    status=$?
    if [ $status -ne "$expected" ]; then
        failed "$*: status $status, expected $expected"
    elif [ "$(grep -c -e "$message" "$dir/out")" -ne 1 ]; then
        failed "$*: not said once: $message"
    fi
}

export MT_CORRUPT
for ranks in 2 3; do
    passes $ranks ./pingpong --quick --max 64K
    passes $ranks ./bandwidth --quick --max 16K
    passes $ranks ./ring --quick --max 128K
    passes $ranks ./alltoall --quick --max 8K
done
passes 2 ./pingpong --quick --check-all --iters 3 --sizes 0,1,7,100K
passes 2 ./bandwidth --check-all --samples 1 --iters 2 --window 3 --sizes 0,9,70000

# As long as there is no file: here until one is made.
(sleep 1; : >"$dir/over") &
passes 2 ./pingpong --quick --sizes 8 --until "$dir/over"
[ "$(grep -c '"bytes": 8' "$dir/json")" -ge 1 ] && [ -f "$dir/over" ] || failed 'pingpong --until: it has not waited'

notices 1:999 'wrong byte at offset 999' 2 tests/pingpong_corrupt --quick --sizes 1000
notices 30:5 'begins with wrong bytes' 2 tests/pingpong_corrupt --quick --sizes 1000
notices 30:50 'wrong byte at offset 50' 2 tests/pingpong_corrupt --quick --check-all --sizes 1000
notices 12:70000 'wrong byte at offset 70000' 2 tests/bandwidth_corrupt --samples 1 --iters 1 \
    --window 5 --sizes 100000
notices 7:0 'begins with wrong bytes' 2 tests/bandwidth_corrupt --samples 1 --iters 1 \
    --window 5 --sizes 100000
notices 4:3 'wrong byte at offset' 3 tests/ring_corrupt --quick --max 1M
notices 1:0 'alltoall, 100 bytes.* wrong byte at offset 0' 2 tests/alltoall_corrupt --sizes 100
notices 7:0 'alltoallv, .* wrong byte at offset 0' 2 tests/alltoall_corrupt --sizes 100
notices 12:0 'pairs, .* wrong byte at offset 0' 2 tests/alltoall_corrupt --sizes 100

refuses 64 'max=12Q: a number from 0 to' 2 ./pingpong --max 12Q
refuses 64 'min=4096 is above --max=1024' 2 ./pingpong --min 4K --max 1K
refuses 64 'unrecognized option' 2 ./ring --window 4
refuses 64 'two ranks or more are needed' 1 ./ring
refuses 73 'json=/nonexistent/x cannot be written' 2 ./ring --json /nonexistent/x

if [ $failures -ne 0 ]; then
    echo "$failures failures"
    exit 1
fi

#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# What the tests of this folder share; they read it in. They run in the build folder. $dir is for files, gone at the end.
MPIRUN=${MPIRUN:-mpirun}
if ! command -v "$MPIRUN" >/dev/null 2>&1; then
    echo "skipped: $MPIRUN not found (apt-get install openmpi-bin, or set MPIRUN)"
    exit 77
fi
# mpirun asks root for these; a test of programs is no reason to refuse.
OMPI_ALLOW_RUN_AS_ROOT=1
OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
# What is spawned may share processors, too, and is heard by mpirun (mpi-tests/README.md); processes of Open MPI 5 do not start so.
OMPI_MCA_rmaps_base_oversubscribe=1
case $("$MPIRUN" --version) in *") 4."*) export EVENT_NOEPOLL=1 ;; esac
PRTE_MCA_rmaps_default_mapping_policy=:oversubscribe
export OMPI_ALLOW_RUN_AS_ROOT OMPI_ALLOW_RUN_AS_ROOT_CONFIRM OMPI_MCA_rmaps_base_oversubscribe \
    PRTE_MCA_rmaps_default_mapping_policy

dir=$(mktemp -d) || exit 99
trap 'rm -rf "$dir"' EXIT
failures=0

# One-sided communication by messages, where this Open MPI has it (4.1); 5.0 has another way that btl/tcp can go.
osc=$(ompi_info --param osc pt2pt 2>/dev/null | grep -q 'MCA osc: pt2pt' && echo pt2pt || echo ^ucx)

# mpi RANKS PROGRAM ARGS: output in $dir/out, returns mpirun's status. $damage is what the MPI in front breaks
# (corrupt.c, damage.c), $options are mpirun's. One that does not end is killed: SIGTERM is nothing to an mpirun that is in its last steps.
mpi() {
    ranks=$1
    shift
    # shellcheck disable=SC2086
    MT_CORRUPT=$damage MT_DAMAGE=$damage timeout -k 10 $limit_s "$MPIRUN" -np "$ranks" --map-by :OVERSUBSCRIBE --mca pml ob1 \
        $options -x MT_CORRUPT -x MT_DAMAGE "$@" >"$dir/out" 2>&1
}
options=
damage=none
limit_s=300

failed() { # WHAT
    echo "FAILED: $1; the output was:"
    cat "$dir/out"
    failures=$((failures + 1))
}

# passes RANKS PROGRAM ARGS: ends well, and its results are JSON
passes() {
    name=${2##*/}
    damage=none
    mpi "$@" --seed 7 --json "$dir/json" --json-lines "$dir/lines"
    status=$?
    if [ $status -ne 0 ]; then
        failed "$*: status $status"
    elif ! grep -q "^$name: ok, $1 ranks, " "$dir/out"; then
        failed "$*: no ok line"
    elif ! grep -q '"ok": true' "$dir/json" || ! tail -n 1 "$dir/lines" | grep -q '"ok": true'; then
        failed "$*: no result in the JSON file, or in that of lines"
    elif command -v python3 >/dev/null 2>&1 && ! python3 -c '
import json, sys
document = json.load(open(sys.argv[1]))
*lines, last = map(json.loads, open(sys.argv[2]))
rows = [{key: value for key, value in line.items() if key != "test"} for line in lines]
assert rows and rows == document.pop("results"), "the rows differ"
assert last == document, "the last line and the document differ"
' "$dir/json" "$dir/lines" >>"$dir/out" 2>&1; then
        failed "$*: the result is not JSON, or the two files differ"
    fi
}

# fails_so DAMAGE MESSAGE RANKS PROGRAM ARGS: the program notices that MPI is broken so, and says it.
# When a job that spawned is aborted, mpirun of Open MPI 4.1 may lock up in its end (mpi-tests/README.md): what the program said counts.
fails_so() {
    damage=$1
    message=$2
    shift 2
    case $2 in *processes*) limit_s=90 ;; esac
    mpi "$@"
    status=$?
    limit_s=300
    case $2 in *processes*) [ $status -ne 137 ] || status=1 ;; esac
    if [ $status -eq 0 ] || [ $status -ge 124 ]; then
        failed "$damage, $*: status $status"
    elif ! grep -q "$message" "$dir/out"; then
        failed "$damage, $*: not a word of: $message"
    fi
}

# refuses STATUS MESSAGE RANKS PROGRAM ARGS: is said once
refuses() {
    expected=$1
    message=$2
    damage=none
    shift 2
    mpi "$@"
    status=$?
    if [ $status -ne "$expected" ]; then
        failed "$*: status $status, expected $expected"
    elif [ "$(grep -c -e "$message" "$dir/out")" -ne 1 ]; then
        failed "$*: not said once: $message"
    fi
}

# The end of a test.
all_told() {
    [ $failures -eq 0 ] || echo "$failures failures"
    [ $failures -eq 0 ]
}

#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The MPI test programs pass over an Open MPI that works, and fail, with status
# and message, when one byte of one message is damaged. Run by make check in
# the build folder; exit status 77: skipped.
set -u
. "$(dirname "$0")/common.sh"

for ranks in 2 3; do
    passes $ranks ./pingpong --quick --max 64K
    passes $ranks ./bandwidth --quick --max 16K
    passes $ranks ./ring --quick --max 128K
    passes $ranks ./alltoall --quick --max 8K
done
passes 2 ./pingpong --quick --check-all --iters 3 --sizes 0,1,7,100K
passes 2 ./bandwidth --check-all --samples 1 --iters 2 --window 3 --sizes 0,9,70000
for pattern in both-ways unexpected; do
    passes 3 ./bandwidth --pattern $pattern --samples 1 --iters 2 --window 3 --sizes 0,9,70000
    # Windows of warm-up, sample and check, where the second rank answers each by a byte of its own.
    fails_so 9:70000 'wrong byte at offset 70000' 2 tests/bandwidth_corrupt --pattern $pattern --samples 1 --iters 1 \
        --window 3 --sizes 100000
    fails_so 5:0 'begins with wrong bytes' 2 tests/bandwidth_corrupt --pattern $pattern --samples 1 --iters 1 \
        --window 3 --sizes 100000
done

# As long as there is no file: here until one is made, after the third round.
rounds() {
    grep -c '"bytes": 8' "$dir/lines" 2>/dev/null
}
rm -f "$dir/lines"
(
    until [ "0$(rounds)" -ge 3 ]; do
        sleep 0.1
    done
    : >"$dir/over"
) &
maker=$!
passes 2 ./pingpong --quick --sizes 8 --until "$dir/over"
kill $maker 2>/dev/null
[ "0$(rounds)" -ge 3 ] && [ -f "$dir/over" ] || failed 'pingpong --until: it has not waited'

fails_so 1:999 'wrong byte at offset 999' 2 tests/pingpong_corrupt --quick --sizes 1000
fails_so 30:5 'begins with wrong bytes' 2 tests/pingpong_corrupt --quick --sizes 1000
fails_so 30:50 'wrong byte at offset 50' 2 tests/pingpong_corrupt --quick --check-all --sizes 1000
fails_so 12:70000 'wrong byte at offset 70000' 2 tests/bandwidth_corrupt --samples 1 --iters 1 \
    --window 5 --sizes 100000
fails_so 7:0 'begins with wrong bytes' 2 tests/bandwidth_corrupt --samples 1 --iters 1 \
    --window 5 --sizes 100000
fails_so 4:3 'wrong byte at offset' 3 tests/ring_corrupt --quick --max 1M
fails_so 1:0 'alltoall, 100 bytes.* wrong byte at offset 0' 2 tests/alltoall_corrupt --sizes 100
fails_so 7:0 'alltoallv, .* wrong byte at offset 0' 2 tests/alltoall_corrupt --sizes 100
fails_so 12:0 'pairs, .* wrong byte at offset 0' 2 tests/alltoall_corrupt --sizes 100

refuses 64 'max=12Q: a number from 0 to' 2 ./pingpong --max 12Q
refuses 64 'min=4096 is above --max=1024' 2 ./pingpong --min 4K --max 1K
refuses 64 'unrecognized option' 2 ./ring --window 4
refuses 64 'two ranks or more are needed' 1 ./ring
refuses 64 'pattern=round: one of one-way, both-ways, unexpected' 2 ./bandwidth --pattern round
refuses 73 '/nonexistent/x cannot be written' 2 ./ring --json /nonexistent/x
refuses 73 '/nonexistent/x cannot be written' 2 ./ring --json-lines /nonexistent/x
refuses 73 'could not be written whole' 2 ./ring --quick --max 8 --json /dev/full
refuses 73 'could not be written whole' 2 ./ring --quick --max 8 --json-lines /dev/full

# What was measured before a run failed stays, and is not taken for a whole result.
fails_so 7:0 'alltoallv, .* wrong byte at offset 0' 2 tests/alltoall_corrupt --sizes 100 --json "$dir/json" --json-lines "$dir/lines"
grep -q '^{"test": "alltoall", "bytes": 100, "operation": "alltoall", ' "$dir/lines" || failed 'the lines of a run that failed: none'
! grep -q '"ok"' "$dir/lines" || failed 'the lines of a run that failed: ok'
[ ! -s "$dir/json" ] || failed 'the JSON document of a run that failed: not empty'

all_told

#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# scaling.sh WIRE_SCALE JSON [NAME]: all runs that docs/performance/scaling.md tells of, one after the other on one
# core at low priority, some ten minutes and 2 GB in all; or those alone whose name begins with NAME. A line of JSON for each
# goes to the file JSON as soon as it is there. Exit status 1: one of them failed; its line says why.
set -eu
[ $# -ge 2 ] || { echo "usage: scaling.sh WIRE_SCALE JSON [NAME]" >&2; exit 2; }
scale=$1 json=$2 only=${3:-}
failed=0
: > "$json"

run() { # NAME PATTERN OPTION...
    name=$1
    shift
    case $name in
    "$only"*) ;;
    *) return 0 ;;
    esac
    echo "$name" >&2
    nice -n 10 "$scale" "$@" --name "$name" >> "$json" || failed=1
}

deep=16777216 shallow=131072
for transport in vfring fixed-timer go-back-n; do
    for senders in 32 64 256; do
        run "incast-$senders deep" incast --nodes $((senders + 1)) --buffer $deep --transport $transport
        run "incast-$senders shallow" incast --nodes $((senders + 1)) --buffer $shallow --transport $transport
    done
    run "incast-256 pause" incast --nodes 257 --buffer $shallow --pause --transport $transport
    run "alltoall-64 deep" alltoall --nodes 64 --bytes 16384 --buffer $deep --transport $transport
    run "alltoall-64 shallow" alltoall --nodes 64 --bytes 16384 --buffer $shallow --transport $transport
    run "pairs-64 shallow" pairs --nodes 64 --bytes 1048576 --steps 1 --buffer $shallow --transport $transport
    run "stencil-64 shallow" stencil --nodes 64 --steps 5 --buffer $shallow --transport $transport
    run "ring-64 shallow" ring --nodes 64 --buffer $shallow --transport $transport
    run "clean-64" ring --nodes 64 --steps 20 --transport $transport
    run "lossy-64 1 %" ring --nodes 64 --steps 20 --loss-ppm 10000 --transport $transport
    run "storm-2048 shallow" storm --nodes 64 --ranks-a-node 32 --jitter-ns 100000 --buffer $shallow --transport $transport
done
for senders in 32 64 256; do
    for buffer in $deep $shallow; do
        run "incast-$senders 9000" incast --nodes $((senders + 1)) --buffer $buffer --mtu 9000 --rx-entries 512
    done
done
for few in 2 4 8 16; do
    for buffer in $deep $shallow; do
        run "few-256 $few at a time" incast --nodes 257 --buffer $buffer --in $few
        run "few-256 $few at a time, 9000" incast --nodes 257 --buffer $buffer --in $few --mtu 9000 --rx-entries 512
        run "few-alltoall-64 $few at a time" alltoall --nodes 64 --buffer $buffer --in $few
    done
done
for buffer in $deep $shallow; do
    run "few-alltoall-64 all" alltoall --nodes 64 --buffer $buffer
done
for seed in 1 2 3 4 5; do
    run "seeds-256 shallow" incast --nodes 257 --buffer $shallow --seed $seed
done
# A process that looks late at its ring needs much under way: what would the losses of one cost the others?
for loss in 0 10000 200000; do
    run "lossy-sender $loss ppm" incast --nodes 9 --bytes 1048576 --poll-ns 50000 --lossy-node 5 --loss-ppm $loss
done
run "slow-64 none" alltoall --nodes 64 --bytes 16384
run "slow-64 20 times" alltoall --nodes 64 --bytes 16384 --slow 20
run "rail-64 two" ring --nodes 64 --steps 20 --rails 2
run "rail-64 dies" ring --nodes 64 --steps 20 --rails 2 --rail-dies-ns 200000
for buffer in $deep $shallow; do
    run "alltoall-1024 1 KiB" alltoall --nodes 1024 --bytes 1024 --buffer $buffer
done
run "ring-32768" ring --nodes 1024 --ranks-a-node 32 --bytes 16384 --steps 4 --buffer $shallow
run "stencil-32768" stencil --nodes 1024 --ranks-a-node 32 --bytes 4096 --steps 2 --buffer $shallow
run "pairs-32768" pairs --nodes 1024 --ranks-a-node 32 --bytes 16384 --steps 2 --buffer $shallow
run "incast-32767 64 B" incast --nodes 1024 --ranks-a-node 32 --bytes 64 --jitter-ns 100000 --buffer $shallow
run "storm-32768 10 ms" storm --nodes 1024 --ranks-a-node 32 --jitter-ns 10000000 --buffer $shallow
run "storm-32768 0.1 ms" storm --nodes 1024 --ranks-a-node 32 --jitter-ns 100000 --buffer $shallow
exit $failed

#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The tools of this folder between two soft VFs: they measure, find every frame whole, and say what is wrong with what they are given.
set -u
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
failed=0
wrong() { echo "WRONG: $*"; failed=1; }
# expect STATUS TEXT COMMAND...: the command ends so, and its output has TEXT.
expect() {
    want=$1 text=$2
    shift 2
    # Against hanging only.
    timeout 100 "$@" >"$dir/out" 2>&1
    got=$?
    cat "$dir/out"
    [ $got = "$want" ] || wrong "$* ended with $got, not $want"
    grep -qF -e "$text" "$dir/out" || wrong "the output of $* lacks '$text'"
}

mkdir "$dir/wire"
for i in 0 1; do
    "$VFRING_SOFTVF" create "$dir/wire" --index $i --mac "02:76:66:07:00:0$i" --mtu 9000 >"$dir/made" || exit 1
done
a=$dir/wire/vf0 b=$dir/wire/vf1

expect 0 ', 0 lost' ./vf_forward --samples 1 --millis 20 --burst 4 "$a" "$b"
expect 0 ', 0 lost, every frame checked' ./vf_pingpong --iters 20 --reps 3 "$a" "$b"
expect 0 '9014-byte frames, one hop' ./vf_pingpong --mtu 9000 --bytes 9014 --iters 20 --reps 3 "$a" "$b"
expect 0 '64-byte frames, 1 a doorbell, 64 under way, an answer for 16:' ./vf_stream --samples 3 --millis 20 "$a" "$b"
grep -q ' 0 of [1-9][0-9]* lost, 0 damaged or out of order' "$dir/out" || wrong 'vf_stream does not say that all frames came'
expect 0 ', copied:' ./vf_stream --mtu 9000 --bytes 9000 --burst 8 --copy --samples 1 --millis 20 "$a" "$b"
# What waits for the answer to a whole window, which is not there before the window is full.
expect 0 ' 0 damaged' ./vf_stream --window 7 --answer 7 --samples 1 --millis 20 "$a" "$b"

expect 0 '4 KiB in small pages: registered in ' ./vf_register --max-kib 64 --samples 3 "$a" "$b"
# Three sizes, each registered for one sample that does not count and three that do.
grep -q '^12 frames out of registered memory compared$' "$dir/out" || wrong 'vf_register does not say how many frames it has compared'
expect 0 '"bytes": 4194304, "huge_pages": false, "samples": 1, "register_us": ' ./vf_register --max-kib 4096 --samples 1 --json "$a" "$b"
grep -q '^{"test": "vf_register", "ok": true, ' "$dir/out" || wrong 'vf_register does not say that all went well'
# Two wires: what was registered cannot be seen to be read, so it is not said to be.
mkdir "$dir/other"
"$VFRING_SOFTVF" create "$dir/other" --index 0 --mac 02:76:66:07:00:09 --mtu 9000 >"$dir/made" || exit 1
expect 1 'the two VFs are on two networks' ./vf_register --max-kib 4 --samples 1 "$a" "$dir/other/vf0"
expect 74 'standard output cannot be written: No space left on device' sh -c './vf_register --max-kib 4 --samples 1 "$@" >/dev/full' - "$a" "$b"

# A sink of a smaller MTU gets none of the frames.
timeout 100 ./vf_stream --sink "$b" >"$dir/sink" 2>&1 &
expect 1 ' 64 of 64 lost' ./vf_stream --mtu 9000 --bytes 9000 --samples 1 --millis 20 --peer 02:76:66:07:00:01 "$a"
wait $! || { cat "$dir/sink"; wrong 'the sink ends with an error'; }

# The end that measures knows better; the other one must not stay behind.
expect 64 'up to 1514 at this MTU' ./vf_stream --bytes 1515 "$a" "$b"
expect 64 'up to 1514 at this MTU' ./vf_pingpong --bytes 1515 "$a" "$b"
expect 64 'or nobody moves' ./vf_stream --window 64 --answer 65 "$a" "$b"
expect 64 'usage: vf_stream' ./vf_stream --bytes 59 "$a" "$b"
expect 64 'usage: vf_stream' ./vf_stream --peer 02:76:66:07:00:0g "$a"
expect 64 'usage: vf_stream' ./vf_stream --sink --peer 02:76:66:07:00:01 "$a"
expect 64 'usage: vf_stream' ./vf_stream --sink "$a" "$b"
expect 64 'usage: vf_pingpong' ./vf_pingpong --no-such-option "$a" "$b"
expect 64 'usage: vf_pingpong' ./vf_pingpong --iters -1 "$a" "$b"
expect 64 'usage: vf_forward' ./vf_forward --burst 65 "$a" "$b"
expect 64 'usage: vf_register' ./vf_register --max-kib 3 "$a" "$b"
for tool in vf_forward vf_pingpong vf_register vf_stream; do
    expect 1 "$tool: $dir/none does not exist; remedy: " ./$tool "$dir/none" "$b"
done
exit $failed

#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# What tshark with the dissector makes of real frames. Run by make check in the
# build folder. 77: no tshark.
set -eu
here=$(cd "${srcdir:-$(dirname "$0")}" && pwd)
command -v tshark > /dev/null || { echo "tshark is not installed"; exit 77; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
./wire_pcap "$dir/frames.pcap"
HOME=$dir tshark -X lua_script:"$here/../dissector/vfring.lua" -r "$dir/frames.pcap" -T fields -E separator=, -E occurrence=f \
    -e vfring.type -e vfring.src -e vfring.seq -e vfring.ack -e vfring.sack -e vfring.payload_bytes \
    -e vfring.msg -e vfring.left -e vfring.own_key -e vfring.place.index -e _ws.col.Info > "$dir/got" 2> "$dir/err" || { cat "$dir/err"; exit 1; }
cat > "$dir/want" <<'END'
1,0,0,0,,100,1,,,67305985,DATA id 0 seq 0 ack 0, 100 bytes
1,0,1,0,,0,2,,,,DATA id 0 seq 1 ack 0, 0 bytes
1,0,2,0,,24,3,,,,DATA id 0 seq 2 ack 0, 24 bytes
1,0,3,0,,24,4,0,,,DATA id 0 seq 3 ack 0, 24 bytes
2,1,0,1,0x0000000000000003,8,0,,,,ACK id 1 seq 0 ack 1 sack 2 3, 8 bytes
3,1,0,1,0x0000000000000003,8,,,0xc0ffee01,,BYE id 1 seq 0 ack 1 sack 2 3, 8 bytes
2,1,0,1,0x0000000000000003,8,0,,,,ACK id 1 seq 0 ack 1 sack 2 3, 8 bytes
4,0,0,0,,0,0,,,,GONE id 0 seq 0 ack 0, 0 bytes
END
head -n 8 "$dir/got" | diff "$dir/want" -
HOME=$dir tshark -X lua_script:"$here/../dissector/vfring.lua" -r "$dir/frames.pcap" -Y vfring.short 2> "$dir/err" | grep -q . \
    || { echo "the cut frame is not named"; exit 1; }
! grep -i 'lua.*error' "$dir/err"

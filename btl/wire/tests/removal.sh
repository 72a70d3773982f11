#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Removing a peer costs the same however many there are, whatever lists they are in:
# twice the peers take twice the instructions, counted by callgrind, not four times.
# 77: no valgrind.
set -eu
command -v valgrind > /dev/null || { echo "valgrind is not installed"; exit 77; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
count() { # N
    valgrind --tool=callgrind --callgrind-out-file="$dir/out" --toggle-collect=remove_all ./wire_removal "$1" > /dev/null 2> "$dir/log" \
        || { cat "$dir/log" >&2; exit 1; }
    sed -n 's/.*Collected : \([0-9]*\).*/\1/p' "$dir/log"
}
few=$(count 1024) many=$(count 2048)
[ "${few:-0}" -gt 1024 ] && [ "${many:-0}" -gt 2048 ] || { cat "$dir/log"; exit 1; }
echo "1024 peers: $few instructions, 2048: $many"
[ "$many" -le $((few * 5 / 2)) ]

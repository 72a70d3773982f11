#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The arrows of btl/wire go down only (../layers); and the check can fail: with
# any two neighbouring floors exchanged that an arrow joins, it does.
set -eu
here=$(cd "${srcdir:-$(dirname "$0")}" && pwd)
check=$here/../../layers.sh
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
"$check" "$here/../layers" "$here/.." ..

must_fail() { # WHAT
    if "$check" "$dir/layers" "$here/.." .. > "$dir/log"; then
        echo "$1: not noticed"
        exit 1
    fi
}
sed -e 's/^wire_send\( \|$\)//' -e 's/^wire_ack$/wire_ack\nwire_send/' "$here/../layers" > "$dir/layers"
must_fail "acknowledgements below sending"
grep -q 'wire_ack .* includes wire_send' "$dir/log" && grep -q 'wire_ack .* calls wire_send .*: wire_peer_output' "$dir/log" \
    || { cat "$dir/log"; exit 1; }
sed 's/^wire_timeout$//; s/ wire_timeout$//' "$here/../layers" > "$dir/layers"
must_fail "a file without a floor"
sed -e 's/^wire_ack$//' -e 's/^wire_send.*/& wire_ack/' "$here/../layers" > "$dir/layers"
must_fail "two files of one floor that see each other"

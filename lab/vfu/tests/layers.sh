#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The arrows of lab/vfu go down only (../layers); and the check can fail: with the
# server below the function, it does.
set -eu
here=$(cd "${srcdir:-$(dirname "$0")}" && pwd)
check=$here/../../../btl/layers.sh
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
"$check" "$here/../layers" "$here/.." ..

sed -e 's/^vfu_server$//' -e 's/^vfu_function$/vfu_server\nvfu_function/' "$here/../layers" > "$dir/layers"
if "$check" "$dir/layers" "$here/.." .. > "$dir/log"; then
    echo "a server below the function: not noticed"
    exit 1
fi
grep -q 'vfu_server .* calls vfu_function' "$dir/log" || { cat "$dir/log"; exit 1; }

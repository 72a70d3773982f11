#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# What btl/README.md and btl/how-a-message-travels.md say of the code is so (../../words.sh); and the check can fail.
set -eu
btl=$(cd "${srcdir:-$(dirname "$0")}/../.." && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
"$btl/words.sh" "$btl"

for folder in wire vf mca softvf; do
    mkdir "$dir/$folder"
    cp "$btl/$folder"/*.[ch] "$dir/$folder"
done
cp "$btl/words.sh" "$btl/layers.sh" "$btl/how-a-message-travels.md" "$dir"
must_fail() { # PATTERN, and README.md on standard input
    cat > "$dir/README.md"
    if "$btl/words.sh" "$dir" > "$dir/log"; then
        echo "not noticed: $1"
        exit 1
    fi
    grep -q "$1" "$dir/log" || { cat "$dir/log"; exit 1; }
}
sed 's/`struct btl_vfring_rail`/`struct btl_vfring_roil`/' "$btl/README.md" | must_fail 'there is no btl_vfring_roil'
sed '/^| ring /{h;d}; /^| VF /G' "$btl/README.md" | must_fail 'not sorted at'
sed '/^| ring /p' "$btl/README.md" | must_fail 'ring stands twice'
rm "$dir/mca/btl_vfring_pump.c"
must_fail 'there is no btl_vfring_pump.c' < "$btl/README.md"

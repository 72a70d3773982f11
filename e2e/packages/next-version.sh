#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# next-version.sh VERSION NEXT OUTPUT PACKAGE.deb...: the same packages as those of a later upstream
# version, for tests of an upgrade: names, dependencies, and the version that the programs and DKMS say.
set -eu
version=$1 next=$2 output=$3
shift 3
mkdir -p "$output"
dots=$(echo "$version" | sed 's/\./\\./g')
for deb; do
    tree=$(mktemp -d)
    dpkg-deb --raw-extract "$deb" "$tree/deb"
    find "$tree/deb/DEBIAN" -type f -exec sed -i "s/$dots/$next/g" {} +
    for file in "$tree"/deb/usr/lib/vfring/package.json "$tree/deb/usr/src/uio_vf-$version/dkms.conf"; do
        [ ! -f "$file" ] || sed -i "s/$dots/$next/g" "$file"
    done
    [ ! -d "$tree/deb/usr/src/uio_vf-$version" ] || mv "$tree/deb/usr/src/uio_vf-$version" "$tree/deb/usr/src/uio_vf-$next"
    (cd "$tree/deb" && find . -path ./DEBIAN -prune -o -type f -printf '%P\0' | sort -z | xargs -0 md5sum >DEBIAN/md5sums)
    dpkg-deb --root-owner-group --build "$tree/deb" "$output/$(basename "$deb" | sed "s/$dots/$next/")" >/dev/null
    rm -rf "$tree"
done

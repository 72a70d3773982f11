#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# compile-against.sh SUITE: compiles the component with the headers of the Open
# MPI that another Debian suite has (trixie: 5.0, testing: 6.0), warnings being
# errors. Fetches the packages from the mirrors this machine uses; installs
# nothing. compile-against.sh --root DIR: with the headers under DIR.
set -eu
top=$(cd "$(dirname "$0")/../../.." && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT INT TERM
arch=$(dpkg --print-architecture)
multiarch=$(gcc -print-multiarch)

# The first Debian mirror of this machine, in either form of sources.list.
mirror() {
    cat /etc/apt/sources.list /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list 2> /dev/null \
        | sed -n 's/^URIs: *\([^ ]*\).*/\1/p; s/^deb  *\(\[[^]]*\] *\)\{0,1\}\([^ ]*\) .*/\2/p' | grep -v security | head -n 1
}

fetch() {
    mkdir -p "$dir/apt/lists/partial" "$dir/apt/cache/archives/partial" "$dir/debs" "$dir/root"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(mirror) $1 main" > "$dir/apt/sources.list"
    set -- -o Dir::Etc::sourcelist="$dir/apt/sources.list" -o Dir::Etc::sourceparts=- -o Dir::State::lists="$dir/apt/lists" \
        -o Dir::Cache="$dir/apt/cache" -o Dir::State::status=/dev/null -o APT::Architecture="$arch" -o APT::Sandbox::User=root -qq
    apt-get "$@" update
    # What its headers include comes along: PMIx, hwloc and libevent.
    (cd "$dir/debs" && apt-get "$@" download libopenmpi-dev libpmix-dev libhwloc-dev libevent-dev)
    for deb in "$dir"/debs/*.deb; do
        dpkg-deb -x "$deb" "$dir/root"
    done
    root=$dir/root
}

case ${1:-} in
--root) root=$2 ;;
'') echo "usage: compile-against.sh SUITE | --root DIR" >&2; exit 64 ;;
*) fetch "$1" ;;
esac

for headers in "$root/usr/lib/$multiarch/openmpi/include" "$root/usr/lib/$multiarch/openmpi/include/openmpi"; do
    [ ! -f "$headers/opal/mca/btl/btl.h" ] || break
done
[ -f "$headers/opal/mca/btl/btl.h" ] || { echo "no btl.h under $root" >&2; exit 1; }
number() {
    sed -n "s/^#define OMPI_$1_VERSION *\([0-9]*\).*/\1/p" "$headers/opal_config.h" | head -n 1
}
major=$(number MAJOR) minor=$(number MINOR)
cat > "$dir/config.h" <<END
#define VFRING_VERSION "0.0.0"
#define VFRING_VERSION_NUMBERS 0, 0, 0
#define VFRING_OMPI_MAJOR $major
#define VFRING_OMPI_MINOR $minor
END
set -- -isystem "$headers"
[ "$major" -lt 5 ] || set -- "$@" -isystem "$headers/.." -idirafter "$top/config/ompi-headers"
for pmix in "$root/usr/lib/$multiarch"/pmix*/include "$root/usr/include/pmix" "$root/usr/lib/$multiarch/pmix2/include"; do
    [ ! -f "$pmix/pmix.h" ] || set -- "$@" -isystem "$pmix"
done
set -- "$@" -idirafter "$root/usr/include" -idirafter "$root/usr/include/$multiarch"
failed=0
for source in "$top"/btl/mca/*.c; do
    case $source in *_lease.c | *_lease_*.c) continue ;; esac # know no Open MPI
    ${CC:-gcc} -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Wno-unused-parameter -Werror -O1 -c -o "$dir/object.o" \
        -DVFRING_HELP_DIR='""' -I"$dir" -I"$top/btl/mca" -I"$top/btl/wire" -I"$top/btl/vf" -I"$top/btl/regs" "$@" "$source" || failed=1
done
[ $failed = 0 ] && echo "the component compiles with Open MPI $major.$minor"
exit $failed

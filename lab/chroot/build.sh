#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# build.sh PART...: builds parts of the project inside the lab's Debian, by native
# code: compiling in the emulated guest would take fifteen times as long. Runs as an ordinary
# user; the project is at /mnt/src (read-only), all output goes to /mnt/build.
# Each part is staged in /mnt/build/stage-PART.
set -eu
src=/mnt/src
out=/mnt/build
jobs=$(nproc)

# A copy, because autoconf and kbuild write beside the sources, and the
# machine's own tools are of another version. rsync keeps times, so make sees
# what changed; what .gitignore names (the tools' output) stays as it is on both sides.
copy_sources() { # TOP-LEVEL-NAME...
    set -- $(for name; do echo "--include=/$name"; done)
    rsync -rlpt --delete --filter=':- .gitignore' \
        --filter='P *.o' --filter='P *.ko' --filter='P *.mod' --filter='P *.mod.c' --filter='P .*.cmd' \
        --filter='P modules.order' --filter='P Module.symvers' \
        --include=/.gitignore "$@" --exclude='/*' "$src/" "$out/src/"
}

build_c() {
    cd "$out/src"
    [ -x configure ] || ./autogen.sh
    mkdir -p "$out/obj"
    cd "$out/obj"
    # config.status is the last file that configure makes.
    [ -x config.status ] || ../src/configure --quiet --prefix=/usr --sysconfdir=/etc
    make -j "$jobs"
    make -s install DESTDIR="$out/stage-c"
}

build_kmod() {
    version=$(ls /usr/lib/modules)
    modules=/usr/lib/modules/$version
    make -j "$jobs" -C "$modules/build" M="$out/src/driver-kmod" modules
    stage=$out/stage-kmod/usr/lib/modules/$version
    mkdir -p "$stage/extra"
    cp "$out"/src/driver-kmod/*.ko "$stage/extra/"
    # depmod wants one folder with all modules.
    base=/tmp/depmod
    mkdir -p "$base/lib/modules/$version"
    ln -s "$modules"/kernel "$modules"/modules.order "$modules"/modules.builtin* "$stage/extra" "$base/lib/modules/$version/"
    depmod -b "$base" "$version"
    find "$base/lib/modules/$version" -maxdepth 1 -type f -exec cp {} "$stage/" \;
    make -j "$jobs" -C "$out/src/driver-kmod/tests" O="$out/kmod-tests" DESTDIR="$out/stage-kmod" install
}

mkdir -p "$out/src"
copy_sources btl config docs driver-kmod lab mpi-tests LICENSES CHANGELOG.md Makefile.am autogen.sh configure.ac package.json
for part; do
    echo "step: $part"
    rm -rf "$out/stage-$part"
    "build_$part"
done

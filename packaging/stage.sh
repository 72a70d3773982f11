#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# What Debian's and RPM packages are made of, beside what make installs. In the top folder of the sources, with node_modules of
# package-lock.json; nothing is fetched.
#
#   stage.sh version                prints the version of the kernel module
#   stage.sh compile                compiles node modules for the node that is here
#   stage.sh install DESTDIR DOCS   puts control plane, the module's sources for DKMS and examples below DESTDIR/usr; DOCS is
#                                   the folder, below it, of the packages' documents
set -eu

module_version() { sed -n 's/^MODULE_VERSION("\(.*\)");/\1/p' driver-kmod/uio_vf_main.c; }

compile() {
    # npm, where node-gyp comes from elsewhere, has it inside.
    gyp=$(command -v node-gyp || echo "node $(npm root -g)/npm/node_modules/node-gyp/bin/node-gyp.js")
    (cd node_modules/better-sqlite3 && $gyp rebuild --release)
    (cd node_modules/koffi && node src/cnoke/cnoke.js -P . -D src/koffi --release && rm -rf build/koffi/*/v*)
}

install_all() { # DESTDIR DOCS
    usr=$1/usr docs=$1/usr$2
    node --import tsx control/install/install.ts --destdir "$1" --prefix /usr
    for file in $(make -s --no-print-directory -C driver-kmod sources) Makefile dkms.conf; do
        install -D -m 644 "driver-kmod/$file" "$usr/src/uio_vf-$(module_version)/$file"
    done
    sed -i "s/#MODULE_VERSION#/$(module_version)/" "$usr/src/uio_vf-$(module_version)/dkms.conf"
    install -D -m 644 driver-kmod/uapi/uio_vf.h "$usr/include/uio_vf.h"
    install -D -m 644 driver-kmod/60-uio_vf.rules "$usr/lib/udev/rules.d/60-uio_vf.rules"
    mkdir -p "$usr/share/man/man4" "$usr/lib/systemd/system/slurmd.service.d" "$docs/vfring-slurm/examples"
    sed "s/@VERSION@/$(module_version)/" driver-kmod/uio_vf.4 >"$usr/share/man/man4/uio_vf.4"
    awk -f packaging/slurm-examples.awk -v out="$docs/vfring-slurm/examples" docs/slurm.md
    mv "$docs/vfring-slurm/examples/vfring.conf" "$usr/lib/systemd/system/slurmd.service.d/"
    install -m 644 packaging/gres.conf "$docs/vfring-slurm/examples/"
    install -D -m 644 packaging/vfringd.yaml "$docs/vfringd/examples/vfringd.yaml"
}

command=$1
shift
case $command in
version) module_version ;;
compile) compile ;;
install) install_all "$@" ;;
*) echo "E: unknown command $command" >&2; exit 64 ;;
esac

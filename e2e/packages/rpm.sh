#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# rpm.sh: in the sources, as they are in a checkout, builds the RPM packages with Debian's rpmbuild and compares their files with those of
# the Debian packages in /debs.
set -eu
. "$(dirname "$0")/../shell/functions.sh"
log=$PWD/rpmbuild.log
why() { tail -n 60 "$log"; }

# What they need to be built has other names here, and is not RPM's.
try "rpmbuild builds them" rpmbuild -bb --build-in-place --nodeps --define "_topdir $PWD/rpmbuild" packaging/rpm/vfring.spec
set -- rpmbuild/RPMS/*/*.rpm
names=$(for file; do rpm -qp --queryformat '%{NAME} ' "$file"; done)
ok "rpmbuild builds $# packages: $names"

# Documents and licences have places of their own in each world, only one compresses manual pages, and parts of a bundle are named by hashes.
ours() { sed -E 's/\.gz$//; s|/$||; s/-[0-9A-Z]{8}\.js$/.js/' | grep -vE '^/usr/share/(doc|licenses|lintian)(/|$)|^/usr/src/debug' | sort -u; }
for file; do
    name=$(rpm -qp --queryformat '%{NAME}' "$file")
    rpm -qlp "$file" | ours >rpm.list
    # Files and links, and the folders that RPM's list has as well.
    dpkg-deb --fsys-tarfile /debs/"${name}"_*.deb | tar -t | sed 's|^\.||' | ours >deb.list
    dpkg-deb --fsys-tarfile /debs/"${name}"_*.deb | tar -t | sed 's|^\.||' | grep -v '/$' | ours >deb.files
    comm -23 deb.files rpm.list >missing
    comm -13 deb.list rpm.list >surplus
    cat missing surplus >"$log"
    [ ! -s missing ] && [ ! -s surplus ] || fail "$name has the files of the Debian package, but: missing $(wc -l <missing), besides $(wc -l <surplus)"
    ok "$name has the $(wc -l <rpm.list) files and folders of the Debian package"
done

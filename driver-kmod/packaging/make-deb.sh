#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# make-deb.sh VERSION OUTPUT-FOLDER: makes uio-vf-dkms_VERSION_all.deb. Started
# by `make deb`; needs dpkg-deb and gzip, no root.
set -eu
version=$1 output=$2
here=$(cd "$(dirname "$0")" && pwd)
kmod=$(dirname "$here")

stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
chmod 755 "$stage"
umask 022

put() { # MODE SOURCE DESTINATION
	install -D -m "$1" "$2" "$stage/$3"
}
fill_in() { # MODE SOURCE DESTINATION
	mkdir -p "$(dirname "$stage/$3")"
	sed "s/@VERSION@/$version/g; s/#MODULE_VERSION#/$version/g" "$2" >"$stage/$3"
	chmod "$1" "$stage/$3"
}

src=usr/src/uio_vf-$version
make -s --no-print-directory -C "$kmod" sources | while read -r file; do
	put 644 "$kmod/$file" "$src/$file"
done
put 644 "$kmod/Makefile" "$src/Makefile"
fill_in 644 "$kmod/dkms.conf" "$src/dkms.conf"
put 644 "$kmod/uapi/uio_vf.h" usr/include/uio_vf.h
put 644 "$here/60-uio_vf.rules" usr/lib/udev/rules.d/60-uio_vf.rules
fill_in 644 "$kmod/uio_vf.4" usr/share/man/man4/uio_vf.4
gzip -9n "$stage/usr/share/man/man4/uio_vf.4"
put 644 "$here/copyright" usr/share/doc/uio-vf-dkms/copyright
fill_in 644 "$here/control" DEBIAN/control
fill_in 755 "$here/postinst" DEBIAN/postinst
fill_in 755 "$here/prerm" DEBIAN/prerm
(cd "$stage" && find usr -type f -exec md5sum {} + >DEBIAN/md5sums)
echo "Installed-Size: $(du -sk "$stage/usr" | cut -f1)" >>"$stage/DEBIAN/control.size"
sed -i "/^Section:/r $stage/DEBIAN/control.size" "$stage/DEBIAN/control"
rm "$stage/DEBIAN/control.size"

mkdir -p "$output"
dpkg-deb --root-owner-group --build "$stage" "$output/uio-vf-dkms_${version}_all.deb"

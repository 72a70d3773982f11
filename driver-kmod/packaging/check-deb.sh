#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# check-deb.sh PACKAGE.deb [SUITE...]: installs the package in Debian releases
# (default bookworm trixie), in a throw-away layer over their trees, and removes
# it again: DKMS has to build, sign and install the module for that release's
# kernel, and leave nothing. As root or by sudo; see ../debian-tree.sh.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../debian-tree.sh"
in_namespace "$here/check-deb.sh" "$@"
deb=$1
shift
[ $# -gt 0 ] || set -- bookworm trixie

fail() {
	echo "not ok - $suite: $*"
	exit 1
}

check() { # SUITE
	suite=$1
	debian_tree "$suite"
	install_in_tree gcc make linux-headers-amd64 dkms kmod openssl
	layer=$(mktemp -d)
	mount -t tmpfs tmpfs "$layer"
	mkdir "$layer/up" "$layer/work" "$layer/root"
	mount -t overlay -o "lowerdir=$tree,upperdir=$layer/up,workdir=$layer/work" root "$layer/root"
	base=$tree
	tree=$layer/root
	mount -t proc proc "$tree/proc"
	mount --bind /dev "$tree/dev"
	cp "$deb" "$tree/tmp/uio-vf-dkms.deb"
	log=$base.deb.log

	# A kernel that DKMS is told to pass over (BUILD_EXCLUSIVE_KERNEL) beside it.
	kernel=$(basename "$(echo "$tree"/lib/modules/*-amd64)")
	cp -a "$tree/lib/modules/$kernel" "$tree/lib/modules/5.10.0-old-amd64"
	in_tree dpkg -i /tmp/uio-vf-dkms.deb >"$log" 2>&1 || { tail -30 "$log"; fail "it can be installed"; }
	echo "ok - $suite: it can be installed"
	grep -q 'not for kernel 5.10.0-old-amd64: passed over' "$log" || fail "a kernel that is too old is passed over"
	echo "ok - $suite: a kernel that is too old is passed over"
	in_tree modinfo -k "$kernel" uio_vf >"$log.modinfo" 2>&1 || fail "the module is where modprobe finds it"
	for field in filename license version author description vermagic depends parm signer; do
		grep -q "^$field:" "$log.modinfo" || fail "modinfo has $field"
	done
	echo "ok - $suite: modinfo is complete: $(sed -n 's/^vermagic: *//p' "$log.modinfo")"
	[ -e "$tree/usr/lib/udev/rules.d/60-uio_vf.rules" ] && [ -e "$tree/usr/share/man/man4/uio_vf.4.gz" ] ||
		fail "udev rule and manual page are there"
	echo "ok - $suite: udev rule and manual page are there"
	in_tree dpkg --purge uio-vf-dkms >>"$log" 2>&1 || { tail -30 "$log"; fail "it can be removed"; }
	left=$(cd "$tree" && find lib/modules usr/src var/lib/dkms -name '*uio_vf*' 2>/dev/null)
	[ -z "$left" ] || fail "nothing is left, but: $left"
	echo "ok - $suite: it can be removed, and leaves nothing"
	umount "$tree/dev" "$tree/proc" "$tree"
	umount "$layer"
	rmdir "$layer"
}

for suite; do
	check "$suite"
done

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Builds the debug kernel of `npm run test:debug-kernel` from Debian's
# linux-source-6.12, and uio_vf.ko for it:
#
#   build.sh OUTPUT		OUTPUT gets bzImage, config, uio_vf.ko, igbvf.ko
#
# As root or by sudo; see ../debian-tree.sh. The kernel is kept there, too, and
# built anew when config changes or Debian's source does.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
kmod=$(dirname "$here")
. "$kmod/debian-tree.sh"
[ $# = 1 ] || { echo "usage: build.sh OUTPUT" >&2; exit 64; }
in_namespace "$here/build.sh" "$@"
output=$1

debian_tree trixie
install_in_tree gcc make linux-source-6.12 xz-utils flex bison bc libelf-dev libssl-dev \
	python3-minimal kmod
mount -t proc proc "$tree/proc"

source=$(in_tree dpkg-query -W -f '${Version}' linux-source-6.12)
dir=/usr/src/vfring-debug-$source
# "built" is the config of what is there.
if ! cmp -s "$here/config" "$tree$dir/built"; then
	echo "building a debug kernel of $source: about ten minutes on two processors"
	if [ ! -d "$tree$dir" ]; then
		rm -rf "$tree"/usr/src/vfring-debug-*
		mkdir "$tree$dir.new"
		in_tree tar -C "$dir.new" --strip-components=1 -xf /usr/src/linux-source-6.12.tar.xz
		mv "$tree$dir.new" "$tree$dir"
	fi
	rm -f "$tree$dir/built"
	cp "$here/config" "$tree$dir/debug.config"
	in_tree make -s -C "$dir" KCONFIG_ALLCONFIG=debug.config allnoconfig
	# Kconfig drops what it cannot have without a word.
	missing=$(grep -E '^CONFIG_[A-Z0-9_]+=[ym]' "$here/config" | while read -r line; do
		grep -qx "$line" "$tree$dir/.config" || echo "$line"
	done)
	[ -z "$missing" ] || { echo "E: kconfig refused:"; echo "$missing"; exit 1; } >&2
	in_tree make -s -j2 -C "$dir" bzImage modules >"$UIO_VF_CACHE/debug-kernel.log" 2>&1 ||
		{ tail -30 "$UIO_VF_CACHE/debug-kernel.log" >&2; exit 1; }
	cp "$here/config" "$tree$dir/built"
fi

out=$(mktemp -d)
mkdir -p "$tree/mnt/uio_vf" "$output"
mount --bind "$out" "$tree/mnt/uio_vf"
make -s --no-print-directory -C "$kmod" sources | while read -r file; do
	install -D -m 644 "$kmod/$file" "$out/$file"
done
in_tree make -s -j2 -C "$dir" M=/mnt/uio_vf modules >&2
cp "$out/uio_vf.ko" "$output/"
cp "$tree$dir/.config" "$output/config"
cp "$tree$dir/drivers/net/ethernet/intel/igbvf/igbvf.ko" "$output/"
cp "$tree$dir/arch/x86/boot/bzImage" "$output/"
umount "$tree/mnt/uio_vf"
rm -rf "$out"

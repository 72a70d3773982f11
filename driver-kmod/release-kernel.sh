#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Debian's kernel of another release, for the lab, with uio_vf.ko for it:
#
#   release-kernel.sh SUITE OUTPUT	OUTPUT gets vmlinuz and modules/VERSION
#
# modules/VERSION is what /lib/modules/VERSION is in the guest: the modules that
# the lab and the tests load, and extra/uio_vf.ko, built by that release's own
# compiler. As root or by sudo; see debian-tree.sh.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
. "$here/debian-tree.sh"
[ $# = 2 ] || { echo "usage: release-kernel.sh SUITE OUTPUT" >&2; exit 64; }
in_namespace "$here/release-kernel.sh" "$@"
output=$2

# What the lab's initramfs mounts its root with, and what the tests load.
wanted='crc32c_generic virtio_blk virtio_pci virtio_console erofs overlay igb igbvf aer_inject'

debian_tree "$1"
install_in_tree gcc make linux-headers-amd64 kmod xz-utils
mount -t proc proc "$tree/proc"

kernel=$(cd "$tree/usr/src" && ls -d linux-headers-*-amd64 | tail -1)
kernel=${kernel#linux-headers-}
image=$tree/image-$kernel
if [ ! -d "$image" ]; then
	# Unpacked, not installed: its scripts would make an initramfs.
	in_tree sh -c 'cd /tmp && apt-get -q update && apt-get -q download "$1"' sh "linux-image-$kernel" >>"$tree.log" 2>&1 || {
		tail -5 "$tree.log" >&2
		echo "E: the archive has no linux-image-$kernel (any more); remove $tree and run again" >&2
		exit 1
	}
	rm -rf "$image.new" "$tree"/image-*
	in_tree sh -c 'dpkg -x /tmp/linux-image-*.deb "$1" && rm /tmp/linux-image-*.deb' sh "/image-$kernel.new"
	# usr/lib in releases whose packages know that /lib is a link
	[ -d "$image.new/lib" ] || ln -s usr/lib "$image.new/lib"
	in_tree sh -c 'find "$1" -name "*.ko.xz" -exec xz -d {} +' sh "/image-$kernel.new/lib/modules/$kernel"
	in_tree depmod -b "/image-$kernel.new" "$kernel"
	mv "$image.new" "$image"
fi

out=$(mktemp -d)
mkdir -p "$tree/mnt/uio_vf"
mount --bind "$out" "$tree/mnt/uio_vf"
make -s -C "$here" sources | while read -r file; do
	install -D -m 644 "$here/$file" "$out/$file"
done
in_tree make -s -j2 -C "/usr/src/linux-headers-$kernel" M=/mnt/uio_vf modules >&2

staged=$out/stage/lib/modules/$kernel
mkdir -p "$staged/extra"
for module in $wanted; do
	# Built in, or without it: the kernels differ. Who misses one says so.
	in_tree modprobe -d "/image-$kernel" -S "$kernel" -a --show-depends "$module" 2>/dev/null || :
done | sed -n "s|^insmod .*/lib/modules/$kernel/\([^ ]*\).*|\1|p" | sort -u | while read -r file; do
	install -D -m 644 "$image/lib/modules/$kernel/$file" "$staged/$file"
done
cp "$out/uio_vf.ko" "$staged/extra/"
cp "$image/lib/modules/$kernel"/modules.builtin* "$image/lib/modules/$kernel/modules.order" "$staged/"
in_tree depmod -b /mnt/uio_vf/stage "$kernel"
rm -rf "$output"
mkdir -p "$output/modules"
cp -r "$staged" "$output/modules/"
cp "$image/boot/vmlinuz-$kernel" "$output/vmlinuz"
umount "$tree/mnt/uio_vf"
rm -rf "$out"
echo "$output: Linux $kernel"

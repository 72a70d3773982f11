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
wanted='crc32c_generic virtio_blk virtio_pci virtio_console erofs overlay igb igbvf aer_inject vfio-pci vfio_iommu_type1'

debian_tree "$1"
install_in_tree gcc make linux-headers-amd64 kmod xz-utils
mount -t proc proc "$tree/proc"

kernel=$(cd "$tree/usr/src" && ls -d linux-headers-*-amd64 | tail -1)
kernel=${kernel#linux-headers-}
image=$tree/image-$kernel
if [ ! -d "$image" ]; then
	# Unpacked, not installed: its scripts would make an initramfs. Newer kernels
	# are in several packages, on which that of the image depends.
	in_tree sh -c 'rm -rf /tmp/image && mkdir /tmp/image && cd /tmp/image && apt-get -q update && apt-get -q download "linux-image-$1" &&
		dpkg -f linux-image-*.deb Depends | grep -oE "linux-(base|binary|modules)-[^ ,]*" | sort -u | xargs -r apt-get -q download' \
		sh "$kernel" >>"$tree.log" 2>&1 || {
		tail -5 "$tree.log" >&2
		echo "E: the archive has no linux-image-$kernel (any more); remove $tree and run again" >&2
		exit 1
	}
	rm -rf "$image.new" "$tree"/image-*
	in_tree sh -c 'for package in /tmp/image/*.deb; do dpkg -x "$package" "$1" || exit; done && rm -r /tmp/image' sh "/image-$kernel.new"
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
vmlinuz=$image/boot/vmlinuz-$kernel
[ -e "$vmlinuz" ] || vmlinuz=$image/lib/modules/$kernel/vmlinuz # where newer packages have it
cp "$vmlinuz" "$output/vmlinuz"
umount "$tree/mnt/uio_vf"
rm -rf "$out"
echo "$output: Linux $kernel"

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Builds uio_vf.ko against the kernels of several Debian releases, each with
# that release's own compiler and sparse, and fails on any warning:
#
#   check-kernels.sh [SUITE...]		default: bookworm trixie sid
#
# As root (or by sudo). Each release gets a tree of its own below
# $XDG_CACHE_HOME/vfring/kernels (~/.cache), made by debootstrap from the mirror
# that this machine's own apt uses; delete it to have a newer kernel. All mounts
# are in a mount namespace that ends with this script.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
[ $# -gt 0 ] || set -- bookworm trixie sid

if [ "${UIO_VF_NAMESPACE:-}" != yes ]; then
	become=
	[ "$(id -u)" = 0 ] || become=sudo
	cache=${XDG_CACHE_HOME:-$HOME/.cache}/vfring/kernels
	exec $become env UIO_VF_NAMESPACE=yes UIO_VF_CACHE="$cache" \
		unshare --mount --propagation private sh "$here/check-kernels.sh" "$@"
fi
cache=$UIO_VF_CACHE
packages='gcc make sparse linux-headers-amd64'

# Debian's archive as this machine reaches it. apt knows all forms of sources.
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' \
	'Origin: Debian' 'Label: Debian' | head -1)
[ -n "$mirror" ] || { echo "check-kernels: apt on this machine knows no Debian archive" >&2; exit 1; }

make_tree() { # SUITE TREE
	echo "check-kernels: making $2"
	rm -rf --one-file-system "$2.new"
	mkdir -p "$2.new"
	debootstrap --variant=minbase --keyring=/usr/share/keyrings/debian-archive-keyring.gpg \
		"$1" "$2.new" "$mirror" >"$2.log" 2>&1 &&
	apt-config dump | grep -E '^Acquire::(https?::Proxy|Retries|Check-)' >"$2.new/etc/apt/apt.conf.d/99host" || :
	cp /etc/resolv.conf /etc/hosts "$2.new/etc/"
	# Neither an initramfs nor manuals are wanted.
	# shellcheck disable=SC2086 # one word a package is meant
	chroot "$2.new" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive \
		sh -c 'apt-get -q update && apt-get -q -y --no-install-recommends install "$@" && apt-get clean' \
		sh $packages >>"$2.log" 2>&1 || { tail -20 "$2.log" >&2; exit 1; }
	mv "$2.new" "$2"
}

build() { # SUITE
	tree=$cache/$1
	[ -d "$tree" ] || make_tree "$1" "$tree"
	out=$(mktemp -d)
	mkdir -p "$tree/mnt/uio_vf"
	mount --bind "$out" "$tree/mnt/uio_vf"
	mount -t proc proc "$tree/proc"
	make -s -C "$here" sources | while read -r file; do
		install -D -m 644 "$here/$file" "$out/$file"
	done
	kernel=$(ls -d "$tree"/usr/src/linux-headers-*-amd64 | head -1)
	kernel=${kernel#"$tree"}
	# Debian's headers of 6.19 and later leave out a script without which
	# kbuild takes sparse for missing. It would say 1: fit for use.
	valid=$(echo "$tree"/usr/src/linux-headers-*-common)/scripts/checker-valid.sh
	[ -e "$valid" ] || ! grep -qs checker-valid "${valid%scripts/*}Makefile" ||
		printf '#!/bin/sh\necho 1\n' | install -m 755 /dev/stdin "$valid"
	log=$cache/$1.build.log
	status=0
	# C=2 has sparse look at every file; -Wno-error so that all is listed.
	chroot "$tree" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 \
		make -j2 -C "$kernel" M=/mnt/uio_vf W=1 C=2 modules >"$log" 2>&1 || status=$?
	umount "$tree/proc" "$tree/mnt/uio_vf"
	rm -rf "$out"
	# The kernel's own headers are not ours to mend.
	ours=$(grep -cE '(^|/)(uio_vf[a-z_]*\.[ch]|uapi/uio_vf\.h):[0-9:]+ *(warning|error)|^(WARNING|ERROR): modpost' "$log" || :)
	theirs=$(grep -cE 'warning: ' "$log" || :)
	grep -nE 'warning|error|WARNING|ERROR' "$log" | grep -v '^[0-9]*:warning: the compiler differs' | head -40 || :
	echo "check-kernels: $1: ${kernel#/usr/src/linux-headers-}: status $status, $ours warnings and errors of uio_vf (of $theirs lines; $log)"
	grep -q '^  CHECK ' "$log" || { echo "check-kernels: $1: sparse did not run" >&2; return 1; }
	[ $status = 0 ] && [ "$ours" = 0 ]
}

failed=0
for suite; do
	build "$suite" || failed=1
done
exit $failed

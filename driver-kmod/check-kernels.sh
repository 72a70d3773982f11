#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Builds uio_vf.ko against the kernels of several Debian releases, each with
# that release's own compiler and sparse, and fails on any warning:
#
#   check-kernels.sh [SUITE...]		default: bookworm trixie sid
#
# As root or by sudo; see debian-tree.sh. To have a newer kernel of a release,
# delete its tree.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
. "$here/debian-tree.sh"
[ $# -gt 0 ] || set -- bookworm trixie sid
in_namespace "$here/check-kernels.sh" "$@"

build() { # SUITE
	debian_tree "$1"
	install_in_tree gcc make sparse linux-headers-amd64
	out=$(mktemp -d)
	mkdir -p "$tree/mnt/uio_vf"
	mount --bind "$out" "$tree/mnt/uio_vf"
	mount -t proc proc "$tree/proc"
	make -s --no-print-directory -C "$here" sources | while read -r file; do
		install -D -m 644 "$here/$file" "$out/$file"
	done
	kernel=$(echo "$tree"/usr/src/linux-headers-*-amd64)
	kernel=${kernel#"$tree"}
	# Debian's headers of 6.19 and later leave out a script without which
	# kbuild takes sparse for missing. It would say 1: fit for use.
	valid=$(echo "$tree"/usr/src/linux-headers-*-common)/scripts/checker-valid.sh
	[ -e "$valid" ] || ! grep -qs checker-valid "${valid%scripts/*}Makefile" ||
		printf '#!/bin/sh\necho 1\n' | install -m 755 /dev/stdin "$valid"
	log=$UIO_VF_CACHE/$1.build.log
	status=0
	# C=2 has sparse look at every file.
	in_tree make -j2 -C "$kernel" M=/mnt/uio_vf W=1 C=2 modules >"$log" 2>&1 || status=$?
	umount "$tree/proc" "$tree/mnt/uio_vf"
	rm -rf "$out"

	# The kernel's own headers are not ours to mend.
	ours='uio_vf[a-z_]*\.[ch]:[0-9:]+ *(warning|error)|^(WARNING|ERROR): modpost'
	count=$(grep -cE "$ours" "$log" || :)
	grep -E "$ours" "$log" | head -40 || :
	echo "$1, ${kernel#/usr/src/linux-headers-}: status $status, $count warnings (all output: $log)"
	grep -q '^  CHECK ' "$log" || { echo "E: sparse did not run" >&2; return 1; }
	[ $status = 0 ] && [ "$count" = 0 ]
}

failed=0
for suite; do
	build "$suite" || failed=1
done
exit $failed

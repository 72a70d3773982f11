# SPDX-License-Identifier: GPL-2.0-only
# To be sourced by scripts that build in the user space of a Debian release.
# They run as root in a mount namespace of their own (in_namespace).
#
#   in_namespace SCRIPT ARGUMENT...	runs SCRIPT again so, unless it already is
#   debian_tree SUITE		sets $tree, made when missing
#   in_tree COMMAND...		runs COMMAND in it
#   install_in_tree PACKAGE...	unless they are there
#
# Trees are kept in $XDG_CACHE_HOME/vfring/kernels (~/.cache), made from the
# mirror that this machine's own apt uses.
# shellcheck shell=sh disable=SC2016,SC2154

in_namespace() { # SCRIPT ARGUMENT...
	[ "${UIO_VF_CACHE:-}" = "" ] || return 0
	become=
	[ "$(id -u)" = 0 ] || become=sudo
	exec $become env UIO_VF_CACHE="${XDG_CACHE_HOME:-$HOME/.cache}/vfring/kernels" \
		unshare --mount --propagation private sh "$@"
}

in_tree() { # COMMAND...
	chroot "$tree" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 \
		DEBIAN_FRONTEND=noninteractive "$@"
}

install_in_tree() { # PACKAGE...
	in_tree dpkg -s "$@" >/dev/null 2>&1 && return
	in_tree sh -c 'apt-get -q update && apt-get -q -y --no-install-recommends install "$@" && apt-get clean' \
		sh "$@" >>"$tree.log" 2>&1 || { tail -20 "$tree.log" >&2; exit 1; }
}

debian_tree() { # SUITE
	tree=$UIO_VF_CACHE/$1
	[ ! -d "$tree" ] || return 0
	# Debian's archive as this machine reaches it: apt knows all forms of sources.
	mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' \
		'Origin: Debian' 'Label: Debian' | head -1)
	[ -n "$mirror" ] || { echo "E: apt on this machine knows no Debian archive" >&2; exit 1; }
	echo "making $tree"
	mkdir -p "$UIO_VF_CACHE"
	rm -rf --one-file-system "$tree.new"
	debootstrap --variant=minbase --keyring=/usr/share/keyrings/debian-archive-keyring.gpg \
		"$1" "$tree.new" "$mirror" >"$tree.log" 2>&1 || { tail -20 "$tree.log" >&2; exit 1; }
	apt-config dump | grep -E '^Acquire::(https?::Proxy|Retries|Check-)' \
		>"$tree.new/etc/apt/apt.conf.d/99host" || :
	cp /etc/resolv.conf /etc/hosts "$tree.new/etc/"
	mv "$tree.new" "$tree"
}

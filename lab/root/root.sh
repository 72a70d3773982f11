#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# All that the lab needs root for. lab/src/privileged.ts starts it in mount and PID
# namespaces of its own: no mount is ever visible to the machine, and when
# this shell ends, however that happens, its mounts and processes are gone.
#
#   root.sh make-rootfs DIR OWNER SUITE MIRROR KEYRING INPUTS
#       makes DIR/root (the tree) and DIR/base.erofs (the guest's image of it).
#       INPUTS is a folder with: packages, dropped-modules, not-in-guest (one
#       item a line), apt.conf. OWNER (uid:gid) gets DIR and the image.
#   root.sh enter ROOT USER SRC BUILD COMMAND...
#       runs COMMAND as USER (uid:gid) in the read-only tree, with the project
#       at /mnt/src (read-only) and BUILD at /mnt/build.
#   root.sh remove DIR
#       removes a tree made by make-rootfs.
#
# Standard input is a life line: when its other end closes, the work is given up.
set -eu

die() {
    echo "E: $*" >&2
    exit 1
}

[ "$$" = 1 ] || die "root.sh must be the first process of a PID namespace; npm run lab starts it so"

# A shell runs its traps only between commands: end the command, too.
give_up() {
    trap '' TERM
    kill -TERM -1 2>/dev/null || :
    exit 143
}
trap give_up TERM INT HUP
exec 3<&0 </dev/null
( while read -r _; do :; done <&3; kill -TERM -1 2>/dev/null; kill -TERM 1 ) &
lifeline=$!
exec 3<&-

# No mount may be below a tree that is read as a whole or deleted: a copy of
# /proc/kcore fills the disk, a deletion reaches the machine's own /dev.
mounts_below() { # DIR
    awk -v d="$1/" 'index($5, d) == 1 { print $5 }' /proc/self/mountinfo | sort -r
}
unmount_below() { # DIR
    for m in $(mounts_below "$1"); do
        umount "$m" || umount -l "$m"
    done
    [ -z "$(mounts_below "$1")" ] || die "cannot unmount all below $1"
}
remove_tree() { # DIR
    unmount_below "$1"
    rm -rf --one-file-system "$1"
}

in_root() { # COMMAND...
    chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
        DEBIAN_FRONTEND=noninteractive DEBCONF_NOWARNINGS=yes INITRD=No "$@"
}

# lab/src/image-progress.ts reads these lines.
steps=5
step=0
begin() { # WHAT
    step=$((step + 1))
    echo "step $step of $steps: $*"
}

make_rootfs() { # DIR OWNER SUITE MIRROR KEYRING INPUTS
    dir=$1 owner=$2 suite=$3 mirror=$4 keyring=$5 inputs=$6
    root=$dir/root
    remove_tree "$dir"
    mkdir -p "$dir"
    made=no
    trap 'status=$?; kill $lifeline 2>/dev/null || :; [ $made = yes ] || remove_tree "$dir"; exit $status' EXIT

    begin "Debian's base system"
    debootstrap --variant=minbase --include=ca-certificates --keyring="$keyring" \
        "$suite" "$root" "$mirror"

    begin "fetching packages"
    cp "$inputs/apt.conf" "$root/etc/apt/apt.conf.d/99lab-host"
    cp /etc/resolv.conf /etc/hosts "$root/etc/"
    case $mirror in
    https:*) # whoever issued the mirror's certificate is known to this machine
        cp /etc/ssl/certs/ca-certificates.crt "$root/etc/apt/lab-ca.crt"
        echo 'Acquire::https::CAInfo "/etc/apt/lab-ca.crt";' >>"$root/etc/apt/apt.conf.d/99lab-host" ;;
    esac
    for d in doc man info locale; do
        echo "path-exclude=/usr/share/$d/*"
    done >"$root/etc/dpkg/dpkg.cfg.d/lab"
    echo force-unsafe-io >>"$root/etc/dpkg/dpkg.cfg.d/lab"
    printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
    chmod 755 "$root/usr/sbin/policy-rc.d"
    mount -t proc proc "$root/proc"
    mount --bind /dev "$root/dev"

    in_root apt-get -q update
    # shellcheck disable=SC2046 # one word a package is meant
    set -- $(cat "$inputs/packages")
    in_root apt-get -q -y --no-install-recommends --download-only install "$@"

    begin "installing packages"
    in_root apt-get -q -y --no-install-recommends install "$@"
    in_root apt-get clean

    begin "preparing the tree"
    version=$(ls "$root/usr/lib/modules")
    [ "$(echo "$version" | wc -l)" = 1 ] || die "one kernel expected, found: $version"
    modules=$root/usr/lib/modules/$version
    while read -r d; do
        rm -rf "$modules/kernel/$d"
    done <"$inputs/dropped-modules"
    # Decompressing is dear under emulation, and cheap here. This machine need not have xz.
    in_root sh -c "find /usr/lib/modules/$version/kernel -name '*.ko.xz' -print0 | xargs -0 -P $(nproc) -n 64 xz -d"
    in_root depmod -a "$version"
    in_root useradd --uid 1000 --user-group --create-home --shell /bin/bash mpi
    echo vfring-lab >"$root/etc/hostname"
    printf '127.0.0.1\tlocalhost vfring-lab\n::1\tlocalhost\n' >"$root/etc/hosts"
    : >"$root/etc/resolv.conf"
    mkdir -p "$root/mnt/src" "$root/mnt/build" "$root/results"
    rm -rf "$root/boot"/initrd* "$root/var/lib/apt/lists"/* "$root/etc/apt/apt.conf.d/99lab-host" \
        "$root/etc/apt/lab-ca.crt" "$root/usr/sbin/policy-rc.d"
    unmount_below "$root"

    begin "making the guest's image"
    # The tree's own mkfs, by the tree's own loader: nothing of it is mounted.
    set --
    while read -r pattern; do
        set -- "$@" "--exclude-regex=$pattern"
    done <"$inputs/not-in-guest"
    lib=$root/usr/lib/x86_64-linux-gnu
    "$lib/ld-linux-x86-64.so.2" --library-path "$lib" "$root/usr/bin/mkfs.erofs" --quiet "$@" "$dir/base.erofs" "$root"
    chown "$owner" "$dir" "$dir/base.erofs"
    chmod 755 "$dir"
    made=yes
}

enter() { # ROOT USER SRC BUILD COMMAND...
    root=$1 user=$2 src=$3 build=$4
    shift 4
    trap 'kill $lifeline 2>/dev/null || :' EXIT
    mount --bind "$root" "$root"
    mount --bind "$src" "$root/mnt/src"
    mount --bind "$build" "$root/mnt/build"
    mount -t proc proc "$root/proc"
    mount --bind /dev "$root/dev"
    mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
    mount -o remount,bind,ro "$root/mnt/src"
    mount -o remount,bind,ro "$root"
    chroot --userspec="$user" "$root" env -i PATH=/usr/bin:/bin:/usr/sbin:/sbin HOME=/tmp LC_ALL=C.UTF-8 "$@"
}

command=$1
shift
case $command in
make-rootfs) make_rootfs "$@" ;;
enter) enter "$@" ;;
remove) remove_tree "$1"; kill $lifeline 2>/dev/null || : ;;
*) die "unknown command $command" ;;
esac

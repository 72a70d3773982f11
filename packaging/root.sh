#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# What the packages need root for. scripts/lib/debian-tree.ts starts it in mount and PID namespaces of its
# own, so that no mount is visible to the machine, and mounts and processes are gone when it ends.
#
#   root.sh make DIR OWNER SUITE MIRROR KEYRING APT-CONF VARIANT PACKAGE...
#       makes the Debian tree DIR with mmdebstrap (variants: see there)
#   root.sh enter TREE USER BIND... -- COMMAND...
#       runs COMMAND as USER (uid:gid) in a copy of TREE that lives in memory and ends with it.
#       BIND is FOLDER:PATH: that folder of the machine is at PATH.
#   root.sh layer TREE IMAGE APT-CONF SUBTREES PACKAGE...
#       makes IMAGE, an erofs file system to be laid above TREE: these packages, and those parts of TREE
#       (paths in it, one a line of the file SUBTREES) that an image of it may lack
#   root.sh remove DIR
set -eu

[ "$$" = 1 ] || { echo "E: root.sh must be the first process of a PID namespace" >&2; exit 1; }

# No mount may be below a tree that is deleted: a deletion would reach the machine's own files.
remove_tree() { # DIR
    if awk -v d="$1/" 'index($5, d) == 1 { found = 1 } END { exit !found }' /proc/self/mountinfo; then
        echo "E: something is mounted below $1" >&2
        exit 1
    fi
    rm -rf --one-file-system "$1"
}

make_tree() { # DIR OWNER SUITE MIRROR KEYRING APT-CONF VARIANT PACKAGE...
    dir=$1 owner=$2 suite=$3 mirror=$4 keyring=$5 apt_conf=$6 variant=$7
    shift 7
    remove_tree "$dir.new"
    mkdir -p "$(dirname "$dir")"
    # Documents are left out: nobody reads them here.
    mmdebstrap --mode=root --variant="$variant" --include="$*" --keyring="$keyring" --aptopt="$apt_conf" \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
        --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt=force-unsafe-io \
        --skip=cleanup/apt/lists "$suite" "$dir.new" "$mirror"
    # What is left out of the tree is not to be left out of what is installed in it.
    rm -f "$dir.new/etc/dpkg/dpkg.cfg.d/99mmdebstrap"
    printf '#!/bin/sh\nexit 101\n' >"$dir.new/usr/sbin/policy-rc.d"
    chmod 755 "$dir.new/usr/sbin/policy-rc.d"
    chroot "$dir.new" useradd --create-home --shell /bin/sh mpi
    if grep -q https: "$dir.new/etc/apt/sources.list"; then
        # Whoever issued the mirror's certificate is known to this machine.
        cp /etc/ssl/certs/ca-certificates.crt "$dir.new/etc/apt/host-ca.crt"
        echo 'Acquire::https::CAInfo "/etc/apt/host-ca.crt";' >"$dir.new/etc/apt/apt.conf.d/99host-ca"
    fi
    chown "$owner" "$dir.new"
    mv "$dir.new" "$dir"
}

# Sets root, a writable copy of the tree in memory whose changes are in $layer/up.
copy_tree() { # TREE
    layer=$(mktemp -d)
    mount -t tmpfs -o size=80% tmpfs "$layer"
    root=$layer/root
    mkdir "$layer/up" "$layer/work" "$root"
    mount -t overlay -o "lowerdir=$1,upperdir=$layer/up,workdir=$layer/work" root "$root"
    mount -t proc proc "$root/proc"
    # Not the machine's own: packages change nodes.
    mount -t tmpfs -o mode=755 dev "$root/dev"
    for node in null zero full random urandom tty; do
        cp -a "/dev/$node" "$root/dev/"
    done
    ln -s /proc/self/fd "$root/dev/fd"
    ln -s fd/0 "$root/dev/stdin"
    ln -s fd/1 "$root/dev/stdout"
    ln -s fd/2 "$root/dev/stderr"
    mkdir "$root/dev/shm" "$root/dev/pts"
    mount -t tmpfs -o mode=1777 shm "$root/dev/shm"
    mount -t devpts -o newinstance,ptmxmode=666 devpts "$root/dev/pts"
    ln -s pts/ptmx "$root/dev/ptmx"
}

in_copy() { # COMMAND...
    chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"
}

make_layer() { # TREE IMAGE APT-CONF SUBTREES PACKAGE...
    tree=$1 image=$2 apt_conf=$3 subtrees=$4
    shift 4
    copy_tree "$tree"
    cp "$apt_conf" "$root/etc/apt/apt.conf.d/99host"
    cp /etc/resolv.conf /etc/hosts "$root/etc/"
    printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
    chmod 755 "$root/usr/sbin/policy-rc.d"
    in_copy apt-get -q update
    in_copy env INITRD=No apt-get -q -y --no-install-recommends install "$@"
    in_copy apt-get clean
    umount "$root/dev/shm" "$root/dev/pts" "$root/dev" "$root/proc" "$root"
    up=$layer/up
    rm -rf "$up/etc/apt/apt.conf.d/99host" "$up/etc/resolv.conf" "$up/etc/hosts" "$up/usr/sbin/policy-rc.d" \
        "$up/var/lib/apt/lists" "$up/var/cache" "$up/var/log" "$up/tmp" "$up/dev"
    while read -r path; do
        mkdir -p "$up/$(dirname "$path")"
        cp -a "$tree/$path" "$up/$(dirname "$path")/"
    done <"$subtrees"
    lib=$tree/usr/lib/x86_64-linux-gnu
    "$lib/ld-linux-x86-64.so.2" --library-path "$lib" "$tree/usr/bin/mkfs.erofs" --quiet "$image" "$up"
}

enter() { # TREE USER BIND... -- COMMAND...
    tree=$1 user=$2
    shift 2
    copy_tree "$tree"
    cp /etc/resolv.conf /etc/hosts "$root/etc/"
    while [ "$1" != -- ]; do
        mkdir -p "$root/${1#*:}"
        mount --bind "${1%%:*}" "$root/${1#*:}"
        shift
    done
    shift
    chroot --userspec="$user" "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp LC_ALL=C.UTF-8 \
        DEBIAN_FRONTEND=noninteractive "$@"
}

command=$1
shift
case $command in
make) make_tree "$@" ;;
enter) enter "$@" ;;
layer) make_layer "$@" ;;
remove) remove_tree "$1" ;;
*) echo "E: unknown command $command" >&2; exit 64 ;;
esac

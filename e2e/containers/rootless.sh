#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# MPI in containers of rootless podman, as docs/containers.md says; their root file system is this machine's /usr. As root:
#
#   rootless.sh soft PREFIX COMPONENTS
#       over soft VFs of a vfringd of its own. PREFIX is where vfring is installed, COMPONENTS is Open MPI's own folder of components
#   rootless.sh node
#       over the VFs of this node, whose vfringd is a unit and is started anew meanwhile; vfring is installed by its packages
#
# In mount namespaces of its own: accounts, the CDI folder and what podman keeps are there only. With soft VFs in PID namespaces as well
# (unshare --mount --pid --fork --mount-proc), so that nothing outlives it.
set -eu
. "$(dirname "$0")/../shell/functions.sh"
kind=$1 prefix=${2:-/usr} components=${3:-}
user=vfring-test
uid=54321
PATH=$prefix/bin:$prefix/sbin:$PATH

why() { tail -n 30 "$base"/*.log; }

case $kind in
soft) [ "$$" = 1 ] || { echo "rootless.sh must be the first process of a PID namespace" >&2; exit 64; } ;;
node) config=/etc/vfring/vfringd.yaml ;;
esac
# On the disk: an overlay of podman's is not possible on every file system.
base=$(mktemp -d /var/tmp/vfring-containers.XXXXXX)
chmod 755 "$base"
log=$base/tried.log
finish() {
    # podman leaves a process to the user, which keeps his namespaces for his next container.
    [ ! -s "$base/runtime/libpod/tmp/pause.pid" ] || kill "$(cat "$base/runtime/libpod/tmp/pause.pid")"
    rm -rf "$base"
    [ "$kind" = soft ] || { sed -i '/^limits:/d' "$config" && systemctl restart vfringd; }
}
trap finish EXIT
for file in passwd group subuid subgid; do
    cp "/etc/$file" "$base/$file"
done
echo "$user:x:$uid:$uid::$base/home:/bin/sh" >>"$base/passwd"
echo "$user:x:$uid:" >>"$base/group"
echo "$user:654321:65536" | tee -a "$base/subuid" >>"$base/subgid"
for file in passwd group subuid subgid; do
    mount --bind "$base/$file" "/etc/$file"
done
mkdir -p /run/cdi
mount -t tmpfs -o mode=755 cdi /run/cdi
# crun wants unified cgroups, wherever this runs.
[ "$(stat -f -c %T /sys/fs/cgroup)" = cgroup2fs ] || mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount --make-rshared /

mkdir -p "$base/home" "$base/runtime" "$base/signals" "$base/run" "$base/soft"
mkdir -p "$base/rootfs/usr" "$base/rootfs/etc" "$base/rootfs/proc" "$base/rootfs/sys" "$base/rootfs/dev" "$base/rootfs/tmp" "$base/rootfs/run" "$base/rootfs/var"
for dir in bin sbin lib lib64; do
    ln -s "usr/$dir" "$base/rootfs/$dir"
done
chown -R "$uid:$uid" "$base/home" "$base/runtime" "$base/signals" "$base/rootfs"
chmod 700 "$base/runtime"

# A limit that is told from all others.
memlock=$((96 * 1024 * 1024))
limits="limits: { memlock: 96MiB }"
if [ "$kind" = soft ]; then
    export VFRING_RUN_DIR="$base/run"
    printf 'version: 1\nprovider:\n  soft: { dir: %s, vfs: 4, mtu: 9000 }\n%s\n' "$base/soft" "$limits" >"$base/vfringd.yaml"
    node_of="$base/soft/vf"
    libraries="-v $prefix:$prefix:ro -e OMPI_MCA_opal_mca_base_component_path=$prefix/lib/openmpi:$components"
    start_daemon() {
        : >"$base/ready"
        vfringd --config "$base/vfringd.yaml" >"$base/ready" 2>>"$base/vfringd.log" &
        daemon=$!
        until grep -q '^vfringd ready' "$base/ready"; do
            kill -0 "$daemon" 2>/dev/null || fail "vfringd starts"
            sleep 0.1
        done
    }
    stop_daemon() {
        kill "$daemon"
        wait "$daemon" || fail "vfringd ends with 0"
    }
    restart_daemon() {
        stop_daemon
        start_daemon
    }
    start_daemon
    # Without CAP_SYS_RESOURCE, which root lacks in some sandboxes, vfringd leaves the limit as it was.
    [ "$((0x$(sed -n 's/^CapEff:[[:space:]]*//p' /proc/self/status) >> 24 & 1))" = 1 ] || memlock=8388608
else
    echo "$limits" >>"$config"
    node_of=/dev/uiovf
    libraries=
    # Not in one: between the two the unit is at rest, and its folder has to stay.
    restart_daemon() {
        try "vfringd is stopped" systemctl stop vfringd
        try "vfringd is started anew" systemctl start vfringd
    }
    stop_daemon() { :; }
    restart_daemon
fi
try "vfring cdi writes its file" vfring cdi --output /run/cdi/vfring.json

# The limit that a login has; what vfringd makes of it is looked at from outside and from inside.
# shellcheck disable=SC2086 # several options
container() { # NAME COMMAND...
    name=$1
    shift
    (cd "$base/home" && prlimit --memlock=8388608:8388608 setpriv --reuid "$uid" --regid "$uid" --clear-groups --inh-caps=-all --reset-env \
        env HOME="$base/home" XDG_RUNTIME_DIR="$base/runtime" \
        podman --cgroup-manager=cgroupfs --runtime crun run --rm --network=none --cgroups=disabled --device vfring/vf=all \
        -v /usr:/usr:ro -v /etc:/etc:ro -v "$base/signals:/signals" $libraries \
        -e OMPI_ALLOW_RUN_AS_ROOT=1 -e OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 \
        --rootfs "$base/rootfs" "$@") >"$base/$name.log" 2>&1
}
mpirun="mpirun -n 2 --oversubscribe --mca pml ob1 --mca btl self,vfring"
pingpong="$mpirun $prefix/libexec/vfring/pingpong --min 0 --max 4096 --iters 20"

# shellcheck disable=SC2086
container one $pingpong || fail "an MPI program in a container runs over VFs"
ok "an MPI program in a rootless container runs over VFs, with --device vfring/vf=all and nothing else"

cp "$(dirname "$0")/../shell/until.py" "$base/signals/"
until="$mpirun python3 /signals/until.py /signals/stop"
# shellcheck disable=SC2086
container first $until &
first=$!
# shellcheck disable=SC2086
container second $until &
second=$!
# Begins its job when vfringd is another.
container third sh -c "echo begun >/signals/begun; until [ -e /signals/again ]; do sleep 0.5; done; exec $pingpong" &
third=$!
wait_for "four VFs are leased" leased 4
wait_for "the third container has begun" [ -e "$base/signals/begun" ]
leases >"$base/leases.log"
namespaces=$(while read -r pid _; do readlink "/proc/$pid/ns/pid"; done <"$base/leases.log" | sort | uniq -c | awk '{ print $1 }' | tr '\n' ' ')
[ "$namespaces" = "2 2 " ] || fail "two VFs belong to processes of each container, but: $namespaces"
[ "$(sort -u -k3,3 "$base/leases.log" | wc -l)" = 4 ] || fail "no VF is leased twice"
while read -r pid owner device; do
    [ "$owner" = "$uid" ] && [ "$(stat -c %u "$device")" = "$uid" ] || fail "VF and lease of $pid are the user's, but: $owner, $(stat -c %u "$device")"
    ls -l "/proc/$pid/fd" | awk '{ print $NF }' | grep "^$node_of" | sort -u >"$base/fds.log"
    [ "$(cat "$base/fds.log")" = "$device" ] || fail "process $pid has its own VF open, $device, and no other"
    limit=$(awk '/^Max locked memory/ { print $4 }' "/proc/$pid/limits")
    [ "$limit" = "$memlock" ] || fail "RLIMIT_MEMLOCK of $pid is $memlock, but: $limit"
done <"$base/leases.log"
ok "two containers at once: each process has the VF open that it was given, and no other; its RLIMIT_MEMLOCK is $memlock"

restart_daemon
leases | cmp -s - "$base/leases.log" || fail "a vfringd that is started anew has the leases of processes in containers"
touch "$base/signals/stop"
wait "$first" || fail "the first container's job ends well"
wait "$second" || fail "the second container's job ends well"
for name in first second; do
    [ "$(grep -c "^rank . compared .* memlock $memlock\$" "$base/$name.log")" = 2 ] || fail "each rank of the $name container compared messages, and saw that limit"
done
wait_for "their VFs are free again" leased 0
touch "$base/signals/again"
wait "$third" || fail "a container that was begun before finds the vfringd that was started anew"
wait_for "its VFs are free again" leased 0
ok "vfringd is started anew under them: jobs end well, their VFs come back, and a container that was begun before finds it"
stop_daemon

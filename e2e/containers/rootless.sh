#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# rootless.sh PREFIX COMPONENTS: MPI in containers of rootless podman over soft VFs, as docs/containers.md says. As root, in mount
# and PID namespaces of its own (unshare --mount --pid --fork --mount-proc): accounts, the CDI folder and what podman
# keeps are there only, and nothing outlives it.
#
# PREFIX is where vfring is installed, COMPONENTS is Open MPI's own folder of components. The containers' root file system
# is this machine's /usr.
set -eu
prefix=$1 components=$2
user=vfring-test
uid=54321

fail() { # WHAT
    echo "not ok - $*"
    tail -n 30 "$base"/*.log
    exit 1
}
ok() { echo "ok - $*"; }

[ "$$" = 1 ] || { echo "rootless.sh must be the first process of a PID namespace" >&2; exit 64; }
# On the disk: an overlay of podman's is not possible on every file system.
base=$(mktemp -d /var/tmp/vfring-containers.XXXXXX)
chmod 755 "$base"
trap 'rm -rf "$base"' EXIT
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

export VFRING_RUN_DIR="$base/run"
printf 'version: 1\nprovider:\n  soft: { dir: %s, vfs: 4, mtu: 9000 }\nlimits:\n  memlock: 96MiB\n' "$base/soft" >"$base/vfringd.yaml"
start_daemon() {
    : >"$base/ready"
    "$prefix/sbin/vfringd" --config "$base/vfringd.yaml" >"$base/ready" 2>>"$base/vfringd.log" &
    daemon=$!
    until grep -q '^vfringd ready' "$base/ready"; do
        kill -0 "$daemon" 2>/dev/null || fail "vfringd starts"
        sleep 0.1
    done
}
start_daemon
"$prefix/bin/vfring" cdi --output /run/cdi/vfring.json 2>"$base/cdi.log" || fail "vfring cdi writes its file"

# The limit that a login has; what vfringd makes of it is looked at from outside.
container() { # NAME COMMAND...
    name=$1
    shift
    (cd "$base/home" && prlimit --memlock=8388608:8388608 setpriv --reuid "$uid" --regid "$uid" --clear-groups --inh-caps=-all --reset-env \
        env HOME="$base/home" XDG_RUNTIME_DIR="$base/runtime" \
        podman --cgroup-manager=cgroupfs --runtime crun run --rm --network=none --cgroups=disabled --device vfring/vf=all \
        -v /usr:/usr:ro -v /etc:/etc:ro -v "$prefix:$prefix:ro" -v "$base/signals:/signals" \
        -e OMPI_ALLOW_RUN_AS_ROOT=1 -e OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 -e "OMPI_MCA_opal_mca_base_component_path=$prefix/lib/openmpi:$components" \
        --rootfs "$base/rootfs" mpirun -n 2 --oversubscribe --mca pml ob1 --mca btl self,vfring "$@") >"$base/$name.log" 2>&1
}

container one "$prefix/libexec/vfring/pingpong" --min 0 --max 4096 --iters 20 || fail "an MPI program in a container runs over VFs"
ok "an MPI program in a rootless container runs over VFs, with --device vfring/vf=all and nothing else"

# Runs until there is a file.
cat >"$base/signals/until.py" <<'END'
import os, sys
from mpi4py import MPI
comm = MPI.COMM_WORLD
other, rounds, go = 1 - comm.rank, 0, True
while go:
    assert comm.sendrecv((comm.rank, rounds), other, source=other) == (other, rounds)
    rounds += 1
    go = comm.bcast(not os.path.exists(sys.argv[1]), root=0)
print("rank", comm.rank, "ended well", flush=True)
END
leases() { "$prefix/bin/vfring" status --json | jq -r '.vfs[] | select(.lease != null) | "\(.lease.pid) \(.lease.uid) \(.device)"'; }
wait_leases() { # NUMBER
    tries=600
    until [ "$(leases | wc -l)" = "$1" ]; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || fail "$1 VFs are leased, but: $(leases)"
        sleep 0.2
    done
}
container first python3 /signals/until.py /signals/stop &
first=$!
container second python3 /signals/until.py /signals/stop &
second=$!
wait_leases 4
leases >"$base/leases.log"
namespaces=$(while read -r pid _; do readlink "/proc/$pid/ns/pid"; done <"$base/leases.log" | sort | uniq -c | awk '{ print $1 }' | tr '\n' ' ')
[ "$namespaces" = "2 2 " ] || fail "two VFs belong to processes of each container, but: $namespaces"
[ "$(sort -u -k3,3 "$base/leases.log" | wc -l)" = 4 ] || fail "no VF is leased twice"
# Without CAP_SYS_RESOURCE, which root lacks in some sandboxes, vfringd leaves the limit as it was.
expected=$((96 * 1024 * 1024))
[ "$((0x$(sed -n 's/^CapEff:[[:space:]]*//p' /proc/self/status) >> 24 & 1))" = 1 ] || expected=8388608
while read -r pid owner device; do
    [ "$owner" = "$uid" ] || fail "the lease of $pid is the user's, but: $owner"
    ls -l "/proc/$pid/fd" | awk '{ print $NF }' | grep "^$base/soft/vf" | sort -u >"$base/fds.log"
    [ "$(cat "$base/fds.log")" = "$device" ] || fail "process $pid has its own VF open, $device, and no other"
    limit=$(awk '/^Max locked memory/ { print $4 }' "/proc/$pid/limits")
    [ "$limit" = "$expected" ] || fail "RLIMIT_MEMLOCK of $pid is $expected, but: $limit"
done <"$base/leases.log"
ok "two containers at once: each process has the VF open that it was given, and no other; its RLIMIT_MEMLOCK is $expected"

kill "$daemon"
wait "$daemon" || fail "vfringd ends with 0"
start_daemon
leases | cmp -s - "$base/leases.log" || fail "a vfringd that is started anew has the leases of processes in containers"
touch "$base/signals/stop"
wait "$first" || fail "the first container's job ends well"
wait "$second" || fail "the second container's job ends well"
wait_leases 0
container after "$prefix/libexec/vfring/pingpong" --min 0 --max 64 --iters 20 || fail "a container finds a vfringd that was started anew"
ok "vfringd is started anew under them: jobs end well, their VFs come back, and the next container finds it"
kill "$daemon"
wait "$daemon" || :

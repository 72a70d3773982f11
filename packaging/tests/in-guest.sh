#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# in-guest.sh VERSION NEXT: a node under systemd, with real VFs, whose administrator installs the packages in
# /debs, writes three lines of configuration, upgrades them to those in /next under a running job, removes
# them under a running job, and purges them. As root.
set -u
version=$1 next=$2
log=/tmp/log

ok() { echo "ok - $*"; }
fail() { # WHAT
    echo "not ok - $*"
    tail -n 40 "$log"
    systemctl status --no-pager -l vfringd 2>&1 | tail -n 30
    exit 1
}
try() { # WHAT COMMAND...
    what=$1
    shift
    "$@" >"$log" 2>&1 || fail "$what"
}
as_user() { setpriv --reuid mpi --regid mpi --init-groups env HOME=/home/mpi "$@"; }
status() { vfring status --json | jq -r "$1"; }
wait_for() { # WHAT SECONDS COMMAND...
    what=$1 left=$2
    shift 2
    until "$@"; do
        left=$((left - 1))
        [ "$left" -gt 0 ] || fail "$what"
        sleep 1
    done
}
nodes() { stat -c '%n %U:%G %a' /dev/uiovf* | sort; }
all_roots() { ! nodes | grep -v ' root:root 600$'; }

files() {
    find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp -o -path /debs -o -path /next -o -path /results \
        -o -path /var/lib/dpkg -o -path /var/lib/apt -o -path /var/cache -o -path /var/log -o -path /home/mpi \) -prune -o -printf '%p %y %m %u %g\n' |
        grep -vE '^/(etc/ld.so.cache|var/lib/systemd|var/lib/dkms/mok\.(key|pub)|var/lib/private) ' | grep -v '^/var/lib/systemd/' | sort
}
units() { systemctl list-unit-files --no-legend --no-pager | sort; }
accounts() { cat /etc/passwd /etc/group; }

# A job that runs until there is a file, and counts what it exchanged.
cat >/tmp/until.py <<'END'
import os, sys
from mpi4py import MPI
comm = MPI.COMM_WORLD
other, rounds, go = 1 - comm.rank, 0, True
while go:
    assert comm.sendrecv((comm.rank, rounds), other, source=other) == (other, rounds)
    rounds += 1
    go = comm.bcast(not os.path.exists(sys.argv[1]), root=0)
print("rank", comm.rank, "rounds", rounds, flush=True)
END
start_job() { # STOP-FILE
    as_user mpirun -n 2 --oversubscribe --mca pml ob1 --mca btl self,vfring python3 /tmp/until.py "$1" >"$1.out" 2>&1 &
    job=$!
    wait_for "two VFs are leased" 120 leased 2
}
leased() { [ "$(status '[.vfs[] | select(.state == "leased")] | length')" = "$1" ]; }
end_job() { # STOP-FILE
    as_user touch "$1"
    wait "$job" && [ "$(grep -c '^rank . rounds' "$1.out")" = 2 ] || { cp "$1.out" "$log"; return 1; }
}

modprobe igb
interface=$(basename "$(dirname "$(dirname "$(find /sys/class/net/*/device/ -maxdepth 1 -name sriov_totalvfs | sort | head -n 1)")")")
files >/tmp/before.files
units >/tmp/before.units
accounts >/tmp/before.accounts

try "apt installs them" apt-get -q -y install /debs/*.deb
ok "apt installs them, and DKMS builds the module here"
[ "$(systemctl is-enabled vfringd)" = enabled ] && [ "$(systemctl is-active vfringd)" = inactive ] || fail "vfringd starts with the machine, once it is configured"
[ -z "$(systemctl --failed --no-legend --plain | grep vfring)" ] || fail "no unit has failed"
ok "vfringd is enabled; not configured yet, it has neither started nor failed"

cat >/etc/vfring/vfringd.yaml <<END
version: 1
provider:
  sriov: { pf: [{ name: $interface, vfs: 4, mtu: 9000 }] }
END
try "systemctl start" systemctl start vfringd
[ "$(status '[.vfs[] | select(.state == "free")] | length')" = 4 ] || fail "it has four VFs"
ok "three lines of configuration and systemctl start make four VFs"
try "a plain mpirun" as_user mpirun -n 2 --oversubscribe --mca pml ob1 --mca btl self,vfring /usr/libexec/vfring/pingpong --min 0 --max 4096 --iters 20
ok "a plain mpirun of an unprivileged user runs over them"

start_job /tmp/first
before=$(status '[.vfs[] | select(.lease != null) | .lease.id] | sort | join(" ")')
pid=$(systemctl show -p MainPID --value vfringd)
try "apt upgrades them" apt-get -q -y install /next/*.deb
[ "$(vfring --version)" = "vfring $next" ] || fail "vfring is $next"
[ "$(systemctl is-active vfringd)" = active ] && [ "$(systemctl show -p MainPID --value vfringd)" != "$pid" ] || fail "the new vfringd runs"
[ "$(status '[.vfs[] | select(.lease != null) | .lease.id] | sort | join(" ")')" = "$before" ] || fail "it has taken the leases over"
dkms status >"$log"
grep -q "uio_vf/$next.*installed" "$log" && ! grep -q "uio_vf/$version" "$log" || fail "DKMS has the new module alone"
end_job /tmp/first || fail "the job ends well"
ok "an upgrade under a running job: the new vfringd has its leases, and the job ends well ($(grep -o 'rounds.*' /tmp/first.out | head -n 1))"
wait_for "its VFs are free again" 60 leased 0
try "a job after the upgrade" as_user mpirun -n 2 --oversubscribe --mca pml ob1 --mca btl self,vfring /usr/libexec/vfring/pingpong --min 0 --max 64 --iters 20
ok "and so does the next job"

start_job /tmp/second
! all_roots >/dev/null || fail "the job has nodes"
try "apt removes them" apt-get -q -y remove openmpi-btl-vfring uio-vf-dkms vfring-slurm vfringd
all_roots || fail "the nodes are root's again"
[ -f /etc/vfring/vfringd.yaml ] && [ -f /var/lib/vfring/ledger.db ] || fail "configuration and ledger outlive a removal"
end_job /tmp/second || fail "the job that ran then ends well"
ok "removed under a running job: it ends well, and the nodes are root's"
try "apt purges them" apt-get -q -y purge openmpi-btl-vfring uio-vf-dkms vfring-slurm vfringd
systemctl daemon-reload
files >/tmp/after.files
units >/tmp/after.units
accounts >/tmp/after.accounts
for what in files units accounts; do
    diff "/tmp/before.$what" "/tmp/after.$what" >"$log" || fail "$what are as before"
done
[ -z "$(dkms status)" ] && [ ! -e /run/vfring ] || fail "neither module nor run directory is left"
ok "purged: files, units and accounts are as before, no module is left"

#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# node-upgrade.sh VERSION NEXT: the node is upgraded from VERSION to NEXT, the packages in /next, under a running job. As root.
set -u
. "$(dirname "$0")/node.sh"
version=$1 next=$2

ids() { status '[.vfs[] | select(.lease != null) | .lease.id] | sort | join(" ")'; }
start_job /tmp/first
before=$(ids)
pid=$(systemctl show -p MainPID --value vfringd)
try "apt upgrades them" apt-get -q -y install /next/*.deb
[ "$(vfring --version)" = "vfring $next" ] || fail "vfring is $next"
[ "$(systemctl is-active vfringd)" = active ] && [ "$(systemctl show -p MainPID --value vfringd)" != "$pid" ] || fail "the new vfringd runs"
[ "$(ids)" = "$before" ] || fail "it has taken the leases over: $before, but $(ids)"
kill -0 "$job" || fail "the job runs on"
dkms status >"$log"
grep -q "uio_vf/$next.*installed" "$log" && ! grep -q "uio_vf/$version" "$log" || fail "DKMS has the new module alone"
end_job /tmp/first || fail "the job ends well"
ok "an upgrade under a running job: the new vfringd has its leases, and the job ends well (rank 0 $(sed -n 's/^rank 0 \(.*\),.*/\1/p' /tmp/first.out))"
wait_for "its VFs are free again" leased 0
all_roots || fail "the nodes are root's again"
try "a job after the upgrade" pingpong
ok "its VFs come back, and the next job runs"

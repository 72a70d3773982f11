#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# node-remove.sh: the packages are removed from the node under a running job, then purged: it has to be as node-install.sh found it. As root.
set -u
. "$(dirname "$0")/node.sh"

start_job /tmp/second
! all_roots || fail "the job has nodes"
# shellcheck disable=SC2086 # a word a package
try "apt removes them" apt-get -q -y remove $names
all_roots || fail "the nodes are root's again"
[ -f "$config" ] && [ -f /var/lib/vfring/ledger.db ] || fail "configuration and ledger outlive a removal"
end_job /tmp/second || fail "the job that ran then ends well"
ok "removed under a running job: it ends well, and the nodes are root's"

# shellcheck disable=SC2086
try "apt purges them" apt-get -q -y purge $names
systemctl daemon-reload
machine_is after
for what in files units accounts; do
    diff "/tmp/before.$what" "/tmp/after.$what" >"$log" || fail "$what are as before"
done
[ -z "$(dkms status)" ] || fail "no module is left"
find /run -maxdepth 1 -name 'vfring*' >"$log"
[ ! -s "$log" ] || fail "nothing of them is left in /run"
[ -z "$(dpkg -l 2>/dev/null | grep -E "^.. +($(echo $names | tr ' ' '|')) ")" ] || fail "dpkg remembers none of them"
ok "purged: files, units and accounts are as before, no module is left"

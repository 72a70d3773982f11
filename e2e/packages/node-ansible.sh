#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# node-ansible.sh: contrib/ansible, in /ansible, brings the packages in /debs onto the node, configures and starts vfringd; then they are
# purged. As root, on a node without them.
set -u
. "$(dirname "$0")/node.sh"
export LC_ALL=C.UTF-8

rm -f /etc/dpkg/dpkg.cfg.d/lab
modprobe igb
interface=$(basename "$(dirname "$(dirname "$(find /sys/class/net/*/device/ -maxdepth 1 -name sriov_totalvfs | sort | head -n 1)")")")
printf '[vfring]\nnode ansible_connection=local\n' >/tmp/inventory
cat >/tmp/vars.yml <<END
vfring_debs_dir: /debs
vfring_pfs: [{name: $interface, vfs: 3, mtu: 9000}]
vfring_http_listen: 127.0.0.1:9155
END
play() { ansible-playbook -i /tmp/inventory -e @/tmp/vars.yml "$@" /ansible/site.yml; }
# What Ansible is made of is there, and no curl.
get() { python3 -c 'import sys, urllib.request as http; sys.stdout.write(http.urlopen(sys.argv[1], timeout=60).read().decode())' "$1" 2>"$log"; }
served() { get http://localhost:9155/metrics | grep -q '^vfring_vfs{'; }

try "the role brings vfring onto the node" play
[ "$(systemctl is-enabled vfringd)" = enabled ] || fail "vfringd starts with the machine"
[ "$(status '[.vfs[] | select(.state == "free")] | length')" = 3 ] || fail "it has three VFs"
wait_for "the metrics are served" served
try "a plain mpirun" pingpong
ok "the role installs, configures and starts it: three VFs, metrics, and a plain mpirun over them"

try "the role again" play
grep -q 'changed=0 .*failed=0' "$log" || fail "nothing is changed the second time"
ok "the role a second time changes nothing"

start_job /tmp/third
sed -i 's/127.0.0.1:9155/127.0.0.1:9156/' /tmp/vars.yml
pid=$(systemctl show -p MainPID --value vfringd)
try "the role with another configuration" play
[ "$(systemctl show -p MainPID --value vfringd)" = "$pid" ] && leased 2 || fail "vfringd takes it over as it runs"
elsewhere() { get http://localhost:9156/metrics | grep -q '^vfring_vfs{'; }
wait_for "the metrics are served elsewhere" elsewhere
end_job /tmp/third || fail "the job that ran then ends well"
ok "a new configuration is taken over under a running job"

# shellcheck disable=SC2086 # a word a package
try "apt purges them" apt-get -q -y purge $names

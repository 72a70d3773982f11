#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# node-install.sh: the administrator of a plain node with real VFs under systemd installs the packages in /debs and writes three lines
# of configuration. As root.
set -u
. "$(dirname "$0")/node.sh"

# The lab's Debian drops what is only read; what the packages bring is to be there.
rm -f /etc/dpkg/dpkg.cfg.d/lab
modprobe igb
interface=$(basename "$(dirname "$(dirname "$(find /sys/class/net/*/device/ -maxdepth 1 -name sriov_totalvfs | sort | head -n 1)")")")
machine_is before

try "apt installs them" apt-get -q -y install /debs/*.deb
ok "apt installs them, and DKMS builds the module here"
[ "$(systemctl is-enabled vfringd)" = enabled ] && [ "$(systemctl is-active vfringd)" = inactive ] || fail "vfringd starts with the machine, once it is configured"
[ -z "$(systemctl --failed --no-legend --plain | grep vfring)" ] || fail "no unit has failed"
ok "vfringd is enabled; not configured yet, it has neither started nor failed"

cat >"$config" <<END
version: 1
provider:
  sriov: { pf: [{ name: $interface, vfs: 4, mtu: 9000 }] }
END
try "systemctl start" systemctl start vfringd
[ "$(status '[.vfs[] | select(.state == "free")] | length')" = 4 ] || fail "it has four VFs"
all_roots || fail "the nodes of free VFs are root's"
ok "three lines of configuration and systemctl start make four VFs"
try "a plain mpirun" pingpong
ok "a plain mpirun of an unprivileged user runs over them"

folder=$(stat -c %d:%i:%U:%a /run/vfring)
try "systemctl stop" systemctl stop vfringd
[ "$(stat -c %d:%i:%U:%a /run/vfring)" = "$folder" ] || fail "/run/vfring stays while vfringd is stopped"
find /run/vfring -type s >"$log"
[ ! -s "$log" ] || fail "a vfringd that is stopped leaves no socket"
try "systemctl start" systemctl start vfringd
[ "$(stat -c %d:%i:%U:%a /run/vfring)" = "$folder" ] || fail "/run/vfring is the folder that containers have mounted: $folder"
try "a job after that" pingpong
ok "/run/vfring is one folder while vfringd is stopped and started"

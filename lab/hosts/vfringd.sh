#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# vfringd.sh VFS PFS [MTU]: a vfringd that gives out VFS VFs of each of the first PFS PFs, started with the configuration
# /etc/vfring/vfringd.yaml; returns when it is ready. Its output is /run/vfringd.log, its process id /run/vfringd.pid.
set -eu
vfs=$1 pfs=$2 mtu=${3:-9000}
modprobe -a igb uio_vf
mkdir -p /etc/vfring
{
    printf 'version: 1\nprovider:\n  sriov:\n    pf:\n'
    i=0
    # By the slot: names may be given in any order.
    for device in /sys/bus/pci/devices/*/sriov_totalvfs; do
        [ "$i" -lt "$pfs" ] || break
        # The first PFs of all hosts are on one wire, the second ones on another.
        printf '      - name: %s\n        vfs: %d\n        mtu: %d\n        segment: pf%d\n' "$(ls "${device%/*}/net")" "$vfs" "$mtu" "$i"
        i=$((i + 1))
    done
    # Tests say themselves how many VFs a process has.
    printf 'rails: 1\n'
} >/etc/vfring/vfringd.yaml
setsid vfringd >/run/vfringd.log 2>&1 </dev/null &
echo $! >/run/vfringd.pid
for _ in $(seq 1800); do
    ! grep -q 'vfringd ready' /run/vfringd.log || exit 0
    kill -0 $! 2>/dev/null || break
    sleep 0.1
done
cat /run/vfringd.log >&2
exit 1

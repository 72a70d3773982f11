#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# join.sh NUMBER HOSTS PFS TIME HOST_KEY USER_KEY USER_PUB KNOWN_HOSTS: makes a resumed machine, which is like all others, host
# NUMBER of HOSTS: name, addresses, ssh identity, clock. lab/src/site.ts runs it as the first job of each host.
#
# TIME is in seconds; the keys are texts of key files; KNOWN_HOSTS is the file for all hosts.
set -eu
number=$1 hosts=$2 pfs=$3 time=$4 host_key=$5 user_key=$6 user_pub=$7 known_hosts=$8
name=host$number
self=$name

date -s "@$time" >/dev/null
echo "$name" >/proc/sys/kernel/hostname
echo "$name" >/etc/hostname
tr -d - </proc/sys/kernel/random/uuid >/etc/machine-id
{
    printf '127.0.0.1\tlocalhost\n::1\tlocalhost\n'
    for i in $(seq "$hosts"); do
        printf '10.99.0.%d\thost%d\n' "$i" "$i"
    done
} >/etc/hosts

# The machine ran already when its devices were plugged in.
management_is_there() {
    for path in /sys/class/net/*; do
        if [ "$(cat "$path/address")" = "$(printf '52:54:00:99:00:%02x' "$number")" ]; then
            interface=${path##*/}
            return
        fi
    done
    return 1
}
pfs_are_there() {
    # 82576.
    [ "$(cat /sys/bus/pci/devices/*/device | grep -c '^0x10c9$')" -eq "$pfs" ]
}
modprobe virtio_net
wait_for 'the management network' management_is_there
ip link set "$interface" name mgmt0
ip addr add "10.99.0.$number/24" dev mgmt0
ip link set mgmt0 up
wait_for "$pfs PFs" pfs_are_there
# They were found in any order, and get their names in that: found again, they are in the order of the slots.
for device in /sys/bus/pci/devices/*; do
    [ "$(cat "$device/device")" != 0x10c9 ] || echo 1 >"$device/remove"
done
echo 1 >/sys/bus/pci/rescan
pfs_are_there || die "the PFs are gone"

umask 077
cat >/etc/ssh/sshd_config.d/lab.conf <<END
ListenAddress 10.99.0.$number
HostKey /etc/ssh/ssh_host_ed25519_key
PasswordAuthentication no
PerSourcePenalties no
MaxStartups 1000
MaxSessions 1000
END
rm -f /etc/ssh/ssh_host_*
printf '%s' "$host_key" >/etc/ssh/ssh_host_ed25519_key
for user in root mpi; do
    ssh=$(getent passwd $user | cut -d: -f6)/.ssh
    mkdir -p "$ssh"
    printf '%s' "$user_key" >"$ssh/id_ed25519"
    printf '%s' "$user_pub" >"$ssh/id_ed25519.pub"
    printf '%s' "$user_pub" >"$ssh/authorized_keys"
    chown -R $user:$user "$ssh"
done
umask 022
printf '%s' "$known_hosts" >/etc/ssh/ssh_known_hosts
# Open MPI's daemons are to use the management network, and nothing else.
echo 'prte_if_include = mgmt0' >>/etc/openmpi/prte-mca-params.conf
if [ "$(nproc)" = 1 ]; then
    # Ranks that share a processor: each would wait for its turn with each message.
    echo 'mpi_yield_when_idle = 1' >>/etc/openmpi/openmpi-mca-params.conf
    # Or mpirun refuses two ranks on such a host, for want of a core for each.
    echo 'hwloc_default_binding_policy = none' >>/etc/openmpi/prte-mca-params.conf
    # Nor do the processes that they spawn get a core each.
    echo 'rmaps_default_inherit = 1' >>/etc/openmpi/prte-mca-params.conf
fi
mkdir -p /run/sshd
/usr/sbin/sshd

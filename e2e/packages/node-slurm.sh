#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# node-slurm.sh FOLDER: a node where Debian's Slurm runs by the slurm.conf and cgroup.conf in FOLDER, to which its administrator adds
# the examples that the package vfring-slurm brings. As root, after node-install.sh; Slurm is as it was afterwards.
set -u
. "$(dirname "$0")/node.sh"
folder=$1
examples=/usr/share/doc/vfring-slurm/examples
job_log=/tmp/srun.log

why() {
    tail -n 40 "$log"
    tail -n 20 /var/log/slurm/slurmctld.log /var/log/slurm/slurmd.log
    sinfo -N -o '%N %T %G %E'
}
restore() {
    ip link delete mgmt0
    systemctl stop slurmd slurmctld munge
    rm -f /etc/slurm/slurm.conf /etc/slurm/cgroup.conf /etc/slurm/gres.conf /var/lib/munge/munged.seed
    find /var/lib/slurm/slurmctld /var/lib/slurm/slurmd -mindepth 1 -delete
    sed -i '/^managed_by:/d' "$config"
    systemctl restart vfringd
}
trap restore EXIT

# Slurm resolves no name, not even its own, where nothing but lo has an address.
ip link add mgmt0 type dummy
ip address add 10.99.0.1/24 dev mgmt0
ip link set mgmt0 up

install -d -o slurm -g slurm /var/log/slurm /var/lib/slurm/slurmctld /var/lib/slurm/slurmd
install -d -o munge -g munge -m 0700 /var/log/munge
install -d -o munge -g munge -m 0755 /run/munge
echo 'managed_by: slurm' >>"$config"
try "vfringd leaves its VFs to Slurm" systemctl restart vfringd
cat "$folder/slurm.conf" "$examples/slurm.conf" >/etc/slurm/slurm.conf
sed -i '/^NodeName=/s/$/ Gres=vf:4/' /etc/slurm/slurm.conf
cat "$folder/cgroup.conf" "$examples/cgroup.conf" >/etc/slurm/cgroup.conf
vfring slurm gres >/etc/slurm/gres.conf 2>"$log" || fail "vfring slurm gres says what gres.conf needs"
systemctl show -p After --value slurmd | grep -q vfringd.service || fail "the package lets slurmd start after vfringd"
try "Slurm starts" systemctl start munge slurmctld slurmd
idle() { [ "$(sinfo -h -N -o '%T %G')" = "idle vf:4" ]; }
wait_for "Slurm has a node with four VFs" idle
vfring doctor --json >"$log"
jq -e 'any(.[]; .check == "slurm-vfs" and .verdict == "ok")' "$log" >/dev/null || fail "vfring doctor finds nothing amiss in Slurm"
ok "Slurm with the package's examples added has a node with four VFs, and vfring doctor finds nothing amiss"

as_user env OMPI_MCA_pml=ob1 OMPI_MCA_btl=self,vfring srun --mpi=pmix -N1 -n2 --gres=vf:2 \
    sh -c 'echo "job $SLURM_JOB_ID"; exec /usr/libexec/vfring/pingpong --min 0 --max 4096 --iters 20' >"$job_log" 2>&1
result=$?
cp "$job_log" "$log"
[ "$result" = 0 ] || fail "srun runs an MPI program"
id=$(sed -n 's/^job //p' "$job_log" | head -n 1)
[ "$(vfring job "slurm-$id" --json | jq .totals.leases)" = 2 ] || fail "its two processes had a VF each: $(vfring job "slurm-$id" --json)"
wait_for "its VFs are free again" leased 0
wait_for "the node is idle again" idle
ok "srun runs an MPI program over the two VFs that its job was given"

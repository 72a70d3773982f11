#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# What map and unmap cost, uio_vf next to vfio-pci on the same VF, in turns. As
# root, on a machine with an 82576 PF and an IOMMU:
#
#   bench.sh [TURNS]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
turns=${1:-2}

modprobe igb
modprobe vfio-pci
modprobe uio_vf default_dma_limit_bytes=8589934592
pf=
for d in /sys/bus/pci/devices/*; do
	[ ! -e "$d/sriov_totalvfs" ] || { pf=$d; break; }
done
[ -n "$pf" ] || { echo "bench: no PF with SR-IOV" >&2; exit 1; }
echo 0 >"$pf/sriov_drivers_autoprobe"
echo 1 >"$pf/sriov_numvfs"
trap 'echo 0 >"$pf/sriov_numvfs"' EXIT
bdf=$(basename "$(readlink "$pf/virtfn0")")
vf=/sys/bus/pci/devices/$bdf

bind() { # DRIVER
	[ ! -e "$vf/driver" ] || echo "$bdf" >"$vf/driver/unbind"
	echo "$1" >"$vf/driver_override"
	echo "$bdf" >/sys/bus/pci/drivers_probe
}

echo "kernel $(uname -r), $(nproc) processors, IOMMU group $(basename "$(readlink "$vf/iommu_group")"); ns a 4 KiB page: median (least..most)"
for turn in $(seq "$turns"); do
	echo "turn $turn"
	bind uio_vf
	"$here/bench_map" uio_vf "/dev/$(ls "$vf/uio_vf")"
	bind vfio-pci
	"$here/bench_map" vfio-pci "$(basename "$(readlink "$vf/iommu_group")")"
done

// SPDX-License-Identifier: BSD-3-Clause
/** What the lab's Debian consists of. A change here makes a new root file system. */

export const SUITE = 'trixie';

export const PACKAGES: readonly string[] = [
  // The guest's kernel, and what the module is built against. An initramfs
  // generator is required by the kernel package; the lab makes its own, so the
  // smallest will do.
  'linux-image-amd64', 'linux-headers-amd64', 'tiny-initramfs', 'busybox-static', 'kmod',
  // MPI
  'openmpi-bin', 'libopenmpi-dev', 'netpipe-openmpi', 'hpcc',
  // Programs of others, for the end-to-end tests. A third of the image.
  'lammps', 'python3-mpi4py', 'python3-numpy', 'scalapack-mpi-test',
  // DPDK's testpmd with its driver of 82576 VFs, which bench:lab compares with. A tenth of the image.
  'dpdk-dev',
  // Building: C, the module, the native addon
  'gcc', 'g++', 'make', 'autoconf', 'automake', 'libtool', 'pkg-config', 'libjansson-dev', 'rsync',
  // Making and running the machine
  'qemu-system-x86', 'erofs-utils', 'cpio', 'zstd', 'xz-utils',
  // Used in the guest
  'nodejs', 'iproute2', 'iputils-ping', 'pciutils', 'ethtool', 'procps', 'strace', 'tcpdump', 'jq',
  // Started only where a test asks for them: the unit and the udev rule are tried under the real ones.
  'systemd', 'udev',
  // Several hosts: how mpirun reaches the others, and the scheduler with its accounting (sacct wants a database).
  'openssh-server', 'openssh-client', 'dbus', 'munge', 'slurm-wlm', 'slurm-client', 'slurmdbd', 'mariadb-server',
];

/**
 * Kernel modules that no test of the lab can need: the guest has no such
 * hardware. Half of the image otherwise. Relative to `kernel/`.
 */
export const DROPPED_MODULES: readonly string[] = [
  'sound', 'drivers/accel', 'drivers/ata', 'drivers/bluetooth', 'drivers/gpu', 'drivers/hwmon',
  'drivers/iio', 'drivers/infiniband', 'drivers/input', 'drivers/isdn', 'drivers/media', 'drivers/message',
  'drivers/mmc', 'drivers/mtd', 'drivers/net/wireless', 'drivers/net/wwan', 'drivers/scsi', 'drivers/staging',
  'drivers/target', 'drivers/usb', 'drivers/video', 'net/bluetooth', 'net/mac80211', 'net/wireless',
];

/** Files that the guest does not need (they serve building and booting), as regular expressions on paths. */
export const NOT_IN_GUEST: readonly string[] = [
  '^boot/.', '^usr/src/.', '^usr/bin/qemu-', '^usr/share/(qemu|seabios|doc|man|info|locale)/.',
  '^usr/lib/x86_64-linux-gnu/qemu/.', '^usr/lib/.*[.]a$', '^usr/share/(lammps|proj)/.', '^usr/lib/x86_64-linux-gnu/vtk-[^/]*/.',
  '^usr/lib/x86_64-linux-gnu/(libmpich|libscalapack-mpich|scalapack/mpich)', '^var/(cache|lib/apt|log)/.*', '^usr/lib/modules/[^/]*/(build|source)$',
  '^usr/lib/udev/hwdb.d/.', '^etc/udev/hwdb.bin$', '^usr/lib/udev/hwdb.bin$',
];

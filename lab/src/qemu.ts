// SPDX-License-Identifier: BSD-3-Clause
/** The emulated machine, as QEMU's command line. */
import path from 'node:path';
import type { BootFiles } from './boot-files.js';

export interface Machine {
  /** Number of 82576 PFs. */
  pfs: number;
  /**
   * Sockets of vfio-user servers (lab/vfu), each of which serves one PCI function of the machine. It needs QEMU of the
   * backports, servers that listen, and cannot be saved.
   */
  functions: readonly string[];
  /**
   * `own`: the PFs are there from the start, on one wire inside QEMU. `site`: there are empty slots for what distinguishes
   * one of several hosts (network.ts), so that one saved machine serves them all.
   */
  network: 'own' | 'site';
  /** Whether there is an IOMMU at all. */
  iommu: boolean;
  /** Whether the IOMMU remaps interrupts; without, MSIs of VFs are not isolated. */
  intremap: boolean;
  /** More kernel parameters. */
  append: string;
  memoryMiB: number;
  cpus: number;
  /** QEMU's name of the processor model. */
  cpu: string;
}

export const DEFAULT_MACHINE: Machine = {
  pfs: 2, functions: [], network: 'own', iommu: true, intremap: true, append: '', memoryMiB: 3072, cpus: 2, cpu: 'Nehalem,+rdrand',
};

/** Inherited file descriptors of QEMU that are sockets to us. */
export const FDS = { control: 3, stdout: 4, stderr: 5, stdin: 6, results: 7, tty: 8, console: 9, monitor: 10, beat: 11 } as const;
export type Port = keyof typeof FDS;

/** What the guest sees as virtio-serial ports 1, 2, ...; its session knows them by these numbers. */
const SERIAL_PORTS: readonly Port[] = ['control', 'stdout', 'stderr', 'stdin', 'results', 'beat'];

/** A PCIe slot of the machine; PFs have the first ones, in their order. */
export const slotName = (index: number): string => `rp${index}`;

/** No PF may sit on the root bus: SR-IOV needs bus numbers of its own, and a port each gives groups of their own. */
const MAX_SLOTS = 8;

const KERNEL_PARAMETERS = [
  'console=ttyS0', 'intel_iommu=on', 'panic=-1', 'loglevel=5', 'mitigations=off', 'net.ifnames=0',
  // For Emulator.logTasks().
  'sysrq_always_enabled',
  // Self-tests and calibrations that cost seconds under emulation and show nothing about it.
  'tsc=reliable', 'no_timer_check', 'cryptomgr.notests', 'random.trust_cpu=on', 'nokaslr',
  'initcall_blacklist=jent_mod_init',
];

export interface Images extends BootFiles {
  base: string;
  project: string;
}

/**
 * On a busy machine a guest that measures its time stamp counter against its timers finds a frequency that is wrong up to
 * threefold; its clock then goes that much too fast, in each run from the saved machine, too.
 */
const clockParameters = (tscKhz: number | undefined): string[] => (tscKhz === undefined ? [] : [`tsc_early_khz=${tscKhz}`]);

/**
 * @param share the tree's `usr/share`, where QEMU's firmware is
 * @param tscKhz frequency of the time stamp counter, if it is known
 * @throws RangeError for a number of PFs and functions the machine has no slots for
 */
export function qemuArguments(machine: Machine, images: Images, share: string, tscKhz?: number): string[] {
  if (!Number.isInteger(machine.pfs) || machine.pfs < 0 || machine.pfs + machine.functions.length > MAX_SLOTS) {
    throw new RangeError(`the machine can have 0 to ${MAX_SLOTS} PFs and functions`);
  }
  const isServed = machine.functions.length > 0;
  const disk = (id: string, file: string): string[] => [
    '-drive', `file=${file.replaceAll(',', ',,')},if=none,id=${id},format=raw,readonly=on`,
    '-device', `virtio-blk-pci,drive=${id}`,
  ];
  const sockets = Object.entries(FDS).flatMap(([name, fd]) => ['-chardev', `socket,id=${name},fd=${fd}`]);
  const ports = SERIAL_PORTS.flatMap((name, index) => [
    '-device', `virtserialport,bus=ports.0,nr=${index + 1},chardev=${name},name=${name}`,
  ]);
  const slot = (index: number): string[] => [
    '-device', `pcie-root-port,id=${slotName(index)},bus=pcie.0,chassis=${index + 1},slot=${index + 1}`,
  ];
  const pfs = machine.network === 'site'
    // One more for the management network.
    ? Array.from({ length: machine.pfs + 1 }, (_, index) => slot(index)).flat()
    : Array.from({ length: machine.pfs }, (_, index) => [
      '-netdev', `hubport,id=wire${index},hubid=0`,
      ...slot(index),
      '-device', `igb,bus=${slotName(index)},netdev=wire${index},mac=52:54:00:25:76:0${index},romfile=`,
    ]).flat();
  const functions = machine.functions.flatMap((socket, index) => [
    ...slot(machine.pfs + index),
    '-device', JSON.stringify({ driver: 'vfio-user-pci', bus: slotName(machine.pfs + index), socket: { type: 'unix', path: socket } }),
  ]);
  return [
    // 512 MiB for translated code: with the default, MPI programs get translated again and again.
    '-accel', 'tcg,thread=multi,tb-size=512',
    '-machine', `q35,kernel-irqchip=split,usb=off,vmport=off,i8042=off,hpet=off,sata=off,smbus=off${isServed ? ',memory-backend=memory' : ''}`,
    // Servers have the guest's memory by its file.
    ...(isServed ? ['-object', `memory-backend-memfd,id=memory,size=${machine.memoryMiB}M,share=on`] : []),
    '-cpu', machine.cpu, '-smp', String(machine.cpus), '-m', `${machine.memoryMiB}M`,
    '-L', path.join(share, 'qemu'), '-L', path.join(share, 'seabios'),
    '-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot',
    ...sockets, '-serial', 'chardev:console', '-mon', 'chardev=monitor,mode=control',
    '-kernel', images.kernel, '-initrd', images.initramfs,
    '-append', [...KERNEL_PARAMETERS, ...clockParameters(tscKhz), machine.append].filter((word) => word !== '').join(' '),
    // The IOMMU comes before the devices that it is to translate for. Served ones hear of what the guest maps (caching mode).
    ...(machine.iommu ? ['-device', `intel-iommu,intremap=${machine.intremap ? 'on' : 'off'},caching-mode=${isServed ? 'on' : 'off'}`] : []),
    ...disk('base', images.base), ...disk('project', images.project),
    '-device', 'virtio-serial-pci,id=ports,max_ports=8', ...ports, '-device', 'virtconsole,bus=ports.0,nr=0,chardev=tty',
    // Tells the guest that it was resumed from a saved state, so that its random numbers differ from the last time's.
    '-device', 'vmgenid,guid=auto',
    ...pfs, ...functions,
  ];
}

// SPDX-License-Identifier: BSD-3-Clause
/** VFs bound to vfio-pci, which the daemon opens for a process. */
import { join } from 'node:path';
import { VfringError, causeText } from '../../errors.js';
import type { Vf } from '../../model/vf.js';
import type { Native } from '../../native.js';
import type { OpenedVfs } from '../provider.js';
import type { Sysfs } from './sysfs.js';

/** Where the nodes of IOMMU groups are, of functions that are bound to vfio-pci. */
export const VFIO_DIR = '/dev/vfio/';

/** The kernel's VFIO: real calls, passed in so that tests can stand in for them. */
export interface VfioOps {
  /** Throws with `code` where the IOMMU group at that path cannot be opened now: EBUSY, EPERM, ENOENT. */
  probe(path: string): void;
  /** The container's descriptor, then one of each function, which is reset. Rejects with `code` and `index`, with none open. */
  open(groups: readonly string[], names: readonly string[]): Promise<readonly number[]>;
  close(fd: number): void;
}

export function realVfio(addon: Native): VfioOps {
  return {
    probe: (path) => addon.vfioProbe(path),
    open: (groups, names) => addon.vfioOpen(groups, names),
    close: (fd) => addon.closeFd(fd),
  };
}

/** Throws where VFIO is not there, or where it would give devices to processes that nothing confines. */
export async function checkVfio(sysfs: Sysfs): Promise<void> {
  const missing = await missingModule(sysfs);
  if (missing !== undefined) {
    throw new VfringError('VFRING_ERR_NO_VFIO', { module: missing });
  }
  const unsafe = await unsafeParameter(sysfs);
  if (unsafe !== undefined) {
    throw new VfringError('VFRING_ERR_VFIO_UNSAFE', unsafe);
  }
}

export async function missingModule(sysfs: Sysfs): Promise<string | undefined> {
  if (!(await sysfs.list('bus/pci/drivers')).includes('vfio-pci')) {
    return 'vfio-pci';
  }
  return (await sysfs.list('module')).includes('vfio_iommu_type1') ? undefined : 'vfio_iommu_type1';
}

/** What an administrator has allowed that must not be, of processes that nobody trusts. */
export async function unsafeParameter(sysfs: Sysfs): Promise<{ parameter: string; file: string } | undefined> {
  for (const [module, parameter] of [['vfio', 'enable_unsafe_noiommu_mode'], ['vfio_iommu_type1', 'allow_unsafe_interrupts']] as const) {
    const file = `module/${module}/parameters/${parameter}`;
    if ((await sysfs.read(file)) === 'Y') {
      return { parameter: `${module}.${parameter}`, file: join(sysfs.root, file) };
    }
  }
  return undefined;
}

/** @param refused makes the error of a VF that cannot be opened */
export async function openVfs(ops: VfioOps, vfs: readonly Vf[], refused: (vf: Vf, error: unknown) => VfringError): Promise<OpenedVfs> {
  const descriptors = await ops.open(vfs.map(({ device }) => device), vfs.map(({ name }) => name)).catch((error: unknown) => {
    const index = error instanceof Error && 'index' in error ? Number(error.index) : 0;
    throw refused(vfs[index] as Vf, new Error(explain(error)));
  });
  return { descriptors, close: () => descriptors.forEach((fd) => ops.close(fd)) };
}

/** EPERM where the group gets its address space says that interrupts are not remapped. */
function explain(error: unknown): string {
  const text = causeText(error);
  return /EPERM.*address space/.test(text) ? `${text} (without interrupt remapping: see vfring doctor)` : text;
}

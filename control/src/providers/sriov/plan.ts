// SPDX-License-Identifier: BSD-3-Clause
/**
 * From what a PF is like and what it should be like to what must be done.
 * No effects: the same plan serves --dry-run, and an empty plan is the proof
 * that provisioning is done.
 */
import type { PfConfig } from '../../config/schema.js';
import { VfringError } from '../../errors.js';
import { vfMac } from './mac.js';
import { DRIVER, deviceDir, type PfState, type VfState } from './observe.js';

export type Action =
  | { readonly do: 'load-module'; readonly why: string }
  | { readonly do: 'ip'; readonly pf: string; readonly args: readonly string[]; readonly why: string }
  | { readonly do: 'write'; readonly path: string; readonly value: string; readonly why: string }
  | { readonly do: 'wait-link'; readonly pf: string; readonly why: string }
  | { readonly do: 'wait-node'; readonly bdf: string; readonly why: string };

/** Drivers that hand a function to someone else: never taken away from them. */
const FOREIGN_DRIVERS = new Set(['vfio-pci', 'vfio_pci', 'uio_pci_generic', 'igb_uio', 'pciback', 'pci-stub']);

/**
 * The PF itself, up to the number of its VFs.
 *
 * @param leased names (bdf) of VFs that are leased or still driven
 */
export function planPf(pf: PfState, config: PfConfig, leased: ReadonlySet<string>): Action[] {
  const actions: Action[] = [];
  const busy = pf.vfs.filter((vf) => leased.has(vf.bdf) || vf.deviceState === 'open');
  const ip = (args: string[], why: string): void => {
    actions.push({ do: 'ip', pf: pf.name, args, why });
  };
  const write = (file: string, value: string, why: string): void => {
    actions.push({ do: 'write', path: `${deviceDir(pf.bdf)}/${file}`, value, why });
  };

  if (config.vfs > pf.totalVfs) {
    throw new VfringError('VFRING_ERR_TOO_MANY_VFS', {
      pf: pf.name,
      bdf: pf.bdf,
      max: pf.totalVfs,
      wanted: config.vfs,
    });
  }
  // A new MTU resets the PF and with it all VFs: not under a running job.
  if (pf.mtu < config.mtu && busy.length === 0) {
    ip(['mtu', String(config.mtu)], `its MTU is ${pf.mtu}`);
  }
  // VFs that are made while their PF is down stay without a link.
  if (config.up && !pf.adminUp) {
    ip(['up'], 'it is down');
    actions.push({ do: 'wait-link', pf: pf.name, why: 'VFs made without a link get none' });
  }
  if (pf.autoprobe) {
    write('sriov_drivers_autoprobe', '0', `VFs are for ${DRIVER}, not for the kernel's own VF driver`);
  }
  if (pf.numVfs !== config.vfs) {
    refuseIfUsed(pf, config, busy);
    if (pf.numVfs !== 0) {
      write('sriov_numvfs', '0', `it has ${pf.numVfs} VFs; the number changes only by way of 0`);
    }
    write('sriov_numvfs', String(config.vfs), `it has ${pf.numVfs} VFs`);
  }
  return actions;
}

function refuseIfUsed(pf: PfState, config: PfConfig, busy: readonly VfState[]): void {
  const foreign = pf.vfs.filter((vf) => FOREIGN_DRIVERS.has(vf.driver ?? ''));
  const users = [
    ...busy.map((vf) => `${vf.bdf} is in use by a job`),
    ...foreign.map((vf) => `${vf.bdf} is held by ${vf.driver}`),
  ];
  if (users.length > 0) {
    throw new VfringError('VFRING_ERR_VFS_IN_USE', {
      pf: pf.name,
      present: pf.numVfs,
      wanted: config.vfs,
      users: users.join(', '),
    });
  }
}

/** A VF's address and rights, and its binding to uio_vf. */
export function planVf(pf: PfState, vf: VfState, config: PfConfig): Action[] {
  const actions: Action[] = [];
  const admin = (args: string[], why: string): void => {
    actions.push({ do: 'ip', pf: pf.name, args: ['vf', String(vf.index), ...args], why });
  };
  const write = (path: string, value: string, why: string): void => {
    actions.push({ do: 'write', path, value, why });
  };

  const mac = vfMac(config.mac_prefix, pf.permanentMac, vf.index);
  if (vf.admin.mac?.toLowerCase() !== mac) {
    admin(['mac', mac], vf.admin.mac === undefined ? 'it has none yet' : `its MAC is ${vf.admin.mac}`);
  }
  if (vf.admin.spoofchk !== true) {
    admin(['spoofchk', 'on'], 'a process must not send in the name of another VF');
  }
  if (vf.admin.trust === true) {
    admin(['trust', 'off'], 'a trusted VF could change its MAC');
  }
  if (vf.driver !== undefined && vf.driver !== DRIVER) {
    if (FOREIGN_DRIVERS.has(vf.driver)) {
      throw new VfringError('VFRING_ERR_VF_FOREIGN_DRIVER', { vf: vf.bdf, pf: pf.name, driver: vf.driver });
    }
    write(`${deviceDir(vf.bdf)}/driver/unbind`, vf.bdf, `it is bound to ${vf.driver}`);
  }
  if (vf.override !== DRIVER) {
    write(`${deviceDir(vf.bdf)}/driver_override`, DRIVER, `only ${DRIVER} is to bind it`);
  }
  if (vf.driver !== DRIVER) {
    write('bus/pci/drivers_probe', vf.bdf, `bind it to ${DRIVER}`);
  }
  if (vf.driver !== DRIVER || vf.node === undefined) {
    actions.push({ do: 'wait-node', bdf: vf.bdf, why: 'processes drive the VF through its node' });
  }
  return actions;
}

/** Throws where an unprivileged process could reach memory that is not its own. */
export function checkIsolation(vf: VfState): void {
  if (vf.iommuGroup === undefined) {
    throw new VfringError('VFRING_ERR_NO_IOMMU', { vf: vf.bdf });
  }
  if (vf.groupPeers.length > 0) {
    throw new VfringError('VFRING_ERR_IOMMU_GROUP_SHARED', {
      vf: vf.bdf,
      group: vf.iommuGroup,
      others: vf.groupPeers.join(', '),
    });
  }
  // Only the module can tell the rest; it is asked once it is bound.
  if (vf.node === undefined || vf.isolation === 'isolated') {
    return;
  }
  if (vf.isolation === 'no-interrupt-remapping') {
    throw new VfringError('VFRING_ERR_NO_INTERRUPT_REMAPPING', { vf: vf.bdf });
  }
  throw new VfringError('VFRING_ERR_VF_NOT_ISOLATED', { vf: vf.bdf, what: vf.isolation ?? 'unknown' });
}

/** A VF that does not exist yet, for plans. */
export function futureVf(index: number, bdf: string): VfState {
  return {
    index,
    bdf,
    driver: undefined,
    override: undefined,
    iommuGroup: undefined,
    groupPeers: [],
    admin: { mac: undefined, spoofchk: undefined, trust: undefined },
    node: undefined,
    deviceState: undefined,
    isolation: undefined,
    numa: -1,
  };
}

export function describe(action: Action): string {
  switch (action.do) {
    case 'load-module':
      return `modprobe ${DRIVER}`;
    case 'ip':
      return `ip link set dev ${action.pf} ${action.args.join(' ')}`;
    case 'write':
      return `echo ${action.value} > /sys/${action.path}`;
    case 'wait-link':
      return `wait for the link of ${action.pf}`;
    case 'wait-node':
      return `wait for the node of ${action.bdf}`;
  }
}

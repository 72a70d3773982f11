// SPDX-License-Identifier: BSD-3-Clause
/**
 * From what a PF is like and what it should be like to what must be done.
 * No effects: the same plan serves --dry-run, and an empty plan is the proof
 * that provisioning is done.
 */
import type { Backend, PfConfig } from '../../config/schema.js';
import { VfringError } from '../../errors.js';
import { shellWord } from '../../shell.js';
import { macOf } from './mac.js';
import { deviceDir, driverOf, type PfState, type VfState } from './observe.js';

/** Where a step acts, and what would take it back. */
interface About {
  readonly why: string;
  /** VFs in use that the step would take away from under their users. */
  readonly disturbs?: readonly string[];
  /** Puts back what was there before; a step without it has nothing to put back. */
  readonly undo?: Action;
}

export type Action = About &
  (
    | { readonly do: 'ip'; readonly pf: string; readonly args: readonly string[] }
    | { readonly do: 'write'; readonly path: string; readonly value: string }
    | { readonly do: 'wait-link'; readonly pf: string }
    | { readonly do: 'wait-node'; readonly bdf: string; readonly backend: Backend }
    | { readonly do: 'wait-udev' }
  );

/** VFs that must be left alone, by bdf; `force`: they are named, and not left alone. */
export interface InUse {
  readonly leased: ReadonlySet<string>;
  readonly force: boolean;
}

/** Drivers that hand a function to someone else: never taken away from them. */
const FOREIGN_DRIVERS = new Set(['vfio-pci', 'vfio_pci', 'uio_pci_generic', 'igb_uio', 'pciback', 'pci-stub']);

const isForeign = (driver: string | undefined, { backend }: PfConfig): boolean =>
  driver !== undefined && driver !== driverOf(backend) && FOREIGN_DRIVERS.has(driver);

/** Leased, or still driven by whoever. */
export function isInUse(vf: VfState, inUse: InUse): boolean {
  return inUse.leased.has(vf.bdf) || vf.deviceState === 'open';
}

/** The PF itself, up to the number of its VFs. Throws where VFs in use are in the way. */
export function planPf(pf: PfState, config: PfConfig, inUse: InUse): Action[] {
  const actions: Action[] = [];
  const busy = pf.vfs.filter((vf) => isInUse(vf, inUse));
  const disturbs = busy.length > 0 ? { disturbs: busy.map(({ bdf }) => bdf) } : {};
  const ip = (args: string[], why: string, before: string[], more: object = {}): void => {
    const undo: Action = { do: 'ip', pf: pf.name, args: before, why: 'as it was' };
    actions.push({ do: 'ip', pf: pf.name, args, why, undo, ...more });
  };
  const write = (file: string, value: string, why: string, before: string, more: object = {}): void => {
    const path = `${deviceDir(pf.bdf)}/${file}`;
    actions.push({ do: 'write', path, value, why, undo: { do: 'write', path, value: before, why: 'as it was' }, ...more });
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
  if (pf.mtu < config.mtu && (busy.length === 0 || inUse.force)) {
    ip(['mtu', String(config.mtu)], `its MTU is ${pf.mtu}`, ['mtu', String(pf.mtu)], disturbs);
  }
  // VFs that are made while their PF is down stay without a link.
  if (config.up && !pf.adminUp) {
    ip(['up'], 'it is down', ['down']);
    actions.push({ do: 'wait-link', pf: pf.name, why: 'VFs made without a link get none' });
  }
  if (pf.autoprobe) {
    write('sriov_drivers_autoprobe', '0', `VFs are for ${driverOf(config.backend)}, not for the kernel's own VF driver`, '1');
  }
  if (pf.numVfs !== config.vfs) {
    refuseIfUsed(pf, config, inUse.force ? [] : busy);
    if (pf.numVfs !== 0) {
      write('sriov_numvfs', '0', `it has ${pf.numVfs} VFs; the number changes only by way of 0`, String(pf.numVfs), disturbs);
    }
    write('sriov_numvfs', String(config.vfs), `it has ${pf.numVfs} VFs`, '0');
  }
  return actions;
}

function refuseIfUsed(pf: PfState, config: PfConfig, busy: readonly VfState[]): void {
  const foreign = pf.vfs.filter((vf) => isForeign(vf.driver, config));
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

/** A step of planPf() during which no VF of the PF can be used. */
export function takesAll(action: Action): boolean {
  return (action.do === 'ip' && action.args[0] === 'mtu') || (action.do === 'write' && action.path.endsWith('/sriov_numvfs'));
}

/** A VF's address and rights, and its binding to its driver. */
export function planVf(pf: PfState, vf: VfState, config: PfConfig): Action[] {
  const actions: Action[] = [];
  const admin = (args: string[], why: string, before?: string): void => {
    const set = (words: string[]): string[] => ['vf', String(vf.index), ...words];
    const undo = before !== undefined && { undo: { do: 'ip', pf: pf.name, args: set([args[0] ?? '', before]), why: 'as it was' } as const };
    actions.push({ do: 'ip', pf: pf.name, args: set(args), why, ...undo });
  };
  const write = (path: string, value: string, why: string, back: { path: string; value: string }): void => {
    actions.push({ do: 'write', path, value, why, undo: { do: 'write', ...back, why: 'as it was' } });
  };

  const mac = macOf(config, pf.permanentMac, vf.index);
  if (vf.admin.mac?.toLowerCase() !== mac) {
    admin(['mac', mac], vf.admin.mac === undefined ? 'it has none yet' : `its MAC is ${vf.admin.mac}`, vf.admin.mac);
  }
  if (vf.admin.spoofchk !== true) {
    admin(['spoofchk', 'on'], 'a process must not send in the name of another VF', vf.admin.spoofchk === false ? 'off' : undefined);
  }
  if (vf.admin.trust === true) {
    admin(['trust', 'off'], 'a trusted VF could change its MAC', 'on');
  }
  const vlan = config.vlan ?? 0;
  if ((vf.admin.vlan ?? 0) !== vlan) {
    admin(['vlan', String(vlan)], `its VLAN is ${vf.admin.vlan ?? 0}`, String(vf.admin.vlan ?? 0));
  }
  const rate = config.max_tx_mbit ?? 0;
  if ((vf.admin.maxTxMbit ?? 0) !== rate) {
    // igb refuses one without a link, and resets the card for VFs and VLANs.
    actions.push({ do: 'wait-link', pf: pf.name, why: 'its driver takes a rate cap with a link only' });
    admin(['max_tx_rate', String(rate)], `its rate cap is ${vf.admin.maxTxMbit ?? 0} Mbit/s`, String(vf.admin.maxTxMbit ?? 0));
  }
  const driver = driverOf(config.backend);
  if (vf.driver !== undefined && vf.driver !== driver) {
    if (isForeign(vf.driver, config)) {
      throw new VfringError('VFRING_ERR_VF_FOREIGN_DRIVER', { vf: vf.bdf, pf: pf.name, driver: vf.driver });
    }
    const back = { path: `bus/pci/drivers/${vf.driver}/bind`, value: vf.bdf };
    write(`${deviceDir(vf.bdf)}/driver/unbind`, vf.bdf, `it is bound to ${vf.driver}`, back);
  }
  if (vf.override !== driver) {
    const path = `${deviceDir(vf.bdf)}/driver_override`;
    // A line with nothing in it clears it.
    write(path, driver, `only ${driver} is to bind it`, { path, value: vf.override ?? '\n' });
  }
  if (vf.driver !== driver) {
    write('bus/pci/drivers_probe', vf.bdf, `bind it to ${driver}`, { path: `${deviceDir(vf.bdf)}/driver/unbind`, value: vf.bdf });
  }
  if (vf.driver !== driver || vf.node === undefined) {
    actions.push({ do: 'wait-node', bdf: vf.bdf, backend: config.backend, why: 'processes drive the VF through its node' });
  }
  return actions;
}

export const WAIT_UDEV: Action = { do: 'wait-udev', why: 'it gives a new node to root when it gets to it, which must not be after the node is a user\'s' };

/** The steps of all VFs of a PF, and one more when new nodes come of them: udev is waited for once. */
export function withUdev(actions: readonly Action[]): readonly Action[] {
  return actions.some((action) => action.do === 'wait-node') ? [...actions, WAIT_UDEV] : actions;
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
  // Only the module can tell the rest; it is asked once it is bound. vfio-pci tells nothing: the kernel refuses to open the VF then.
  if (vf.node === undefined || vf.isolation === 'isolated' || vf.driver === driverOf('vfio')) {
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
    admin: { mac: undefined, spoofchk: undefined, trust: undefined, vlan: undefined, maxTxMbit: undefined },
    node: undefined,
    deviceState: undefined,
    isolation: undefined,
    numa: -1,
  };
}

export function describe(action: Action): string {
  switch (action.do) {
    case 'ip':
      return `ip link set dev ${[action.pf, ...action.args].map(shellWord).join(' ')}`;
    case 'write':
      return `echo ${shellWord(action.value.trim())} > ${shellWord(`/sys/${action.path}`)}`;
    case 'wait-link':
      return `wait for the link of ${action.pf}`;
    case 'wait-node':
      return `wait for the node of ${action.bdf}`;
    case 'wait-udev':
      return 'udevadm settle';
  }
}

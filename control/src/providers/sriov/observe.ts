// SPDX-License-Identifier: BSD-3-Clause
/** What a PF and its VFs are like now. Reads only. */
import { join } from 'node:path';
import type { Backend, PfConfig } from '../../config/schema.js';
import { VfringError, causeText, errnoCode } from '../../errors.js';
import type { IpLink, VfAdmin } from './ip-link.js';
import { shellWord } from '../../shell.js';
import type { LinkDown } from '../provider.js';
import type { Sysfs } from './sysfs.js';
import type { VfioOps } from './vfio.js';

/** vfring's own module. */
export const DRIVER = 'uio_vf';

const DRIVERS: Readonly<Record<Backend, string>> = { uio_vf: DRIVER, vfio: 'vfio-pci' };

/** The driver that VFs are bound to. */
export const driverOf = (backend: Backend = 'uio_vf'): string => DRIVERS[backend];

/** Of what a process reaches the VF by: its own node, or that of its IOMMU group. */
export interface VfNode {
  /** Below /dev: "uiovf0", "vfio/42" */
  readonly name: string;
  readonly major: number;
  readonly minor: number;
}

export interface VfState {
  readonly index: number;
  readonly bdf: string;
  readonly driver: string | undefined;
  readonly override: string | undefined;
  /** Undefined where there is no IOMMU. */
  readonly iommuGroup: string | undefined;
  /** Other functions in that group. */
  readonly groupPeers: readonly string[];
  readonly admin: VfAdmin;
  readonly node: VfNode | undefined;
  /** "free", "open", "gone", or undefined without a node. */
  readonly deviceState: string | undefined;
  /** uio_vf's own judgement, "isolated" or what is missing; undefined without a node, and where the kernel judges when the VF is opened (vfio). */
  readonly isolation: string | undefined;
  readonly numa: number;
}

export interface PfState {
  readonly bdf: string;
  readonly name: string;
  readonly permanentMac: string;
  readonly mtu: number;
  readonly adminUp: boolean;
  readonly totalVfs: number;
  readonly numVfs: number;
  readonly autoprobe: boolean;
  readonly vfs: readonly VfState[];
}

const NOT_REPORTED: VfAdmin = { mac: undefined, spoofchk: undefined, trust: undefined, vlan: undefined, maxTxMbit: undefined };

export const deviceDir = (bdf: string): string => `bus/pci/devices/${bdf}`;

/** What is looked at. */
export interface ObserveContext {
  readonly sysfs: Sysfs;
  readonly ip: IpLink;
  readonly devDir: string;
  readonly vfio: Pick<VfioOps, 'probe'>;
}

/** VFs without a PF are of one port, called by the first of them. */
export const portOf = ({ functions }: PfConfig): string => functions?.[0]?.bdf ?? '';

/** VFs that a virtual machine was handed: their PF is elsewhere, and all that it sets has been set. Throws VFRING_ERR_VF_UNKNOWN. */
async function observeGiven(functions: NonNullable<PfConfig['functions']>, config: PfConfig, context: ObserveContext): Promise<PfState> {
  const vfs: VfState[] = [];
  for (const [index, { bdf, mac }] of functions.entries()) {
    if ((await context.sysfs.list(deviceDir(bdf))).length === 0) {
      throw new VfringError('VFRING_ERR_VF_UNKNOWN', { vf: bdf });
    }
    vfs.push(await observeVf(context, index, bdf, { mac, spoofchk: true, trust: false, vlan: undefined, maxTxMbit: undefined }, config.backend));
  }
  return { bdf: '', name: portOf(config), permanentMac: '', mtu: config.mtu, adminUp: true, totalVfs: vfs.length, numVfs: vfs.length, autoprobe: false, vfs };
}

/** Throws VFRING_ERR_PF_UNKNOWN, VFRING_ERR_NO_SRIOV or VFRING_ERR_VF_UNKNOWN. */
export async function observePf(config: PfConfig, context: ObserveContext): Promise<PfState> {
  const { sysfs, ip } = context;
  if (config.functions !== undefined) {
    return observeGiven(config.functions, config, context);
  }
  const { name, bdf } = await resolvePf(config, sysfs, ip);
  const dir = deviceDir(bdf);
  const totalVfs = Number((await sysfs.read(`${dir}/sriov_totalvfs`)) ?? 0);
  if (!(totalVfs > 0)) {
    const driver = (await sysfs.link(`${dir}/driver`)) ?? 'no driver';
    const cause = `the device or its driver (${driver}) offers none`;
    throw new VfringError('VFRING_ERR_NO_SRIOV', { pf: name, bdf, cause });
  }
  const link = await ip.show(name);
  const numVfs = Number((await sysfs.read(`${dir}/sriov_numvfs`)) ?? 0);
  const vfs: VfState[] = [];
  for (let index = 0; index < numVfs; index++) {
    const vfBdf = await sysfs.link(`${dir}/virtfn${index}`);
    if (vfBdf !== undefined) {
      const admin = link.vfs.get(index) ?? NOT_REPORTED;
      vfs.push(await observeVf(context, index, vfBdf, admin, config.backend));
    }
  }
  return {
    bdf,
    name,
    permanentMac: link.permanentMac,
    mtu: link.mtu,
    adminUp: link.adminUp,
    totalVfs,
    numVfs,
    autoprobe: (await sysfs.read(`${dir}/sriov_drivers_autoprobe`)) === '1',
    vfs,
  };
}

/** A PF by a name of its interface, which may have several: sysfs knows one of them (ip link property add altname). */
export async function findByName(asked: string, sysfs: Sysfs, ip: IpLink): Promise<{ name: string; bdf: string } | undefined> {
  const bdfOf = (name: string): Promise<string | undefined> => sysfs.link(`class/net/${name}/device`);
  const bdf = await bdfOf(asked);
  if (bdf !== undefined) {
    return { name: asked, bdf };
  }
  const name = await ip.show(asked).then((link) => link.name, () => asked);
  const found = await bdfOf(name);
  return found === undefined ? undefined : { name, bdf: found };
}

async function resolvePf(config: PfConfig, sysfs: Sysfs, ip: IpLink): Promise<{ name: string; bdf: string }> {
  if (config.name !== undefined) {
    const found = await findByName(config.name, sysfs, ip);
    if (found === undefined || (await sysfs.list(deviceDir(found.bdf))).length === 0) {
      throw await pfUnknown(config.name, config.name, sysfs);
    }
    return found;
  }
  const bdf = config.bdf ?? '';
  const [name] = await sysfs.list(`${deviceDir(bdf)}/net`);
  if (name === undefined) {
    throw await pfUnknown(bdf, undefined, sysfs);
  }
  return { name, bdf };
}

async function pfUnknown(pf: string, name: string | undefined, sysfs: Sysfs): Promise<VfringError> {
  const elsewhere = await pfsElsewhere(sysfs);
  // By its name alone it cannot be told which of several it is, or whether it is one of them.
  if (name === undefined ? elsewhere.includes(pf) : elsewhere.length > 0) {
    return new VfringError('VFRING_ERR_PF_ELSEWHERE', {
      pf: name === undefined ? pf : `${name} is not here, and ${elsewhere.join(', ')}`,
      remedy: `${bringBack(name)}${name === undefined ? '' : '; if it is none of these, correct name: in the configuration'}`,
    });
  }
  const capable: string[] = [];
  for (const name of await sysfs.list('class/net')) {
    if ((await sysfs.read(`class/net/${name}/device/sriov_totalvfs`)) !== undefined) {
      capable.push(name);
    }
  }
  return new VfringError('VFRING_ERR_PF_UNKNOWN', { pf, known: capable.sort().join(', ') || 'none' });
}

async function observeVf(context: ObserveContext, index: number, bdf: string, admin: VfAdmin, wanted: Backend): Promise<VfState> {
  const { sysfs } = context;
  const dir = deviceDir(bdf);
  const group = await sysfs.link(`${dir}/iommu_group`);
  const members = group === undefined ? [] : await sysfs.list(`kernel/iommu_groups/${group}/devices`);
  const override = await sysfs.read(`${dir}/driver_override`);
  const driver = await sysfs.link(`${dir}/driver`);
  // One that vfio-pci has is somebody else's, unless the configuration says so.
  const backend = driver === DRIVER ? 'uio_vf' : wanted;
  const node = await vfNode(sysfs, bdf, backend);
  return {
    index,
    bdf,
    driver,
    // The kernel prints an empty override as "(null)".
    override: override === '' || override === '(null)' ? undefined : override,
    iommuGroup: group,
    groupPeers: members.filter((member) => member !== bdf).sort(),
    admin,
    node,
    deviceState: node && (await deviceState(context, bdf, node, backend)).state,
    isolation: node && backend === 'uio_vf' ? await sysfs.read(`${dir}/${DRIVER}/${node.name}/isolation`) : undefined,
    numa: Number((await sysfs.read(`${dir}/numa_node`)) ?? -1),
  };
}

/** The node of a VF by sysfs; undefined when the VF is not bound to the backend's driver. */
export async function vfNode(sysfs: Sysfs, bdf: string, backend: Backend = 'uio_vf'): Promise<VfNode | undefined> {
  return backend === 'vfio' ? groupNode(sysfs, bdf) : uioNode(sysfs, bdf);
}

async function uioNode(sysfs: Sysfs, bdf: string): Promise<VfNode | undefined> {
  const names = await sysfs.list(`${deviceDir(bdf)}/${DRIVER}`);
  const name = names.find((entry) => /^uiovf\d+$/.test(entry));
  return name === undefined ? undefined : numbered(name, await sysfs.read(`${deviceDir(bdf)}/${DRIVER}/${name}/dev`));
}

async function groupNode(sysfs: Sysfs, bdf: string): Promise<VfNode | undefined> {
  const group = await sysfs.link(`${deviceDir(bdf)}/iommu_group`);
  if (group === undefined || (await sysfs.link(`${deviceDir(bdf)}/driver`)) !== DRIVERS.vfio) {
    return undefined;
  }
  return numbered(`vfio/${group}`, await sysfs.read(`class/vfio/${group}/dev`));
}

function numbered(name: string, dev: string | undefined): VfNode | undefined {
  const [, major, minor] = /^(\d+):(\d+)$/.exec(dev ?? '') ?? [];
  return major === undefined ? undefined : { name, major: Number(major), minor: Number(minor) };
}

export interface DeviceState {
  readonly state: 'free' | 'open' | 'gone';
  /** Why it is gone, if there is more to say. */
  readonly detail?: string;
}

/** Whether somebody drives the VF. */
export async function deviceState({ sysfs, devDir, vfio }: ObserveContext, bdf: string, node: VfNode, backend: Backend = 'uio_vf'): Promise<DeviceState> {
  if (backend === 'uio_vf') {
    const state = await sysfs.read(`${deviceDir(bdf)}/${DRIVER}/${node.name}/state`);
    return state === 'free' || state === 'open' ? { state } : { state: 'gone', detail: 'uio_vf says that the device is gone' };
  }
  try {
    // A VF's descriptor holds its group, which one alone can open. Nothing is done to the VF.
    vfio.probe(join(devDir, node.name));
    return { state: 'free' };
  } catch (error) {
    return errnoCode(error) === 'EBUSY' ? { state: 'open' } : { state: 'gone', detail: `its IOMMU group cannot be opened: ${causeText(error)}` };
  }
}

/** Undefined when the PF of a VF has its link; else why not, as far as it can be seen. */
export async function pfLinkDown(sysfs: Sysfs, vfBdf: string): Promise<LinkDown | undefined> {
  const dir = `${deviceDir(vfBdf)}/physfn`;
  const [name] = await sysfs.list(`${dir}/net`);
  if (name === undefined && (await sysfs.link(dir)) === undefined && (await sysfs.read(`${deviceDir(vfBdf)}/vendor`)) !== undefined) {
    return undefined; // Its PF is not here: its process sees the link.
  }
  if (name === undefined) {
    const pf = (await sysfs.link(dir)) ?? 'of the VF';
    return (await sysfs.list(dir)).includes('net')
      ? { cause: `PF ${pf} has its network interface in another network namespace than vfringd`, remedy: bringBack(undefined) }
      : { cause: `PF ${pf} has no network interface`, remedy: `bind the PF to its driver: echo ${pf} > /sys/bus/pci/drivers_probe` };
  }
  return (await sysfs.read(`class/net/${name}/carrier`)) === '1' ? undefined : noCarrier(name, sysfs);
}

const IFF_UP = 1; // linux/if.h

export async function noCarrier(name: string, sysfs: Sysfs): Promise<LinkDown> {
  const up = (Number.parseInt((await sysfs.read(`class/net/${name}/flags`)) ?? '0', 16) & IFF_UP) !== 0;
  return up
    ? { cause: `PF ${name} has no link`, remedy: 'check the cable and the switch port' }
    : { cause: `PF ${name} is down`, remedy: `ip link set dev ${shellWord(name)} up` };
}

/** PCI functions that can have VFs and whose network interface this network namespace does not see. */
export async function pfsElsewhere(sysfs: Sysfs): Promise<string[]> {
  const found: string[] = [];
  for (const bdf of await sysfs.list('bus/pci/devices')) {
    const dir = deviceDir(bdf);
    // The folder is there with the interface, whoever sees what is in it.
    if (Number(await sysfs.read(`${dir}/sriov_totalvfs`)) > 0 && (await sysfs.list(dir)).includes('net') && (await sysfs.list(`${dir}/net`)).length === 0) {
      found.push(bdf);
    }
  }
  return found.sort();
}

/** @param name of the interface, where it is known */
export function bringBack(name: string | undefined): string {
  const which = name === undefined ? 'PF' : shellWord(name);
  return `find its namespace (ip netns list; lsns -t net), and move it back: ip -n NAMESPACE link set dev ${which} netns 1 (of a container: nsenter -t PID -n ip link set dev ${which} netns 1)`;
}

/** Where the VFs of a PF will be, by its SR-IOV capability; for plans only. */
export async function predictVfBdfs(sysfs: Sysfs, pfBdf: string, count: number): Promise<string[]> {
  const offset = Number((await sysfs.read(`${deviceDir(pfBdf)}/sriov_offset`)) ?? Number.NaN);
  const stride = Number((await sysfs.read(`${deviceDir(pfBdf)}/sriov_stride`)) ?? Number.NaN);
  const [domain = '', bus = '', devfn = ''] = pfBdf.split(':');
  const [device = '', fn = ''] = devfn.split('.');
  const routingId = (Number.parseInt(bus, 16) << 8) | (Number.parseInt(device, 16) << 3) | Number(fn);
  const hex = (value: number): string => value.toString(16).padStart(2, '0');
  return Array.from({ length: count }, (_unused, i) => {
    const id = routingId + offset + stride * i;
    return Number.isNaN(id) ? `VF ${i}` : `${domain}:${hex(id >> 8)}:${hex((id >> 3) & 31)}.${id & 7}`;
  });
}

// SPDX-License-Identifier: BSD-3-Clause
/**
 * A machine with SR-IOV cards, played: a sysfs tree in a temporary folder that
 * answers writes as the kernel does, and the program ip.
 */
import { existsSync, mkdirSync, readFileSync, readdirSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { VfringError } from '../../src/errors.js';
import type { Exec, ExecResult } from '../../src/exec.js';
import type { NodeKind, NodeOps, NodeStat } from '../../src/providers/node-ops.js';
import { realSysfs, type Sysfs } from '../../src/providers/sriov/sysfs.js';
import type { VfioOps } from '../../src/providers/sriov/vfio.js';

interface FakeVf {
  mac: string;
  spoofchk: boolean;
  trust: boolean;
  vlan: number;
  max_tx_rate: number;
}

interface FakePf {
  readonly bdf: string;
  readonly name: string;
  readonly mac: string;
  mtu: number;
  up: boolean;
  vfs: FakeVf[];
}

export interface FakePfOptions {
  readonly bdf: string;
  readonly name: string;
  readonly mac: string;
  readonly totalVfs?: number;
  readonly up?: boolean;
  readonly device?: string;
  readonly numa?: number;
}

const OK: ExecResult = { status: 0, stdout: '', stderr: '' };
const UIO_MAJOR = 240;
const VFIO_MAJOR = 241;

export class FakeKernel {
  readonly devDir: string;
  readonly sysfs: Sysfs;
  readonly ops: NodeOps;
  /** Every change, as a person would have typed it. */
  readonly changes: string[] = [];
  /** Permissions of the nodes: files in a temporary folder cannot be given away by everybody. */
  readonly nodes = new Map<string, { uid: number; mode: number; minor: number }>();
  iommu = true;
  sharedGroups = false;
  /** What uio_vf says of the VFs that it binds. */
  isolation = 'isolated';
  linkComesUp = true;
  /** Called before every change; it throws when the change is not to happen. */
  fuse: () => void = () => {};
  hasIp = true;
  /** Other names of interfaces. */
  readonly altnames = new Map<string, string>();
  /** VFs whose driver does not bind them, by bdf: the write succeeds, and no node comes. */
  readonly unbindable = new Set<string>();
  /** Settings of `ip link set … vf` that the driver takes and forgets. */
  forgets = new Set<string>();
  /** VFs bound to vfio-pci that somebody has open, by bdf. */
  readonly open = new Set<string>();
  /** What was opened for a process: descriptors that are not closed. */
  readonly descriptors = new Set<number>();
  /** VFs that cannot be opened, by bdf, and why. */
  readonly unopenable = new Map<string, string>();
  readonly vfio: VfioOps;
  readonly #root: string;
  readonly #pfs = new Map<string, FakePf>();
  #nextNode = 0;
  #nextGroup = 0;

  constructor(dir: string) {
    this.#root = join(dir, 'sys');
    this.devDir = join(dir, 'dev');
    for (const folder of ['class/net', 'bus/pci/devices', 'bus/pci/drivers/igbvf', 'bus/pci/drivers/uio_vf', 'bus/pci/drivers/vfio-pci', 'kernel/iommu_groups',
      'module/vfio/parameters', 'module/vfio_iommu_type1/parameters']) {
      mkdirSync(join(this.#root, folder), { recursive: true });
    }
    mkdirSync(join(this.devDir, 'vfio'), { recursive: true });
    this.#put('module/vfio_iommu_type1/parameters/allow_unsafe_interrupts', 'N');
    this.#put('bus/pci/drivers_probe', '');
    const real = realSysfs(this.#root);
    this.sysfs = { ...real, write: (path, value) => this.#write(path, value) };
    this.vfio = {
      probe: (path) => this.#probe(path),
      open: async (groups, names) => this.#open(groups, names),
      close: (fd) => void this.descriptors.delete(fd),
    };
    this.ops = {
      uid: 0,
      gid: 0,
      stat: async (path) => this.#stat(path),
      look: async (path) => ({ ...this.#stat(path), locked: false }),
      setOwner: (path, kind, uid) => this.#setOwner(path, kind, uid),
      giveFile: () => {
        throw new Error('a node of a real VF is no file');
      },
    };
  }

  addPf({ bdf, name, mac, totalVfs = 7, up = false, device = '0x10c9', numa = -1 }: FakePfOptions): void {
    this.#pfs.set(name, { bdf, name, mac, mtu: 1500, up, vfs: [] });
    const dir = `bus/pci/devices/${bdf}`;
    this.#put(`${dir}/vendor`, '0x8086');
    this.#put(`${dir}/device`, device);
    this.#put(`${dir}/numa_node`, String(numa));
    this.#put(`${dir}/sriov_numvfs`, '0');
    this.#put(`${dir}/sriov_drivers_autoprobe`, '1');
    this.#put(`${dir}/sriov_offset`, '128');
    this.#put(`${dir}/sriov_stride`, '2');
    if (totalVfs > 0) {
      this.#put(`${dir}/sriov_totalvfs`, String(totalVfs));
    }
    this.#link(`class/net/${name}/device`, `../../../bus/pci/devices/${bdf}`);
    this.#put(`class/net/${name}/carrier`, up ? '1' : '0');
    mkdirSync(join(this.#root, dir, 'net', name), { recursive: true });
  }

  /** A VF whose PF is not here. */
  addFunction(bdf: string): void {
    this.#makeVf(bdf, undefined);
    this.#bind(bdf, 'igbvf');
  }

  /** Before its VFs are made. */
  setNuma(name: string, node: number): void {
    this.#put(`bus/pci/devices/${this.pf(name).bdf}/numa_node`, String(node));
  }

  unloadModule(driver = 'uio_vf'): void {
    rmSync(join(this.#root, 'bus/pci/drivers', driver), { recursive: true });
  }

  /** A parameter of a module, as `vfio_iommu_type1/parameters/allow_unsafe_interrupts`. */
  setParameter(name: string, value: string): void {
    this.#put(`module/${name}`, value);
  }

  pf(name: string): FakePf {
    const pf = this.#pfs.get(name);
    if (pf === undefined) {
      throw new Error(`no PF ${name}`);
    }
    return pf;
  }

  /** Which driver each function is bound to. */
  drivers(): Record<string, string> {
    const dir = join(this.#root, 'bus/pci/devices');
    const bound = readdirSync(dir).filter((bdf) => existsSync(join(dir, bdf, 'driver')));
    return Object.fromEntries(bound.map((bdf) => [bdf, basename(readlinkSync(join(dir, bdf, 'driver')))]));
  }

  autoprobe(bdf: string): string {
    return readFileSync(join(this.#root, `bus/pci/devices/${bdf}/sriov_drivers_autoprobe`), 'utf8');
  }

  setCarrier(name: string, up: boolean): void {
    this.#put(`class/net/${name}/carrier`, up ? '1' : '0');
  }

  /** As when a container is given the interface: nobody here sees it, its function is as it was. */
  toOtherNamespace(name: string): void {
    rmSync(join(this.#root, `bus/pci/devices/${this.pf(name).bdf}/net/${name}`), { recursive: true });
    rmSync(join(this.#root, `class/net/${name}`), { recursive: true });
  }

  /** Attribute of the class device of a bound VF. */
  setNodeAttribute(bdf: string, attribute: string, value: string): void {
    this.#put(this.#nodePath(bdf, attribute), value);
  }

  nodeAttribute(bdf: string, attribute: string): string {
    return readFileSync(join(this.#root, this.#nodePath(bdf, attribute)), 'utf8');
  }

  /** A write that is none of the provider's: neither counted nor held up. */
  outside(path: string, value: string): void {
    this.#obey(path, value);
  }

  /** As when the administrator binds a VF elsewhere. */
  bindTo(bdf: string, driver: string): void {
    this.#unbind(bdf);
    this.#bind(bdf, driver);
  }

  /** What kind of function it is: its PCI device id. */
  setId(bdf: string, id: string): void {
    this.#put(`bus/pci/devices/${bdf}/device`, id);
  }

  /** Registers of a VF, by their offset. */
  setRegisters(bdf: string, registers: Readonly<Record<number, number>>): void {
    const bar = Buffer.alloc(16384);
    for (const [offset, value] of Object.entries(registers)) {
      bar.writeUInt32LE(value, Number(offset));
    }
    writeFileSync(join(this.#root, `bus/pci/devices/${bdf}/resource0`), bar);
  }

  readonly exec: Exec = async (program, args) => {
    if (program === 'ip' && this.hasIp) {
      return this.#ip(args);
    }
    throw Object.assign(new Error(`spawn ${program} ENOENT`), { code: 'ENOENT' });
  };

  #ip(args: readonly string[]): ExecResult {
    if (args[0] === '-json') {
      const asked = args[4] ?? '';
      const name = this.altnames.get(asked) ?? asked;
      if (!existsSync(join(this.#root, 'class/net', name))) {
        return { status: 1, stdout: '', stderr: `Device "${asked}" does not exist.\n` };
      }
      return { ...OK, stdout: JSON.stringify([this.#show(this.pf(name))]) };
    }
    const [, , , name = '', what, ...rest] = args;
    this.fuse();
    this.changes.push(`ip ${args.join(' ')}`);
    const pf = this.pf(name);
    if (what === 'down') {
      pf.up = false;
      this.setCarrier(name, false);
    } else if (what === 'up') {
      pf.up = true;
      this.setCarrier(name, this.linkComesUp);
    } else if (what === 'mtu') {
      pf.mtu = Number(rest[0]);
    } else if (what === 'vf') {
      const [index, key = '', value = ''] = rest;
      const vf = pf.vfs[Number(index)];
      if (vf === undefined) {
        return { status: 2, stdout: '', stderr: 'RTNETLINK answers: Invalid argument\n' };
      }
      if (!this.forgets.has(key)) {
        Object.assign(vf, { [key]: key === 'mac' ? value : /^\d+$/.test(value) ? Number(value) : value === 'on' });
      }
    } else {
      return { status: 255, stdout: '', stderr: `Error: either "dev" is duplicate, or "${what}" is a garbage.\n` };
    }
    return OK;
  }

  #show(pf: FakePf): object {
    return {
      ifname: pf.name,
      address: pf.mac,
      mtu: pf.mtu,
      flags: pf.up ? ['BROADCAST', 'UP', 'LOWER_UP'] : ['BROADCAST'],
      vfinfo_list: pf.vfs.map((vf, i) => ({ vf: i, address: vf.mac, spoofchk: vf.spoofchk, trust: vf.trust,
        vlan_list: [vf.vlan === 0 ? {} : { vlan: vf.vlan }], rate: { max_tx: vf.max_tx_rate, min_tx: 0 } })),
    };
  }

  async #write(path: string, value: string): Promise<void> {
    this.fuse();
    this.changes.push(`echo ${value.trim()} > ${path}`);
    this.#obey(path, value);
  }

  #obey(path: string, value: string): void {
    const name = basename(path);
    const driver = /^bus\/pci\/drivers\/([^/]+)\/bind$/.exec(path)?.[1];
    if (driver !== undefined) {
      return this.#bind(value, driver);
    }
    if (path === 'bus/pci/drivers_probe') {
      const override = readFileSync(join(this.#root, `bus/pci/devices/${value}/driver_override`), 'utf8');
      this.#bind(value, override);
    } else if (name === 'sriov_numvfs') {
      this.#setNumVfs(path, Number(value));
    } else if (path.endsWith('driver/unbind')) {
      this.#unbind(value);
    } else if (name === 'reset' && existsSync(join(this.#root, dirname(path)))) {
      // It can be written to only, and says nothing.
    } else if (existsSync(join(this.#root, path))) {
      this.#put(path, value);
    } else {
      throw this.#refused(path, value, 'ENOENT: no such file or directory');
    }
  }

  #setNumVfs(path: string, wanted: number): void {
    const bdf = basename(dirname(path));
    const pf = [...this.#pfs.values()].find((other) => other.bdf === bdf);
    if (pf === undefined || (wanted !== 0 && pf.vfs.length !== 0)) {
      throw this.#refused(path, String(wanted), 'EBUSY: device or resource busy');
    }
    const autoprobe = readFileSync(join(this.#root, `bus/pci/devices/${bdf}/sriov_drivers_autoprobe`), 'utf8') === '1';
    for (let i = 0; i < pf.vfs.length; i++) {
      const vf = vfBdf(bdf, i);
      this.#unbind(vf);
      rmSync(join(this.#root, `bus/pci/devices/${vf}`), { recursive: true });
      rmSync(join(this.#root, `bus/pci/devices/${bdf}/virtfn${i}`));
    }
    pf.vfs = Array.from({ length: wanted }, () => ({ mac: '00:00:00:00:00:00', spoofchk: true, trust: false, vlan: 0, max_tx_rate: 0 }));
    pf.vfs.forEach((_vf, i) => {
      const vf = vfBdf(bdf, i);
      this.#makeVf(vf, bdf);
      this.#link(`bus/pci/devices/${bdf}/virtfn${i}`, `../${vf}`);
      if (autoprobe) {
        this.#bind(vf, 'igbvf');
      }
    });
    this.#put(path, String(wanted));
  }

  #makeVf(bdf: string, pf: string | undefined): void {
    const dir = `bus/pci/devices/${bdf}`;
    this.#put(`${dir}/vendor`, '0x8086');
    this.#put(`${dir}/device`, '0x10ca');
    // A VF is on its PF's node.
    this.#put(`${dir}/numa_node`, pf === undefined ? '-1' : readFileSync(join(this.#root, `bus/pci/devices/${pf}/numa_node`), 'utf8'));
    this.#put(`${dir}/driver_override`, '(null)');
    if (pf !== undefined) {
      this.#link(`${dir}/physfn`, `../${pf}`);
    }
    this.setRegisters(bdf, {});
    if (this.iommu) {
      const group = this.sharedGroups ? '7' : String(100 + this.#nextGroup++);
      this.#link(`${dir}/iommu_group`, `../../../../kernel/iommu_groups/${group}`);
      mkdirSync(join(this.#root, `kernel/iommu_groups/${group}/devices/${bdf}`), { recursive: true });
    }
  }

  #bind(bdf: string, driver: string): void {
    if (this.unbindable.has(bdf)) {
      return;
    }
    const dir = `bus/pci/devices/${bdf}`;
    if (!existsSync(join(this.#root, 'bus/pci/drivers', driver))) {
      mkdirSync(join(this.#root, 'bus/pci/drivers', driver));
    }
    this.#link(`${dir}/driver`, `../../drivers/${driver}`);
    if (driver === 'vfio-pci') {
      const group = this.#groupOf(bdf);
      this.#put(`class/vfio/${group}/dev`, `${VFIO_MAJOR}:${group}`);
      writeFileSync(join(this.devDir, 'vfio', group), '');
      this.nodes.set(join(this.devDir, 'vfio', group), { uid: 0, mode: 0o600, minor: Number(group) });
    }
    if (driver === 'uio_vf') {
      const minor = this.#nextNode++;
      const node = `uiovf${minor}`;
      this.#put(`${dir}/uio_vf/${node}/state`, 'free');
      this.#put(`${dir}/uio_vf/${node}/isolation`, this.isolation);
      for (const attribute of ['dma_limit_bytes', 'dma_live_bytes', 'dma_peak_bytes', 'owner_pid', 'generation']) {
        this.#put(`${dir}/uio_vf/${node}/${attribute}`, '0');
      }
      this.#put(`${dir}/uio_vf/${node}/dev`, `${UIO_MAJOR}:${minor}`);
      writeFileSync(join(this.devDir, node), '');
      this.nodes.set(join(this.devDir, node), { uid: 0, mode: 0o600, minor });
    }
  }

  #groupOf(bdf: string): string {
    return basename(readlinkSync(join(this.#root, `bus/pci/devices/${bdf}/iommu_group`)));
  }

  /** The VF of the group whose node that is. */
  #byGroup(path: string): string {
    const [bdf = ''] = readdirSync(join(this.#root, `kernel/iommu_groups/${basename(path)}/devices`));
    return bdf;
  }

  #probe(path: string): void {
    const code = this.nodes.has(path) ? (this.open.has(this.#byGroup(path)) ? 'EBUSY' : undefined) : 'ENOENT';
    if (code !== undefined) {
      throw Object.assign(new Error(`${code}: open '${path}'`), { code });
    }
  }

  #open(groups: readonly string[], names: readonly string[]): readonly number[] {
    groups.forEach((path, index) => {
      const why = this.unopenable.get(names[index] ?? '');
      if (this.#byGroup(path) !== names[index] || why !== undefined) {
        throw Object.assign(new Error(why ?? `${path} is not the group of ${names[index]}`), { index });
      }
      this.#probe(path);
    });
    const fds = [...names.keys(), names.length].map((index) => 1000 + this.descriptors.size + index);
    fds.forEach((fd) => this.descriptors.add(fd));
    return fds;
  }

  #unbind(bdf: string): void {
    const dir = join(this.#root, `bus/pci/devices/${bdf}`);
    if (existsSync(join(dir, 'driver')) && basename(readlinkSync(join(dir, 'driver'))) === 'vfio-pci') {
      const node = join(this.devDir, 'vfio', this.#groupOf(bdf));
      rmSync(node);
      this.nodes.delete(node);
    }
    rmSync(join(dir, 'driver'), { force: true });
    for (const node of existsSync(join(dir, 'uio_vf')) ? readdirSync(join(dir, 'uio_vf')) : []) {
      rmSync(join(this.devDir, node));
      this.nodes.delete(join(this.devDir, node));
    }
    rmSync(join(dir, 'uio_vf'), { recursive: true, force: true });
  }

  #stat(path: string): NodeStat {
    const node = this.nodes.get(path);
    if (node === undefined) {
      throw Object.assign(new Error(`ENOENT: no such file or directory, lstat '${path}'`), { code: 'ENOENT' });
    }
    return { uid: node.uid, mode: node.mode };
  }

  #setOwner(path: string, kind: NodeKind, uid: number): void {
    const node = this.nodes.get(path);
    if (node === undefined || kind.kind !== 'char' || kind.major !== (path.includes('/vfio/') ? VFIO_MAJOR : UIO_MAJOR) || kind.minor !== node.minor) {
      throw Object.assign(new Error(`EINVAL: not the VF's own node '${path}'`), { code: 'EINVAL' });
    }
    Object.assign(node, { uid, mode: 0o600 });
  }

  #nodePath(bdf: string, attribute: string): string {
    const [node = ''] = readdirSync(join(this.#root, `bus/pci/devices/${bdf}/uio_vf`));
    return `bus/pci/devices/${bdf}/uio_vf/${node}/${attribute}`;
  }

  #put(path: string, value: string): void {
    mkdirSync(dirname(join(this.#root, path)), { recursive: true });
    writeFileSync(join(this.#root, path), value);
  }

  #link(path: string, target: string): void {
    mkdirSync(dirname(join(this.#root, path)), { recursive: true });
    symlinkSync(target, join(this.#root, path));
  }

  #refused(path: string, value: string, cause: string): VfringError {
    return new VfringError('VFRING_ERR_SYSFS', { what: `write "${value}" to`, file: path, cause });
  }
}

/** VF i of a PF at function 0 of device 0, with offset 128 and stride 2, as on an 82576. */
export function vfBdf(pf: string, i: number): string {
  const devfn = 128 + 2 * i;
  const hex = (value: number): string => value.toString(16).padStart(2, '0');
  return `${pf.slice(0, 7)}:${hex(devfn >> 3)}.${devfn & 7}`;
}

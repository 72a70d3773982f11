// SPDX-License-Identifier: BSD-3-Clause
/** What the provider suite needs of each provider: a machine to play with. */
import { join } from 'node:path';
import type { Vf, VfCounters } from '../../src/model/vf.js';
import { SoftProvider } from '../../src/providers/soft/soft-provider.js';
import { SriovProvider, type SriovContext } from '../../src/providers/sriov/sriov-provider.js';
import { ipLink } from '../../src/providers/sriov/ip-link.js';
import { nodeOps, type NodeOps, type NodeStat } from '../../src/providers/node-ops.js';
import type { Provider } from '../../src/providers/provider.js';
import { native } from '../../src/native.js';
import { silentLog } from '../../src/log.js';
import type { Backend, SriovConfig } from '../../src/config/schema.js';
import { sriovConfig } from '../helpers/config.js';
import { FakeKernel, vfBdf } from '../helpers/fake-kernel.js';
import { FakeSoftVf } from '../helpers/fake-softvf.js';

export interface Harness {
  /** A new provider on the same machine, as after a restart of the daemon. */
  provider(vfs?: number): Provider;
  ownerOf(vf: Vf): Promise<{ uid: number; mode: number }>;
  /** As a user may do who owns it. */
  chmod(vf: Vf, uid: number, mode: number): void | Promise<void>;
  setOpen(vf: Vf, open: boolean): void | Promise<void>;
  /** Lets the VF carry something, and tells what, as far as another than the provider knows. */
  carry(vf: Vf): Promise<Partial<VfCounters> & Pick<VfCounters, 'txFrames'>>;
  /** As when the VF is taken away under the daemon. */
  remove(vf: Vf): void | Promise<void>;
  /** Changes made to the machine so far. */
  changes(): number;
  /** The daemon opens VFs for processes: their nodes stay its own, and nobody counts what they carry. */
  readonly opens?: boolean;
}

/** What a PF and its VFs are like, by `ip` and sysfs. */
export interface PfShown {
  readonly mtu: number;
  readonly up: boolean;
  readonly autoprobe: boolean;
  readonly vfs: readonly { mac: string; spoofchk: boolean; trust: boolean; vlan: number; max_tx_rate: number; driver: string | undefined }[];
}

/**
 * Makes a machine: two PFs of 7 VFs each, which has no VFs now. `cold`: neither PF is up, or has another MTU
 * than 1500; without, they may be, which the emulated machine has in a fraction of the time.
 */
export type MakeMachine = (dir: string, cold?: boolean) => SriovMachine | Promise<SriovMachine>;

export interface SriovMachine extends Harness {
  /** Its two PFs. */
  readonly pfs: readonly [PfName, PfName];
  of(config: SriovConfig): Provider;
  vfBdf(pf: PfName, index: number): string;
  /** Every change that was made through its providers, as a person would have typed it. */
  log(): readonly string[];
  /** Called before each change; it throws when the change is not to happen. */
  setFuse(fuse: () => void): void;
  show(pf: PfName): Promise<PfShown>;
  /** As an administrator does behind the daemon's back. */
  setVf(pf: PfName, index: number, what: 'spoofchk' | 'trust', value: 'on' | 'off'): Promise<void>;
  bind(bdf: string, driver: string): Promise<void>;
  setNumVfs(pf: PfName, count: number): Promise<void>;
  setLink(pf: PfName, up: boolean): Promise<void>;
  dmaLimit(bdf: string): Promise<number>;
}

export interface PfName {
  readonly bdf: string;
  readonly name: string;
  readonly mac: string;
}

/** More than 31 bits, so that a sign would show. */
const CARRIED: VfCounters = { txFrames: 1, rxFrames: 2, txBytes: 3_000_000_000, rxBytes: 4 };

/** What only played VFs can do. */
interface CounterSetter {
  setCounters(vf: Vf, counters: VfCounters): void;
}

/** Owner changes on paper, so that the suite needs no root. */
function paperOps(isLocked: (path: string) => boolean): NodeOps & { owners: Map<string, { uid: number; mode: number }> } {
  const owners = new Map<string, { uid: number; mode: number }>();
  const stat = async (path: string): Promise<NodeStat> => {
    const real = await nodeOps.stat(path);
    return owners.get(path) ?? real;
  };
  return {
    owners,
    uid: nodeOps.uid,
    gid: nodeOps.gid,
    stat,
    look: async (path) => ({ ...(await stat(path)), locked: isLocked(path) }),
    setOwner(path, _kind, uid) {
      owners.set(path, { uid, mode: 0o600 });
    },
    giveFile(path, uid) {
      const now = owners.get(path);
      if (isLocked(path) || (now !== undefined && now.uid !== nodeOps.uid)) {
        const code = isLocked(path) ? 'EBUSY' : 'EINVAL';
        throw Object.assign(new Error(code), { code });
      }
      owners.set(path, { uid, mode: 0o600 });
    },
  };
}

export function softHarness(dir: string, vfs = 4, mtu = 9000): Harness & CounterSetter & { fake: FakeSoftVf } {
  const fake = new FakeSoftVf();
  const ops = paperOps((path) => fake.file(path).state === 'open');
  fake.onCreate = (file) => ops.owners.delete(file); // a new file is the daemon's
  const setCounters = (vf: Vf, c: VfCounters): void => void Object.assign(fake.file(vf.device).counters, c);
  return {
    fake,
    provider: (count: number = vfs) =>
      new SoftProvider(
        { dir: join(dir, 'soft'), vfs: count, mtu, model: '82576' },
        fake,
        ops,
      ),
    ownerOf: (vf) => ops.stat(vf.device),
    chmod: (vf, uid, mode) => void ops.owners.set(vf.device, { uid, mode }),
    setOpen: (vf, open) => void (fake.file(vf.device).state = open ? 'open' : 'free'),
    carry: async (vf) => {
      setCounters(vf, CARRIED);
      return CARRIED;
    },
    setCounters,
    remove: (vf) => fake.destroy(vf.device),
    changes: () => fake.calls.filter((command) => command !== 'show').length,
  };
}

export const PF_A: PfName = { bdf: '0000:01:00.0', name: 'ens1', mac: '52:54:00:12:34:56' };
export const PF_B: PfName = { bdf: '0000:02:00.0', name: 'ens2', mac: '52:54:00:12:34:57' };

export function sriovHarness(dir: string, pfs: Readonly<Record<string, number>> = { ens1: 2, ens2: 2 }, backend: Backend = 'uio_vf'): SriovMachine & CounterSetter & { kernel: FakeKernel } {
  const kernel = new FakeKernel(dir);
  kernel.addPf(PF_A);
  kernel.addPf(PF_B);
  const vfRegisters = native().vfRegisters['82576'];
  const node = (vf: Vf): { uid: number; mode: number } => {
    const found = kernel.nodes.get(vf.device);
    if (found === undefined) {
      throw new Error(`no node ${vf.device}`);
    }
    return found;
  };
  const setCounters = (vf: Vf, c: VfCounters): void =>
    kernel.setRegisters(vf.name, {
      [vfRegisters.VFGPTC]: c.txFrames,
      [vfRegisters.VFGPRC]: c.rxFrames,
      [vfRegisters.VFGOTC]: c.txBytes,
      [vfRegisters.VFGORC]: c.rxBytes,
    });
  return {
    kernel,
    pfs: [PF_A, PF_B],
    of: (config) => sriovProvider(kernel, config),
    vfBdf: (pf, index) => vfBdf(pf.bdf, index),
    log: () => kernel.changes,
    setFuse: (fuse) => void (kernel.fuse = fuse),
    show: async ({ name, bdf }) => {
      const { mtu, up, vfs } = kernel.pf(name);
      const drivers = kernel.drivers();
      return { mtu, up, autoprobe: kernel.autoprobe(bdf) === '1', vfs: vfs.map((vf, i) => ({ ...vf, driver: drivers[vfBdf(bdf, i)] })) };
    },
    setVf: async ({ name }, index, what, value) => void Object.assign(kernel.pf(name).vfs[index] ?? {}, { [what]: value === 'on' }),
    bind: async (bdf, driver) => kernel.bindTo(bdf, driver),
    setNumVfs: async ({ bdf }, count) => kernel.outside(`bus/pci/devices/${bdf}/sriov_numvfs`, String(count)),
    setLink: async ({ name }, up) => kernel.setCarrier(name, up),
    dmaLimit: async (bdf) => Number(kernel.nodeAttribute(bdf, 'dma_limit_bytes')),
    opens: backend === 'vfio',
    provider: () => sriovProvider(kernel, { pf: (sriovConfig(pfs).provider.sriov?.pf ?? []).map((pf) => ({ ...pf, backend })) }),
    ownerOf: async (vf) => ({ uid: node(vf).uid, mode: node(vf).mode }),
    chmod: (vf, uid, mode) => void Object.assign(node(vf), { uid, mode }),
    setOpen: (vf, open) => {
      if (backend === 'vfio') {
        return void (open ? kernel.open.add(vf.name) : kernel.open.delete(vf.name));
      }
      kernel.setNodeAttribute(vf.name, 'state', open ? 'open' : 'free');
      kernel.setNodeAttribute(vf.name, 'owner_pid', open ? '4711' : '0');
    },
    carry: async (vf) => {
      setCounters(vf, CARRIED);
      return CARRIED;
    },
    setCounters,
    remove: (vf) => kernel.bindTo(vf.name, 'igbvf'),
    changes: () => kernel.changes.length,
  };
}

export function sriovProvider(kernel: FakeKernel, config: SriovConfig, other: Partial<SriovContext> = {}): SriovProvider {
  const addon = native();
  return new SriovProvider(config, {
    sysfs: kernel.sysfs,
    ip: ipLink(kernel.exec),
    exec: kernel.exec,
    log: silentLog,
    devDir: kernel.devDir,
    patienceMs: 60,
    ops: kernel.ops,
    readRegisters: (path, offsets) => addon.readRegisters(path, offsets),
    registers: addon.vfRegisters,
    vfio: kernel.vfio,
    ...other,
  });
}

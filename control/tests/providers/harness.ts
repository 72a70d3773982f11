// SPDX-License-Identifier: BSD-3-Clause
/** What the provider suite needs of each provider: a machine to play with. */
import { join } from 'node:path';
import { SoftProvider } from '../../src/providers/soft/soft-provider.js';
import { SriovProvider } from '../../src/providers/sriov/sriov-provider.js';
import { ipLink } from '../../src/providers/sriov/ip-link.js';
import { nodeOps, type NodeOps } from '../../src/providers/node-ops.js';
import type { Provider, Vf, VfCounters } from '../../src/providers/provider.js';
import { native } from '../../src/native.js';
import { silentLog } from '../../src/log.js';
import { sriovConfig, softConfig } from '../helpers/config.js';
import { FakeKernel } from '../helpers/fake-kernel.js';
import { FakeSoftVf } from '../helpers/fake-softvf.js';

export interface Harness {
  /** A new provider on the same machine, as after a restart of the daemon. */
  provider(vfs?: number): Provider;
  ownerOf(vf: Vf): Promise<{ uid: number; mode: number }>;
  /** As a user may do who owns it. */
  chmod(vf: Vf, uid: number, mode: number): void;
  setOpen(vf: Vf, open: boolean): void;
  setCounters(vf: Vf, counters: VfCounters): void;
  /** As when the VF is taken away under the daemon. */
  remove(vf: Vf): void;
  /** Changes made to the machine so far. */
  changes(): number;
}

/** Owner changes on paper, so that the suite needs no root. */
function paperOps(isLocked: NodeOps['isLocked']): NodeOps & { owners: Map<string, { uid: number; mode: number }> } {
  const owners = new Map<string, { uid: number; mode: number }>();
  return {
    owners,
    uid: nodeOps.uid,
    gid: nodeOps.gid,
    isLocked,
    async stat(path) {
      const real = await nodeOps.stat(path);
      return owners.get(path) ?? real;
    },
    setOwner(path, _kind, uid) {
      owners.set(path, { uid, mode: 0o600 });
    },
  };
}

export function softHarness(dir: string, vfs = 4): Harness & { fake: FakeSoftVf } {
  const fake = new FakeSoftVf();
  const ops = paperOps((path) => fake.file(path).state === 'open');
  fake.onCreate = (file) => ops.owners.delete(file); // a new file is the daemon's
  return {
    fake,
    provider: (count: number = vfs) =>
      new SoftProvider(
        softConfig(join(dir, 'soft'), count).provider.soft ?? { dir, vfs, mtu: 0 },
        fake,
        ops,
      ),
    ownerOf: (vf) => ops.stat(vf.device),
    chmod: (vf, uid, mode) => void ops.owners.set(vf.device, { uid, mode }),
    setOpen: (vf, open) => void (fake.file(vf.device).state = open ? 'open' : 'free'),
    setCounters: (vf, c) =>
      void Object.assign(fake.file(vf.device).counters, c),
    remove: (vf) => fake.destroy(vf.device),
    changes: () => fake.calls.filter((command) => command !== 'show').length,
  };
}

export const PF_A = { bdf: '0000:01:00.0', name: 'ens1', mac: '52:54:00:12:34:56' };
export const PF_B = { bdf: '0000:02:00.0', name: 'ens2', mac: '52:54:00:12:34:57' };

export function sriovHarness(dir: string, pfs: Readonly<Record<string, number>> = { ens1: 2, ens2: 2 }): Harness & { kernel: FakeKernel } {
  const kernel = new FakeKernel(dir);
  kernel.addPf(PF_A);
  kernel.addPf(PF_B);
  const { vfRegisters } = native();
  const node = (vf: Vf): { uid: number; mode: number } => {
    const found = kernel.nodes.get(vf.device);
    if (found === undefined) {
      throw new Error(`no node ${vf.device}`);
    }
    return found;
  };
  return {
    kernel,
    provider: () => sriovProvider(kernel, sriovConfig(pfs).provider.sriov ?? { pf: [] }),
    ownerOf: async (vf) => ({ uid: node(vf).uid, mode: node(vf).mode }),
    chmod: (vf, uid, mode) => void Object.assign(node(vf), { uid, mode }),
    setOpen: (vf, open) => {
      kernel.setNodeAttribute(vf.name, 'state', open ? 'open' : 'free');
      kernel.setNodeAttribute(vf.name, 'owner_pid', open ? '4711' : '0');
    },
    setCounters: (vf, c) =>
      kernel.setRegisters(vf.name, {
        [vfRegisters.VFGPTC]: c.txFrames,
        [vfRegisters.VFGPRC]: c.rxFrames,
        [vfRegisters.VFGOTC]: c.txBytes,
        [vfRegisters.VFGORC]: c.rxBytes,
      }),
    remove: (vf) => kernel.bindTo(vf.name, 'igbvf'),
    changes: () => kernel.changes.length,
  };
}

export function sriovProvider(kernel: FakeKernel, config: ConstructorParameters<typeof SriovProvider>[0]): SriovProvider {
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
  });
}

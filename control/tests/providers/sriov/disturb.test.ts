// SPDX-License-Identifier: BSD-3-Clause
/** What a changed configuration disturbs, what is undone, and a crash at every step of provisioning. */
import { describe, expect, test } from 'vitest';
import type { SriovConfig } from '../../../src/config/schema.js';
import { config } from '../../helpers/config.js';
import { vfBdf } from '../../helpers/fake-kernel.js';
import { tempDir } from '../../helpers/temp-dir.js';
import { PF_A, sriovHarness, sriovProvider } from '../harness.js';

const NONE = { leased: new Set<string>() };
const VF0 = vfBdf(PF_A.bdf, 0);
const VF1 = vfBdf(PF_A.bdf, 1);
const sriov = (pf: string): SriovConfig => config(`version: 1\nprovider: {sriov: {pf: [${pf}]}}`).provider.sriov ?? { pf: [] };

/** Everything about the machine that provisioning changes. */
function stateOf(kernel: ReturnType<typeof sriovHarness>['kernel']): object {
  const { mtu, up, vfs } = kernel.pf('ens1');
  return { mtu, up, vfs: structuredClone(vfs), drivers: kernel.drivers(), autoprobe: kernel.autoprobe(PF_A.bdf) };
}

describe('a plan through VFs in use', () => {
  test('names those that each step takes away, and none that it leaves alone', async () => {
    const { provider, kernel } = sriovHarness(tempDir(), { ens1: 2 });
    await provider().provision(NONE);
    const around = { leased: new Set([VF0]), force: true };
    expect(await provider().plan(around)).toEqual([]);
    const disturbed = async (pf: string): Promise<string[]> =>
      [...new Set((await sriovProvider(kernel, sriov(pf)).plan(around)).flatMap((step) => step.disturbs ?? []))];
    expect(await disturbed('{name: ens1, vfs: 3, mtu: 9000}')).toEqual([VF0]);
    expect(await disturbed('{name: ens1, vfs: 2, mtu: 9216}')).toEqual([VF0]);
    expect(await disturbed('{name: ens1, vfs: 2, mtu: 9000, vlan: 7}')).toEqual([VF0]);
    expect(await disturbed('{name: ens2, vfs: 2, mtu: 9000}')).toEqual([VF0]);
  });

  test('is carried out when that is asked for', async () => {
    const { provider, kernel } = sriovHarness(tempDir(), { ens1: 2 });
    await provider().provision(NONE);
    kernel.setNodeAttribute(VF1, 'state', 'open');
    const more = sriovProvider(kernel, sriov('{name: ens1, vfs: 3, mtu: 9000}'));
    await expect(more.provision(NONE)).rejects.toMatchObject({ code: 'VFRING_ERR_VFS_IN_USE' });
    expect(await more.provision({ ...NONE, force: true })).toHaveLength(3);
  });
});

test('VLAN and rate cap are set, kept, changed and taken away again', async () => {
  const { kernel } = sriovHarness(tempDir());
  const of = (more: string) => sriovProvider(kernel, sriov(`{name: ens1, vfs: 1, ${more}}`));
  await of('vlan: 42, max_tx_mbit: 500').provision(NONE);
  expect(kernel.pf('ens1').vfs[0]).toMatchObject({ vlan: 42, max_tx_rate: 500 });
  expect(await of('vlan: 42, max_tx_mbit: 500').plan()).toEqual([]);
  await of('mtu: 1500').provision(NONE);
  expect(kernel.pf('ens1').vfs[0]).toMatchObject({ vlan: 0, max_tx_rate: 0 });
});

describe('provisioning that fails or dies half-way', () => {
  async function steps(): Promise<number> {
    const { provider, kernel } = sriovHarness(tempDir(), { ens1: 2 });
    await provider().provision(NONE);
    return kernel.changes.length;
  }

  test('a step that fails: all steps before it are undone', async () => {
    const count = await steps();
    for (let bad = 1; bad < count; bad++) {
      const { provider, kernel } = sriovHarness(tempDir(), { ens1: 2 });
      kernel.loadModule();
      const before = stateOf(kernel);
      let left = bad;
      kernel.fuse = () => {
        if (--left === 0) {
          throw Object.assign(new Error('EIO: not today'), { code: 'EIO' });
        }
      };
      await expect(provider().provision(NONE)).rejects.toThrow();
      expect(stateOf(kernel)).toEqual(before);
    }
  });

  test('a daemon that dies before any step: the next one makes it whole', async () => {
    const count = await steps();
    const whole = sriovHarness(tempDir(), { ens1: 2 });
    const vfs = await whole.provider().provision(NONE);
    for (let last = 0; last < count; last++) {
      const { provider, kernel } = sriovHarness(tempDir(), { ens1: 2 });
      let left = last;
      kernel.fuse = () => {
        // Undoing is not for the dead either.
        if (left-- <= 0) {
          throw new Error('dead');
        }
      };
      await provider().provision(NONE).catch(() => {});
      kernel.fuse = () => {};
      const again = await provider().provision(NONE);
      expect(again.map(({ name, mac }) => ({ name, mac }))).toEqual(vfs.map(({ name, mac }) => ({ name, mac })));
      expect(await provider().plan()).toEqual([]);
      expect(kernel.pf('ens1')).toMatchObject({ up: true, mtu: 9000 });
    }
  });
});

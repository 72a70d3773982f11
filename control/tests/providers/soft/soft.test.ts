// SPDX-License-Identifier: BSD-3-Clause
/** What only soft VFs have: files, and the tool that makes them. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Around } from '../../../src/providers/provider.js';
import { describe, expect, test } from 'vitest';
import { exec } from '../../../src/exec.js';
import { nodeOps } from '../../../src/providers/node-ops.js';
import { SoftProvider, softMac } from '../../../src/providers/soft/soft-provider.js';
import { softVfTool } from '../../../src/providers/soft/softvf-tool.js';
import { tempDir } from '../../helpers/temp-dir.js';
import { softHarness } from '../harness.js';

const NONE: Around = { leased: new Set() };

describe('soft VFs', () => {
  test('fewer than before: the rest is destroyed', async () => {
    const dir = tempDir();
    const { fake, provider } = softHarness(dir, 3);
    await provider().provision(NONE);
    const few = new SoftProvider({ dir: join(dir, 'soft'), vfs: 1, mtu: 9000 }, softVfTool(dir, fake.exec), nodeOps);
    expect((await few.plan()).map((step) => step.what)).toEqual([
      `destroy ${join(dir, 'soft', 'vf1')}`,
      `destroy ${join(dir, 'soft', 'vf2')}`,
    ]);
    await few.provision(NONE);
    expect([...fake.files.keys()]).toEqual([join(dir, 'soft', 'vf0')]);
  });

  test('another MTU: made anew', async () => {
    const dir = tempDir();
    const { fake, provider } = softHarness(dir, 1);
    await provider().provision(NONE);
    const other = new SoftProvider({ dir: join(dir, 'soft'), vfs: 1, mtu: 1500 }, softVfTool(dir, fake.exec), nodeOps);
    await other.provision(NONE);
    expect(fake.file(join(dir, 'soft', 'vf0'))).toMatchObject({ mtu: 1500, made: 2 });
  });

  test('taken back by force, a VF is a new file', async () => {
    const { fake, provider } = softHarness(tempDir(), 1);
    const p = provider();
    const [vf] = await p.provision(NONE);
    fake.file(vf?.device ?? '').state = 'open';
    await p.takeBack(vf ?? never(), true);
    expect(fake.file(vf?.device ?? '')).toMatchObject({ state: 'free', made: 2 });
  });

  test('a missing tool is named, with where it was looked for', async () => {
    const dir = tempDir();
    const provider = new SoftProvider({ dir: join(dir, 'soft'), vfs: 1, mtu: 1500 }, softVfTool(dir, exec), nodeOps);
    await expect(provider.provision(NONE)).rejects.toMatchObject({
      code: 'VFRING_ERR_NO_SOFTVF',
      message: `the soft VF tool ${join(dir, 'vfring-softvf')} cannot be run: there is no such file`,
    });
  });

  test('what the tool says of a failure is passed on', async () => {
    const dir = tempDir();
    const { fake, provider } = softHarness(dir, 1);
    fake.failing.set('create', 'vfring-softvf: no space left on device');
    await expect(provider().provision(NONE)).rejects.toMatchObject({
      code: 'VFRING_ERR_SOFTVF_FAILED',
      message: expect.stringContaining('no space left on device') as string,
    });
  });

  test('MACs differ between folders', () => {
    expect(softMac('/a', 1)).not.toBe(softMac('/b', 1));
    expect(softMac('/a', 1)).toMatch(/^02:76:66:..:..:01$/);
  });
});

const libexec = join(import.meta.dirname, '../../../../build/prefix/libexec/vfring');
const tool = join(libexec, 'vfring-softvf');

describe.skipIf(!existsSync(tool))(`soft VFs by the real ${tool} (skipped until it is built)`, () => {
  test('made, shown, handed over and taken back', async () => {
    const dir = join(tempDir(), 'soft');
    const provider = new SoftProvider({ dir, vfs: 2, mtu: 9000 }, softVfTool(libexec, exec), nodeOps);
    const [vf] = await provider.provision(NONE);
    expect(await provider.plan()).toEqual([]);
    expect(await provider.health(vf ?? never())).toEqual({ device: 'free', owned: true, linkUp: true });
    expect(await provider.counters(vf ?? never())).toEqual({ txFrames: 0, rxFrames: 0, txBytes: 0, rxBytes: 0 });
    await provider.grant(vf ?? never(), nodeOps.uid);
    expect(await provider.takeBack(vf ?? never(), true)).toBe('free');
  });
});

function never(): never {
  throw new Error('no VF');
}

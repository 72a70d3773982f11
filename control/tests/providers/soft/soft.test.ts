// SPDX-License-Identifier: BSD-3-Clause
/** What only soft VFs have: files, played and real. */
import { execFileSync } from 'node:child_process';
import { existsSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Around } from '../../../src/providers/provider.js';
import { describe, expect, test } from 'vitest';
import { native } from '../../../src/native.js';
import { nodeOps } from '../../../src/providers/node-ops.js';
import { SoftProvider, softMac } from '../../../src/providers/soft/soft-provider.js';
import { softVfFiles } from '../../../src/providers/soft/softvf-files.js';
import { systemError } from '../../helpers/fake-softvf.js';
import { tempDir } from '../../helpers/temp-dir.js';
import { softHarness } from '../harness.js';

const NONE: Around = { leased: new Set() };

describe('soft VFs', () => {
  test('fewer than before: the rest is destroyed', async () => {
    const dir = tempDir();
    const { fake, provider } = softHarness(dir, 3);
    await provider().provision(NONE);
    const few = new SoftProvider({ dir: join(dir, 'soft'), vfs: 1, mtu: 9000 }, softVfFiles(fake), nodeOps);
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
    const other = new SoftProvider({ dir: join(dir, 'soft'), vfs: 1, mtu: 1500 }, softVfFiles(fake), nodeOps);
    await other.provision(NONE);
    expect(fake.file(join(dir, 'soft', 'vf0'))).toMatchObject({ mtu: 1500, made: 2 });
  });

  test('taken back by force, a VF is a new file', async () => {
    const { fake, provider } = softHarness(tempDir(), 1);
    const p = provider();
    const [vf] = await p.provision(NONE);
    fake.file(vf?.device ?? '').open = true;
    await p.takeBack(vf ?? never(), true);
    expect(fake.file(vf?.device ?? '')).toMatchObject({ open: false, made: 2 });
  });

  test('what the system says of a failure is passed on, with the file', async () => {
    const dir = tempDir();
    const { fake, provider } = softHarness(dir, 1);
    fake.failing.set('create', systemError('ENOSPC', 'no space left on device'));
    await expect(provider().provision(NONE)).rejects.toMatchObject({
      code: 'VFRING_ERR_SOFTVF_FAILED',
      message: `${join(dir, 'soft', 'vf0')} (soft VFs) cannot be made: ENOSPC: no space left on device`,
    });
  });

  test('MACs differ between folders', () => {
    expect(softMac('/a', 1)).not.toBe(softMac('/b', 1));
    expect(softMac('/a', 1)).toMatch(/^02:76:66:..:..:01$/);
  });
});

describe('real files of soft VFs', () => {
  const real = (dir: string, vfs: number): SoftProvider => new SoftProvider({ dir, vfs, mtu: 9000 }, softVfFiles(native()), nodeOps);
  const tool = join(import.meta.dirname, '../../../../build/prefix/libexec/vfring/vfring-softvf');

  test('made, shown, handed over and taken back', async () => {
    const dir = join(tempDir(), 'soft');
    const provider = real(dir, 2);
    const [vf] = await provider.provision(NONE);
    expect(await provider.plan()).toEqual([]);
    expect(await provider.health(vf ?? never())).toEqual({ device: 'free', owned: true, linkUp: true });
    expect(await provider.counters(vf ?? never())).toEqual({ txFrames: 0, rxFrames: 0, txBytes: 0, rxBytes: 0 });
    const { ino } = statSync(vf?.device ?? '');
    await provider.grant(vf ?? never(), nodeOps.uid);
    expect(await provider.takeBack(vf ?? never(), true)).toBe('free');
    expect(statSync(vf?.device ?? '').ino).not.toBe(ino);
  });

  test('what is not a soft VF is made anew, whatever its owner wrote into it', async () => {
    const dir = join(tempDir(), 'soft');
    const provider = real(dir, 1);
    const [vf] = await provider.provision(NONE);
    for (const text of ['', 'x', 'x'.repeat(1 << 16)]) {
      writeFileSync(vf?.device ?? '', text);
      expect((await provider.health(vf ?? never())).detail).toContain('it is not a soft VF of this version');
      expect((await provider.plan()).map((step) => step.why)).toEqual([expect.stringContaining('cannot be read')]);
      await provider.provision(NONE);
      expect(await provider.plan()).toEqual([]);
    }
  });

  test('two of one address, which a hand has made, are refused by name', async () => {
    const dir = join(tempDir(), 'soft');
    await real(dir, 1).provision(NONE);
    const addon = native();
    expect(() => softVfFiles(addon).create(dir, 1, softMac(dir, 0), 9000)).toThrow('another soft VF of the folder has its MAC address');
    expect(existsSync(join(dir, 'vf1'))).toBe(false);
  });

  test.skipIf(!existsSync(tool))(`the tool reads what the daemon made (skipped until ${tool} is built)`, async () => {
    const dir = join(tempDir(), 'soft');
    const [vf] = await real(dir, 1).provision(NONE);
    const shown = JSON.parse(execFileSync(tool, ['show', vf?.device ?? ''], { encoding: 'utf8' })) as object;
    expect(shown).toMatchObject({ index: 0, mac: vf?.mac, mtu: 9000, state: 'free' });
  });
});

function never(): never {
  throw new Error('no VF');
}

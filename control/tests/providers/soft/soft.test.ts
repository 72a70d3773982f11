// SPDX-License-Identifier: BSD-3-Clause
/** What only soft VFs have: files, and the tool that makes them. */
import { closeSync, mkdirSync, openSync, readFileSync, readSync, rmSync, statSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Vf } from '../../../src/model/vf.js';
import type { Around } from '../../../src/providers/provider.js';
import { describe, expect, test } from 'vitest';
import { native } from '../../../src/native.js';
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
    const few = new SoftProvider({ dir: join(dir, 'soft'), vfs: 1, mtu: 9000, model: '82576' }, fake, nodeOps);
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
    const other = new SoftProvider({ dir: join(dir, 'soft'), vfs: 1, mtu: 1500, model: '82576' }, fake, nodeOps);
    await other.provision(NONE);
    expect(fake.file(join(dir, 'soft', 'vf0'))).toMatchObject({ mtu: 1500, made: 2 });
  });

  test('are on the segment that their switch is, whatever the user of one has written into it', async () => {
    const { fake, provider } = softHarness(tempDir(), 2);
    const p = provider();
    const segments = async (...leased: string[]): Promise<[string, number][]> => (await p.provision({ leased: new Set(leased) })).map(({ segment, vlan }) => [segment, vlan]);
    expect(await segments()).toEqual([['switch-1', 0], ['switch-1', 0]]);
    fake.segment = 'forged';
    expect(await segments('vf0', 'vf1')).toEqual([['switch-1', 0], ['switch-1', 0]]);
    expect(await segments('vf0')).toEqual([['forged', 0], ['forged', 0]]);
    // A new daemon that finds all of them under lease knows of none yet.
    expect((await provider().provision({ leased: new Set(['vf0', 'vf1']) })).map(({ segment }) => segment)).toEqual(['', '']);
  });

  test('are not made where the file with the name of the switch holds something else, which is told', async () => {
    const dir = tempDir();
    writeFileSync(join(dir, 'segment'), 'mine');
    await expect(new SoftProvider({ dir, vfs: 1, mtu: 9000, model: '82576' }, softVfTool(native()), nodeOps).provision(NONE)).rejects.toMatchObject({
      code: 'VFRING_ERR_SOFTVF_FAILED', message: expect.stringContaining('the file segment in its folder holds no name of a switch') as string,
    });
  });

  test('have the name of the switch that their folder has, and two folders two', async () => {
    const [one, two] = await Promise.all(['a', 'b'].map((name) => new SoftProvider({ dir: join(tempDir(), name), vfs: 2, mtu: 9000, model: '82576' }, softVfTool(native()), nodeOps).provision(NONE)));
    expect(one?.[0]?.segment).toMatch(/^soft-[0-9a-f]{16}$/);
    expect(one?.[1]?.segment).toBe(one?.[0]?.segment);
    expect(two?.[0]?.segment).not.toBe(one?.[0]?.segment);
  });

  test('taken back by force, a VF is a new file', async () => {
    const { fake, provider } = softHarness(tempDir(), 1);
    const p = provider();
    const [vf] = await p.provision(NONE);
    fake.file(vf?.device ?? '').state = 'open';
    await p.takeBack(vf ?? never(), true);
    expect(fake.file(vf?.device ?? '')).toMatchObject({ state: 'free', made: 2 });
  });

  test('the cause of a failure is passed on', async () => {
    const dir = tempDir();
    const { fake, provider } = softHarness(dir, 1);
    fake.failing.set('create', 'no space left on device');
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

describe('real files', () => {
  const vf = (vfs: readonly Vf[], i = 0): Vf => vfs[i] ?? never();

  test('made, shown, handed over and taken back', async () => {
    const dir = join(tempDir(), 'soft');
    const provider = new SoftProvider({ dir, vfs: 2, mtu: 9000, model: '82576' }, softVfTool(native()), nodeOps);
    const vfs = await provider.provision(NONE);
    expect(await provider.plan()).toEqual([]);
    expect(await provider.health(vf(vfs))).toEqual({ device: 'free', owned: true, linkDown: undefined });
    expect(await provider.counters(vf(vfs))).toEqual({ txFrames: 0, rxFrames: 0, txBytes: 0, rxBytes: 0 });
    await provider.grant(vf(vfs), nodeOps.uid);
    const before = statSync(vf(vfs).device).ino;
    expect(await provider.takeBack(vf(vfs), true)).toBe('free');
    expect(statSync(vf(vfs).device).ino).not.toBe(before);
  });

  test('one that cannot be made is told, and the others are; where none can, that is an error', async () => {
    const dir = join(tempDir(), 'soft');
    mkdirSync(join(dir, 'vf1'), { recursive: true });
    const told: string[] = [];
    const around: Around = { leased: new Set(), sick: (name) => told.push(name) };
    const provider = (vfs: number): SoftProvider => new SoftProvider({ dir, vfs, mtu: 1500, model: '82576' }, softVfTool(native()), nodeOps);
    const vfs = await provider(3).provision(around);
    expect(told).toEqual(['vf1']);
    expect(await Promise.all(vfs.map(async (each) => (await provider(3).health(each)).device))).toEqual(['free', 'gone', 'free']);
    expect(vf(vfs, 2).segment).not.toBe('');
    await expect(provider(3).provision(NONE)).rejects.toMatchObject({ code: 'VFRING_ERR_SOFTVF_FAILED' });
    rmSync(join(dir, 'vf0'));
    mkdirSync(join(dir, 'vf0'));
    await expect(provider(1).provision(around)).rejects.toMatchObject({ code: 'VFRING_ERR_SOFTVF_FAILED' });
  });

  test('what the owner wrote into its memory is gone with the lease; the counters go on', async () => {
    const dir = join(tempDir(), 'soft');
    const provider = new SoftProvider({ dir, vfs: 1, mtu: 1500, model: '82576' }, softVfTool(native()), nodeOps);
    const vfs = await provider.provision(NONE);
    await provider.grant(vf(vfs), nodeOps.uid);
    const secret = Buffer.from('what only the first owner may read');
    const fd = openSync(vf(vfs).device, 'r+');
    writeSync(fd, secret, 0, secret.length, 0x20000 + 4096);
    closeSync(fd);
    expect(readFileSync(vf(vfs).device).includes(secret)).toBe(true);
    await provider.takeBack(vf(vfs), true);
    expect(readFileSync(vf(vfs).device).includes(secret)).toBe(false);
  });

  test('an owner that claims the MAC of another VF keeps nobody from having that VF back', async () => {
    const dir = join(tempDir(), 'soft');
    const provider = new SoftProvider({ dir, vfs: 2, mtu: 1500, model: '82576' }, softVfTool(native()), nodeOps);
    const vfs = await provider.provision(NONE);
    const other = Buffer.from(vf(vfs, 1).mac.replace(/:/g, ''), 'hex');
    const own = Buffer.from(vf(vfs, 0).mac.replace(/:/g, ''), 'hex');
    const fd = openSync(vf(vfs, 0).device, 'r+');
    const head = Buffer.alloc(4096);
    readSync(fd, head, 0, head.length, 0);
    writeSync(fd, other, 0, other.length, head.indexOf(own));
    closeSync(fd);
    expect(await provider.takeBack(vf(vfs, 1), true)).toBe('free');
    // And its own is what the configuration says again.
    expect(await provider.takeBack(vf(vfs, 0), true)).toBe('free');
    expect(await provider.plan()).toEqual([]);
  });

  test('a file that its owner cut short or wrote over is no soft VF, and is made anew', async () => {
    const dir = join(tempDir(), 'soft');
    const tool = softVfTool(native());
    const provider = new SoftProvider({ dir, vfs: 1, mtu: 1500, model: '82576' }, tool, nodeOps);
    const vfs = await provider.provision(NONE);
    for (const damage of [0, 100, 5000]) {
      truncateSync(vf(vfs).device, damage);
      expect(() => tool.show(vf(vfs).device)).toThrow(/not a soft VF/);
      expect(await provider.takeBack(vf(vfs), true)).toBe('free');
      expect(tool.show(vf(vfs).device).mtu).toBe(1500);
    }
  });

  test('are of the model that the configuration says, and made anew when it says another', async () => {
    const dir = join(tempDir(), 'soft');
    const tool = softVfTool(native());
    for (const model of ['82599', 'x540', '82576'] as const) {
      const provider = new SoftProvider({ dir, vfs: 1, mtu: 1500, model }, tool, nodeOps);
      expect((await provider.plan()).map(({ what }) => what)).toEqual([expect.stringContaining(`model ${model}`)]);
      const vfs = await provider.provision(NONE);
      expect(vf(vfs).model).toBe(model);
      expect(tool.show(vf(vfs).device).model).toBe(model);
      expect(await provider.takeBack(vf(vfs), true)).toBe('free');
      expect(tool.show(vf(vfs).device).model).toBe(model);
      expect(await provider.plan()).toEqual([]);
    }
    expect(() => tool.create(dir, 0, '02:00:00:00:00:01', 1500, '82598')).toThrow(/EINVAL/);
  });

  test('a folder that is not there is told with its cause', () => {
    const dir = join(tempDir(), 'none');
    expect(() => softVfTool(native()).create(dir, 0, '02:00:00:00:00:01', 1500, '82576')).toThrow(/ENOENT/);
    expect(() => softVfTool(native()).create(dir, 0, '03:00:00:00:00:01', 1500, '82576')).toThrow(/unicast/);
  });
});

function never(): never {
  throw new Error('no VF');
}

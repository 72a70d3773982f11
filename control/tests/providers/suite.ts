// SPDX-License-Identifier: BSD-3-Clause
/**
 * What the daemon relies on, asked of every provider: of soft and real VFs on played machines
 * (provider.test.ts), and of real VFs of the emulated machine (../lab/main.ts).
 */
import { describe, expect, test } from 'vitest';
import { isVfringError } from '../../src/errors.js';
import { countersBetween, type Vf } from '../../src/model/vf.js';
import { type Around } from '../../src/providers/provider.js';
import { tempDir } from '../helpers/temp-dir.js';
import type { Harness } from './harness.js';

const NONE: Around = { leased: new Set() };
const USER = 4242;

const first = (vfs: readonly Vf[]): Vf => {
  const [vf] = vfs;
  if (vf === undefined) {
    throw new Error('no VF');
  }
  return vf;
};

export function providerSuite(kind: string, make: (dir: string) => Harness | Promise<Harness>): void {
  describe(`provider ${kind}`, () => {
    test('provisions as many VFs as configured, each with a node and a MAC of its own', async () => {
      const harness = await make(tempDir());
      const vfs = await harness.provider().provision(NONE);
      expect(vfs).toHaveLength(4);
      for (const key of ['name', 'device', 'mac'] as const) {
        expect(new Set(vfs.map((vf) => vf[key])).size).toBe(4);
      }
      for (const vf of vfs) {
        expect(vf.kind).toBe(kind);
        expect(vf.mtu).toBe(9000);
        // Locally administered, not multicast, not zero.
        expect(vf.mac).toMatch(/^[0-9a-f][26ae](:[0-9a-f]{2}){5}$/);
        expect((await harness.ownerOf(vf)).mode).toBe(0o600);
        expect(await harness.provider().health(vf)).toEqual({ device: 'free', owned: true, linkDown: undefined });
      }
    });

    test('a plan names the steps and takes none', async () => {
      const harness = await make(tempDir());
      expect((await harness.provider().plan()).length).toBeGreaterThan(3);
      expect(harness.changes()).toBe(0);
    });

    test('provisioning again changes nothing, and the plan is empty', async () => {
      const harness = await make(tempDir());
      const vfs = await harness.provider().provision(NONE);
      const changes = harness.changes();
      expect(await harness.provider().plan()).toEqual([]);
      expect(await harness.provider().provision(NONE)).toEqual(vfs);
      expect(harness.changes()).toBe(changes);
    });

    test('grant gives the node to the user, take back to the daemon alone', async () => {
      const harness = await make(tempDir());
      const provider = harness.provider();
      const vf = first(await provider.provision(NONE));
      const before = await harness.ownerOf(vf);
      await provider.grant(vf, USER, 1 << 20);
      expect(await harness.ownerOf(vf)).toEqual({ uid: USER, mode: 0o600 });
      expect((await provider.health(vf)).owned).toBe(false);
      await harness.chmod(vf, USER, 0o666);
      expect(await provider.takeBack(vf, true)).toBe('free');
      expect(await harness.ownerOf(vf)).toEqual(before);
    });

    test('of several VFs of one user each is taken back alone, driven or not, and the others stay as they are', async () => {
      const harness = await make(tempDir());
      const provider = harness.provider();
      const vfs = await provider.provision(NONE);
      for (const vf of vfs) {
        await provider.grant(vf, USER, 1 << 20);
      }
      const [taken, ...rest] = vfs as [Vf, ...Vf[]];
      await harness.setOpen(first(rest), true);
      expect(await provider.takeBack(taken, true)).toBe('free');
      expect((await provider.health(taken)).owned).toBe(true);
      for (const vf of rest) {
        expect(await harness.ownerOf(vf)).toEqual({ uid: USER, mode: 0o600 });
      }
      expect((await provider.health(first(rest))).device).toBe('open');
      // It is whoever's next.
      await provider.grant(taken, USER + 1, 1 << 20);
      expect(await harness.ownerOf(taken)).toEqual({ uid: USER + 1, mode: 0o600 });
      await harness.setOpen(first(rest), false);
    });

    test('a VF that somebody drives is not granted', async () => {
      const harness = await make(tempDir());
      const provider = harness.provider();
      const vf = first(await provider.provision(NONE));
      const before = await harness.ownerOf(vf);
      await harness.setOpen(vf, true);
      await expect(provider.grant(vf, USER, 1 << 20)).rejects.toMatchObject({ code: 'VFRING_ERR_VF_UNHEALTHY' });
      expect(await harness.ownerOf(vf)).toEqual(before);
      await harness.setOpen(vf, false);
      await provider.grant(vf, USER, 1 << 20);
    });

    test('a user of before the start may finish', async () => {
      const harness = await make(tempDir());
      const provider = harness.provider();
      const vf = first(await provider.provision(NONE));
      await harness.chmod(vf, USER, 0o600);
      await harness.setOpen(vf, true);
      const changes = harness.changes();
      expect(await provider.takeBack(vf, false)).toBe('open');
      expect(harness.changes()).toBe(changes);
      await harness.setOpen(vf, false);
      expect(await provider.takeBack(vf, false)).toBe('free');
      expect((await provider.health(vf)).owned).toBe(true);
    });

    test('reads the counters of the VF', async () => {
      const harness = await make(tempDir());
      const provider = harness.provider();
      const vf = first(await provider.provision(NONE));
      const before = await provider.counters(vf);
      const carried = await harness.carry(vf);
      expect(carried.txFrames).toBeGreaterThan(0);
      expect(countersBetween(before, await provider.counters(vf), provider.counterBits)).toMatchObject(carried);
    });

    test('a VF that is no more there is gone, and cannot be granted', async () => {
      const harness = await make(tempDir());
      const provider = harness.provider();
      const vf = first(await provider.provision(NONE));
      await harness.remove(vf);
      const health = await provider.health(vf);
      expect(health.device).toBe('gone');
      expect(health.detail).toBeTruthy();
      const refused = await provider.takeBack(vf, false).then(
        () => undefined,
        (error: unknown) => error,
      );
      expect(isVfringError(refused, 'VFRING_ERR_VF_UNHEALTHY')).toBe(true);
    });

    test('provisioning again makes good what went away, and leaves leased VFs alone', async () => {
      const harness = await make(tempDir());
      const provider = harness.provider();
      const vfs = await provider.provision(NONE);
      const [gone, leased] = vfs as [Vf, Vf];
      await harness.remove(gone);
      await provider.grant(leased, USER, 1 << 20);
      const again = await provider.provision({ leased: new Set([leased.name]) });
      expect(again.map((vf) => vf.mac)).toEqual(vfs.map((vf) => vf.mac));
      expect(await harness.ownerOf(leased)).toEqual({ uid: USER, mode: 0o600 });
      expect((await provider.health(first(again))).device).toBe('free');
    });
  });
}

// SPDX-License-Identifier: BSD-3-Clause
/**
 * What the daemon relies on, asked of every provider: of soft and real VFs on played machines
 * (provider.test.ts), and of real VFs of the emulated machine (../lab/main.ts).
 */
import assert from 'node:assert/strict';
import { describe, test } from 'vitest';
import { isVfringError } from '../../src/errors.js';
import { countersBetween, type Vf } from '../../src/model/vf.js';
import { type Around } from '../../src/providers/provider.js';
import { assertHas } from '../helpers/assert-has.js';
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

/** Whose the node is once the VF is that user's. */
const ownerFor = (harness: Harness, uid: number): { uid: number; mode: number } => ({ uid: harness.opens ? 0 : uid, mode: 0o600 });

export function providerSuite(kind: string, make: (dir: string) => Harness | Promise<Harness>, title = kind): void {
  describe(`provider ${title}`, () => {
    test('provisions as many VFs as configured, each with a node and a MAC of its own', async () => {
      const harness = await make(tempDir());
      const vfs = await harness.provider().provision(NONE);
      assert.equal(vfs.length, 4);
      for (const key of ['name', 'device', 'mac'] as const) {
        assert.equal(new Set(vfs.map((vf) => vf[key])).size, 4);
      }
      for (const vf of vfs) {
        assert.equal(vf.kind, kind);
        assert.equal(vf.mtu, 9000);
        // Locally administered, not multicast, not zero.
        assert.match(vf.mac, /^[0-9a-f][26ae](:[0-9a-f]{2}){5}$/);
        assert.equal((await harness.ownerOf(vf)).mode, 0o600);
        assert.deepEqual(await harness.provider().health(vf), { device: 'free', owned: true, linkDown: undefined });
      }
    });

    test('a plan names the steps and takes none', async () => {
      const harness = await make(tempDir());
      assert.ok((await harness.provider().plan()).length > 3);
      assert.equal(harness.changes(), 0);
    });

    test('provisioning again changes nothing, and the plan is empty', async () => {
      const harness = await make(tempDir());
      const vfs = await harness.provider().provision(NONE);
      const changes = harness.changes();
      assert.deepEqual(await harness.provider().plan(), []);
      assert.deepEqual(await harness.provider().provision(NONE), vfs);
      assert.equal(harness.changes(), changes);
    });

    test('grant gives the node to the user, take back to the daemon alone', async () => {
      const harness = await make(tempDir());
      const provider = harness.provider();
      const vf = first(await provider.provision(NONE));
      const before = await harness.ownerOf(vf);
      await provider.grant(vf, USER, 1 << 20);
      assert.deepEqual(await harness.ownerOf(vf), ownerFor(harness, USER));
      assert.equal((await provider.health(vf)).owned, harness.opens === true);
      await harness.chmod(vf, USER, 0o666);
      assert.equal(await provider.takeBack(vf, true), 'free');
      assert.deepEqual(await harness.ownerOf(vf), before);
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
      assert.equal(await provider.takeBack(taken, true), 'free');
      assert.equal((await provider.health(taken)).owned, true);
      for (const vf of rest) {
        assert.deepEqual(await harness.ownerOf(vf), ownerFor(harness, USER));
      }
      assert.equal((await provider.health(first(rest))).device, 'open');
      // It is whoever's next.
      await provider.grant(taken, USER + 1, 1 << 20);
      assert.deepEqual(await harness.ownerOf(taken), ownerFor(harness, USER + 1));
      await harness.setOpen(first(rest), false);
    });

    test('who still drives a VF that was taken back is told, and when it has closed it, it is free', async () => {
      const harness = await make(tempDir());
      const provider = harness.provider();
      const vf = first(await provider.provision(NONE));
      await provider.grant(vf, USER, 1 << 20);
      await harness.setOpen(vf, true);
      // A soft one is made anew at once.
      assert.equal(await provider.takeBack(vf, true), kind === 'soft' ? 'free' : 'open');
      await provider.tell(vf);
      await harness.setOpen(vf, false);
      assert.equal(await provider.takeBack(vf, true), 'free');
      assert.equal((await provider.health(vf)).owned, true);
    });

    test('a VF that somebody drives is not granted', async () => {
      const harness = await make(tempDir());
      const provider = harness.provider();
      const vf = first(await provider.provision(NONE));
      const before = await harness.ownerOf(vf);
      await harness.setOpen(vf, true);
      await assert.rejects(provider.grant(vf, USER, 1 << 20), { code: 'VFRING_ERR_VF_UNHEALTHY' });
      assert.deepEqual(await harness.ownerOf(vf), before);
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
      assert.equal(await provider.takeBack(vf, false), 'open');
      assert.equal(harness.changes(), changes);
      await harness.setOpen(vf, false);
      assert.equal(await provider.takeBack(vf, false), 'free');
      assert.equal((await provider.health(vf)).owned, true);
    });

    test('reads the counters of the VF', async () => {
      const harness = await make(tempDir());
      const provider = harness.provider();
      const vf = first(await provider.provision(NONE));
      const before = await provider.counters(vf);
      const carried = await harness.carry(vf);
      const after = await provider.counters(vf);
      assert.ok(carried.txFrames > 0);
      if (harness.opens) {
        assert.deepEqual([before, after], [null, null]);
      } else {
        assert.ok(before !== null && after !== null);
        assertHas(countersBetween(before, after, provider.counterBits), carried);
      }
    });

    test('a VF that is no more there is gone, and cannot be granted', async () => {
      const harness = await make(tempDir());
      const provider = harness.provider();
      const vf = first(await provider.provision(NONE));
      await harness.remove(vf);
      const health = await provider.health(vf);
      assert.equal(health.device, 'gone');
      assert.ok(health.detail);
      const refused = await provider.takeBack(vf, false).then(
        () => undefined,
        (error: unknown) => error,
      );
      assert.equal(isVfringError(refused, 'VFRING_ERR_VF_UNHEALTHY'), true);
    });

    test('provisioning again makes good what went away, and leaves leased VFs alone', async () => {
      const harness = await make(tempDir());
      const provider = harness.provider();
      const vfs = await provider.provision(NONE);
      const [gone, leased] = vfs as [Vf, Vf];
      await harness.remove(gone);
      await provider.grant(leased, USER, 1 << 20);
      const again = await provider.provision({ leased: new Set([leased.name]) });
      assert.deepEqual(again.map((vf) => vf.mac), vfs.map((vf) => vf.mac));
      assert.deepEqual(await harness.ownerOf(leased), ownerFor(harness, USER));
      assert.equal((await provider.health(first(again))).device, 'free');
    });
  });
}

// SPDX-License-Identifier: BSD-3-Clause
/** A leased VF that is unbound and bound again under its process: it is that process's again, at its new node, and nobody else's. */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { LeasedVf } from '../../src/leases/lease.js';
import type { LeaseManager } from '../../src/leases/manager.js';
import { sriovConfig } from '../helpers/config.js';
import { startNode } from '../helpers/fake-node.js';
import { ask, leaseRequest } from '../helpers/lease-client.js';
import { World } from '../helpers/lease-world.js';
import { tempDir } from '../helpers/temp-dir.js';
import { sriovHarness } from '../providers/harness.js';

const UID = 1000;
const request = (more: object = {}) => ({ count: 1, job: 'job', rank: 0, ranks: 2, ...more });

/** A node with VFs of the bus, of which process 1 has two. */
async function leased(): Promise<{ world: World; manager: LeaseManager; vfs: readonly LeasedVf[] }> {
  const world = new World(join(tempDir(), 'l.db'), 3);
  world.shape = () => ({ kind: 'sriov' });
  world.spawn(1, UID);
  await world.start();
  const { manager } = world.daemon as NonNullable<World['daemon']>;
  const { vfs } = await manager.lease(UID, world.handleOf(1), request({ count: 2 }));
  return { world, manager, vfs };
}

const devices = (world: World): (string | undefined)[] => world.daemon?.manager.leases()[0]?.vfs.map(({ vf }) => vf.device) ?? [];

describe('a VF that is bound again under its lease', () => {
  test('is its process\'s again, with its limit; the others stay as they are', async () => {
    const { world, manager } = await leased();
    const limit = world.vf('vf0').limit;
    expect(limit).toBeGreaterThan(0);
    world.rebind('vf0', undefined);
    await manager.reconcile();
    expect(manager.pool.entries[0]?.reason).toBeDefined();
    expect(world.given()).toEqual(new Map([['vf1', UID]]));

    world.rebind('vf0', '/soft/anew');
    await manager.reconcile();
    expect(world.given()).toEqual(new Map([['vf0', UID], ['vf1', UID]]));
    expect(world.vf('vf0').limit).toBe(limit);
    expect(manager.pool.entries[0]).toMatchObject({ state: 'leased', reason: undefined });
    // Its process asks for it by its lease.
    expect(manager.show(1, 'l-1').vfs.map(({ vf }) => vf.device)).toEqual(['/soft/anew', '/soft/vf1']);

    await manager.release(1, 'l-1');
    expect(world.given().size).toBe(0);
    expect(manager.pool.in('free').map(({ vf }) => vf.device)).toEqual(['/soft/anew', '/soft/vf1', '/soft/vf2']);
  });

  test('twice, and is known by its newest node', async () => {
    const { world, manager } = await leased();
    for (const device of ['/soft/second', '/soft/third']) {
      world.rebind('vf0', device);
      await manager.reconcile();
      expect(devices(world)[0]).toBe(device);
      expect(world.vf('vf0').owner).toBe(UID);
    }
  });

  test('is not its any more once it was taken away, or its process has ended', async () => {
    const { world, manager } = await leased();
    world.rebind('vf0', undefined);
    await manager.reconcile();
    await manager.revoke('l-1', 'vf0');
    world.rebind('vf0', '/soft/anew');
    await manager.reconcile();
    expect(world.given()).toEqual(new Map([['vf1', UID]]));

    world.rebind('vf1', '/soft/other');
    world.process(1).alive = false; // Nobody has said so yet.
    await manager.reconcile();
    expect(world.given().size).toBe(0);
    world.exit(1);
    await manager.exclusively(() => {});
    expect(world.given().size).toBe(0);
  });

  test('that cannot be handed over now is at the next look', async () => {
    const { world, manager } = await leased();
    world.rebind('vf0', '/soft/anew');
    world.vf('vf0').broken = true;
    await manager.reconcile();
    expect(world.given()).toEqual(new Map([['vf1', UID]]));
    world.vf('vf0').broken = false;
    await manager.reconcile();
    expect(world.given()).toEqual(new Map([['vf0', UID], ['vf1', UID]]));
    expect(world.vf('vf0').limit).toBe(world.vf('vf1').limit);
  });

  test('while no vfringd runs is its process\'s again with the next one', async () => {
    const { world } = await leased();
    world.kill();
    world.rebind('vf0', '/soft/anew');
    await world.start();
    expect(devices(world)).toEqual(['/soft/anew', '/soft/vf1']);
    expect(world.given()).toEqual(new Map([['vf0', UID], ['vf1', UID]]));
    world.kill();
    // It is written down.
    await world.start();
    expect(devices(world)).toEqual(['/soft/anew', '/soft/vf1']);
  });

  test('after a start of vfringd that has found it unbound is its process\'s again, too', async () => {
    const { world } = await leased();
    world.kill();
    world.rebind('vf0', undefined);
    await world.start();
    expect(world.daemon?.ledger.leasesOf(1)[0]?.vfs.map(({ takenHow }) => takenHow)).toEqual([undefined, undefined]);
    world.rebind('vf0', '/soft/anew');
    await world.daemon?.manager.reconcile();
    expect(devices(world)).toEqual(['/soft/anew', '/soft/vf1']);
    expect(world.given()).toEqual(new Map([['vf0', UID], ['vf1', UID]]));
  });

  test('and vfringd killed at each step of it: after the next start it is its process\'s, with its limit', async () => {
    const { world: whole, manager } = await leased();
    const before = whole.fuse.steps;
    whole.rebind('vf0', '/soft/anew');
    await manager.reconcile();
    const steps = whole.fuse.steps - before;
    expect(steps).toBeGreaterThan(2);
    for (let step = 0; step < steps; step++) {
      const { world, manager: dying } = await leased();
      world.rebind('vf0', '/soft/anew');
      world.fuse.left = step;
      await dying.reconcile().catch(() => {});
      world.kill();
      await world.start();
      expect(devices(world)).toEqual(['/soft/anew', '/soft/vf1']);
      expect(world.given()).toEqual(new Map([['vf0', UID], ['vf1', UID]]));
      expect(world.vf('vf0').limit).toBe(world.vf('vf1').limit);
      world.kill();
    }
  });
});

describe('over the sockets', () => {
  test('the process asks where its VF is now, and is told; a second look changes nothing', async () => {
    const dir = tempDir();
    const harness = sriovHarness(dir);
    const node = await startNode({ dir, provider: harness.provider(), config: sriovConfig({ ens1: 2, ens2: 2 }) });
    const { lease, vfs } = await ask(node.lease, leaseRequest({ count: 1 }));
    const [vf] = vfs as [(typeof vfs)[number]];
    const show = async () => (await ask(node.lease, { v: 1, op: 'show', lease })).vfs[0];
    harness.kernel.bindTo(vf.name, 'igbvf');
    await node.daemon.manager.reconcile();
    expect((await show())?.device).toBe(vf.device);
    harness.kernel.bindTo(vf.name, 'uio_vf');
    await node.daemon.manager.reconcile();
    const now = await show();
    expect(now).toEqual({ ...vf, device: expect.stringMatching(/uiovf\d+$/) as string });
    expect(now?.device).not.toBe(vf.device);
    expect(await harness.dmaLimit(vf.name)).toBe(vf.dma_limit_bytes);
    const log = node.log.length;
    await node.daemon.manager.reconcile(true);
    expect(node.log.slice(log).filter((line) => line.includes(vf.name))).toEqual([]);
  });

  test('one that is back and not as configured stays nobody\'s, which is said once, until it is', async () => {
    const dir = tempDir();
    const harness = sriovHarness(dir);
    const node = await startNode({ dir, provider: harness.provider(), config: sriovConfig({ ens1: 2, ens2: 2 }) });
    const { lease, vfs } = await ask(node.lease, leaseRequest({ count: 1 }));
    const [vf] = vfs as [(typeof vfs)[number]];
    harness.kernel.bindTo(vf.name, 'igbvf');
    harness.kernel.bindTo(vf.name, 'uio_vf');
    const settings = harness.kernel.pf(vf.pf).vfs[0] as { spoofchk: boolean };
    settings.spoofchk = false;
    await node.daemon.manager.reconcile();
    await node.daemon.manager.reconcile();
    expect((await ask(node.lease, { v: 1, op: 'show', lease })).vfs[0]?.device).toBe(vf.device);
    expect(await harness.dmaLimit(vf.name)).toBe(0);
    expect(node.log.filter((line) => line.includes('is not given to its process again'))).toEqual([expect.stringContaining('spoofchk')]);
    settings.spoofchk = true;
    await node.daemon.manager.reconcile();
    expect((await ask(node.lease, { v: 1, op: 'show', lease })).vfs[0]?.device).not.toBe(vf.device);
    expect(await harness.dmaLimit(vf.name)).toBe(vf.dma_limit_bytes);
  });
});

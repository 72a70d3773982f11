// SPDX-License-Identifier: BSD-3-Clause
/** The daemon is killed at every single step of a lease's life; its next start puts everything right. */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { LIMIT_BEFORE, World } from '../helpers/lease-world.js';
import { tempDir } from '../helpers/temp-dir.js';

const UID = 1000;
const request = (more: object = {}) => ({ count: 1, job: 'job', rank: 0, ranks: 2, ...more });

/** What must hold after every start: ledger, VFs and processes say the same. */
function agree(world: World): void {
  const { manager, ledger } = world.daemon as NonNullable<World['daemon']>;
  const open = ledger.openLeases();
  expect(open.map(({ state }) => state).every((state) => state === 'held')).toBe(true);
  expect(manager.leases().map(({ key }) => key).sort()).toEqual(open.map(({ id }) => id).sort());
  const owners = new Map(open.flatMap((lease) => lease.vfs.filter(({ takenAt }) => takenAt === undefined).map(({ vf }) => [vf.name, lease.uid] as const)));
  expect(new Map([...world.given()].sort())).toEqual(new Map([...owners].sort()));
  for (const lease of open) {
    expect(world.process(lease.pid).alive).toBe(true);
  }
  for (const entry of manager.pool.entries) {
    expect(entry.state).toBe(owners.has(entry.vf.name) ? 'leased' : 'free');
  }
}

/** A lease of two VFs, and its end, as one run of the daemon. */
async function life(world: World, end: 'release' | 'exit' | 'lose one'): Promise<void> {
  await world.start();
  const { manager } = world.daemon as NonNullable<World['daemon']>;
  const lease = await manager.lease(UID, world.handleOf(1), request({ count: 2 }));
  await manager.sample();
  if (end === 'lose one') {
    await manager.revoke(lease.id, 'vf0');
    await manager.sample();
  }
  if (end !== 'exit') {
    await manager.release(1, lease.id);
  } else {
    world.exit(1);
    await manager.exclusively(() => {});
  }
  await manager.stop('keep');
}

describe.each(['release', 'exit', 'lose one'] as const)('a lease that ends by %s', (end) => {
  test('killed before each step: after the next start, everything agrees', async () => {
    const whole = new World(join(tempDir(), 'l.db'), 3);
    whole.spawn(1, UID);
    await life(whole, end);
    const { steps } = whole.fuse;
    whole.kill();
    expect(steps).toBeGreaterThan(12);

    for (let step = 0; step < steps; step++) {
      const world = new World(join(tempDir(), 'l.db'), 3);
      world.spawn(1, UID);
      world.fuse.left = step;
      await life(world, end).catch(() => {});
      world.kill();
      await world.start();
      agree(world);
      const { manager, ledger } = world.daemon as NonNullable<World['daemon']>;
      if (!world.process(1).alive || manager.leases().length === 0) {
        expect(world.given().size).toBe(0);
      }
      // Nothing is lost: a process that comes now can have all VFs that are not held.
      const free = manager.pool.count('free');
      world.spawn(2, UID + 1);
      await manager.lease(UID + 1, world.handleOf(2), request({ count: free, job: 'next' }));
      // And when the first is gone, its own too.
      if (world.process(1).alive) {
        world.exit(1);
        await manager.exclusively(() => {});
      }
      world.exit(2);
      await manager.exclusively(() => {});
      expect(manager.pool.count('free')).toBe(3);
      expect(world.given().size).toBe(0);
      expect(ledger.openLeases()).toEqual([]);
      world.kill();
    }
  });
});

describe('over a restart', () => {
  test('a lease goes on without the VF that it has lost before, or that is no more what it was', async () => {
    const world = new World(join(tempDir(), 'l.db'), 4);
    world.spawn(1, UID);
    await world.start();
    const lease = await world.daemon?.manager.lease(UID, world.handleOf(1), request({ count: 3 }));
    await world.daemon?.manager.revoke(lease?.id ?? '', 'vf0');
    world.spawn(2, UID + 1);
    // The one that was taken is another's by now.
    await world.daemon?.manager.lease(UID + 1, world.handleOf(2), request({ job: 'next' }));
    world.kill();
    world.rebind('vf2', '/soft/another');
    await world.start();
    agree(world);
    expect(world.given()).toEqual(new Map([['vf0', UID + 1], ['vf1', UID]]));
    expect(world.daemon?.ledger.leasesOf(1)[0]?.vfs.map(({ takenHow }) => takenHow)).toEqual(['ended by the administrator', undefined, 'VF lost']);
    expect(world.daemon?.jobs.byKey(1)?.held).toBe(1);
    await world.daemon?.manager.release(1, lease?.id ?? '');
    expect(world.given()).toEqual(new Map([['vf0', UID + 1]]));
  });


  async function held(): Promise<World> {
    const world = new World(join(tempDir(), 'l.db'), 2);
    world.spawn(1, UID);
    await world.start();
    await world.daemon?.manager.lease(UID, world.handleOf(1), request());
    world.kill();
    return world;
  }

  test('the lease of a living process goes on, and ends with it', async () => {
    const world = await held();
    await world.start();
    agree(world);
    expect(world.daemon?.manager.leases()).toHaveLength(1);
    expect(world.process(1).limit.soft).toBe(128 * 2 ** 20);
    await world.daemon?.manager.release(1, 'l-1');
    // The limit is put back, though another daemon had raised it.
    expect(world.process(1).limit).toEqual(LIMIT_BEFORE);
    expect(world.given().size).toBe(0);
  });

  test('a process that ended meanwhile has lost its VF, also when its pid is another\'s by now', async () => {
    const world = await held();
    world.exit(1);
    world.spawn(1, UID); // the pid again, another process
    await world.start();
    agree(world);
    expect(world.given().size).toBe(0);
    expect(world.daemon?.ledger.leasesOf(1)[0]).toMatchObject({ state: 'ended', how: 'process ended' });
  });

  test('a node that somebody changed meanwhile is its user\'s again', async () => {
    const world = await held();
    world.vf('vf0').owner = 4242;
    await world.start();
    expect(world.given()).toEqual(new Map([['vf0', UID]]));
  });

  test('a machine that was started anew holds nothing of before', async () => {
    const world = await held();
    world.bootId = 'boot-2';
    await world.start();
    agree(world);
    expect(world.daemon?.ledger.leasesOf(1)[0]?.how).toBe('machine restarted');
  });

  test('a late clean-up does not touch the next owner of the VF', async () => {
    const world = await held();
    // The first lease stayed open in the ledger, though its VF was given out again since.
    await world.start();
    const { ledger, manager } = world.daemon as NonNullable<World['daemon']>;
    await manager.release(1, 'l-1');
    world.spawn(2, UID + 1);
    await manager.lease(UID + 1, world.handleOf(2), request({ job: 'next' }));
    const job = ledger.addJob({ uid: UID, id: 'ghost', state: 'open', createdAt: 0, openedAt: { wall: 0, boot: 0 }, waitUntil: undefined });
    expect(job).toBeGreaterThan(0);
    world.kill();
    // As a damaged or restored ledger would have it.
    const { openDatabase } = await import('../../src/ledger/database.js');
    const db = openDatabase(world.ledgerPath);
    db.exec(`UPDATE leases SET state = 'held', ended_at = NULL WHERE id = 1`);
    db.close();
    await world.start();
    expect(world.given()).toEqual(new Map([['vf0', UID + 1]]));
    expect(world.daemon?.ledger.leasesOf(1)[0]?.how).toBe('VF lost');
  });

  test('reservations and waiting jobs are kept', async () => {
    const world = new World(join(tempDir(), 'l.db'), 2);
    await world.start();
    await world.daemon?.control.create(UID, { vfs: 2 });
    await world.daemon?.control.create(UID, { vfs: 1 }, 60);
    world.kill();
    await world.start();
    world.spawn(2, UID + 1);
    await expect(world.daemon?.manager.lease(UID + 1, world.handleOf(2), request({ job: 'x' }))).rejects.toMatchObject({ code: 'VFRING_ERR_NO_FREE_VF' });
    const [open] = world.daemon?.jobs.active() ?? [];
    await world.daemon?.control.end(open as never, 'ended');
    expect(world.daemon?.jobs.active().map(({ state }) => state)).toContain('open');
  });
});

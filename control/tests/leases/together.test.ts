// SPDX-License-Identifier: BSD-3-Clause
/** Leases that many ask for, and give back, at once. */
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import type { Lease } from '../../src/leases/lease.js';
import { World } from '../helpers/lease-world.js';
import { tempDir } from '../helpers/temp-dir.js';

const UID = 1000;
const request = (more: object = {}) => ({ count: 1, job: 'job', rank: 0, ranks: 4, ...more });

async function worldOf(vfs: number, more = ''): Promise<World> {
  const world = new World(join(tempDir(), 'l.db'), vfs, more);
  await world.start();
  return world;
}

/** Each of the processes 1 to n asks, all before the daemon can answer one. */
function askAll(world: World, counts: readonly number[], uid = (_pid: number): number => UID): Promise<PromiseSettledResult<Lease>[]> {
  const manager = world.daemon?.manager;
  return Promise.allSettled(counts.map((count, i) => {
    world.spawn(i + 1, uid(i + 1));
    return manager?.lease(uid(i + 1), world.handleOf(i + 1), request({ count, rank: i })) as Promise<Lease>;
  }));
}

const granted = (results: readonly PromiseSettledResult<Lease>[]): string[][] =>
  results.map((result) => (result.status === 'fulfilled' ? result.value.vfs.map(({ vf }) => vf.name) : []));

/** Kills the daemon and starts the next. VFs of its leases, after it is sure that ledger, nodes and pool agree. */
async function heldAfterKill(world: World): Promise<string[]> {
  world.kill();
  await world.start();
  const { manager, ledger } = world.daemon as NonNullable<World['daemon']>;
  const held = ledger.openLeases().flatMap(({ vfs }) => vfs.map(({ vf }) => vf.name)).sort();
  expect([...world.given().keys()].sort()).toEqual(held);
  expect(manager.pool.count('free')).toBe(world.vfs.size - held.length);
  return held;
}

const code = (result: PromiseSettledResult<Lease> | undefined): unknown =>
  result?.status === 'rejected' ? (result.reason as { code?: unknown }).code : undefined;

test('each has its own VFs, written down before they are touched and before it is told', async () => {
  const world = await worldOf(8);
  const { ledger } = world.daemon as NonNullable<World['daemon']>;
  const commits = [vi.spyOn(ledger, 'beginLease'), vi.spyOn(ledger, 'holdLease')];
  const vfs = granted(await askAll(world, [1, 2, 1, 3])).flat();
  expect(vfs).toHaveLength(7);
  expect(new Set(vfs).size).toBe(7);
  commits.forEach((commit) => expect(commit).toHaveBeenCalledTimes(4));
  expect(ledger.openLeases().every(({ state }) => state === 'held')).toBe(true);
});

test('the first who cannot be served does not keep back who asked before, nor give its place away', async () => {
  const world = await worldOf(3);
  const results = await askAll(world, [1, 3, 2]);
  expect(granted(results).map(({ length }) => length)).toEqual([1, 0, 2]);
  expect(code(results[1])).toBe('VFRING_ERR_NO_FREE_VF');
});

test('the quota of a user counts what is given in the same turn', async () => {
  const world = await worldOf(8, 'quotas: {vfs_per_user: 2}');
  const results = await askAll(world, [1, 1, 1, 1], (pid) => UID + (pid % 2));
  expect(granted(results).flat()).toHaveLength(4);
  const more = await askAll(world, [1, 1], () => UID + 1);
  expect(more.map(code)).toEqual(['VFRING_ERR_QUOTA', 'VFRING_ERR_QUOTA']);
});

test('a VF that cannot be handed over costs its neighbours nothing: another takes its place', async () => {
  const world = await worldOf(4);
  world.vf('vf1').broken = true;
  const results = await askAll(world, [1, 1, 1]);
  const vfs = granted(results).flat();
  expect(new Set(vfs)).toEqual(new Set(['vf0', 'vf2', 'vf3']));
  expect(new Set(world.given().keys())).toEqual(new Set(vfs));
});

test('a process that ended meanwhile costs its neighbours nothing', async () => {
  const world = await worldOf(4);
  const results = askAll(world, [1, 1, 1]);
  world.exit(2);
  const settled = await results;
  await world.daemon?.manager.exclusively(() => {});
  expect(settled.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  expect(world.given().size).toBe(2);
});

test('a ledger that cannot be written gives nobody a VF, and the limits are as before', async () => {
  const world = await worldOf(4);
  const { ledger } = world.daemon as NonNullable<World['daemon']>;
  vi.spyOn(ledger, 'holdLease').mockImplementation(() => {
    throw new Error('disk full');
  });
  const results = await askAll(world, [1, 1, 1]);
  expect(results.every(({ status }) => status === 'rejected')).toBe(true);
  expect(world.given().size).toBe(0);
  expect([1, 2, 3].map((pid) => world.process(pid).limit.soft)).toEqual([8192, 8192, 8192]);
  expect(ledger.openLeases()).toEqual([]);
});

test('killed at any step while three are served: what the next daemon finds agrees', async () => {
  const whole = await worldOf(4);
  const first = whole.fuse.steps;
  await askAll(whole, [1, 2, 1]);
  const steps = whole.fuse.steps - first;
  whole.kill();
  expect(steps).toBeGreaterThan(12);
  for (let step = 0; step <= steps; step++) {
    const world = await worldOf(4);
    world.fuse.left = step;
    const results = await askAll(world, [1, 2, 1]);
    const told = granted(results).flat();
    const held = await heldAfterKill(world);
    // Who was told of a lease has it still.
    expect(held).toEqual(expect.arrayContaining(told));
    world.kill();
  }
});

test('leases that end together share two commits, and each of their VFs is free', async () => {
  const world = await worldOf(6);
  await askAll(world, [1, 2, 3]);
  const { manager, ledger } = world.daemon as NonNullable<World['daemon']>;
  const together = vi.spyOn(ledger, 'together');
  const given = manager.leases().filter(({ pid }) => pid !== 3).map(({ pid, id }) => manager.release(pid, id));
  world.exit(3);
  await Promise.all(given);
  expect(together).toHaveBeenCalledTimes(2);
  expect(manager.pool.count('free')).toBe(6);
  expect(ledger.openLeases()).toEqual([]);
  expect([1, 2].map((pid) => world.process(pid).limit.soft)).toEqual([8192, 8192]);
});

test('a lease that is given back twice at once ends once: the second is told that there is none', async () => {
  const world = await worldOf(2);
  await askAll(world, [1, 1]);
  const { manager } = world.daemon as NonNullable<World['daemon']>;
  const [lease] = manager.leases();
  const results = await Promise.allSettled([
    manager.release(1, lease?.id ?? ''),
    manager.release(2, lease?.id ?? ''),
    manager.release(1, lease?.id ?? ''),
  ]);
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected']);
  expect(manager.leases()).toHaveLength(1);
  expect(manager.tally.ended.get('released')).toBe(1);
});

test('killed at any step while three end: what the next daemon finds agrees', async () => {
  const prepare = async (): Promise<World> => {
    const world = await worldOf(4);
    await askAll(world, [1, 2, 1]);
    return world;
  };
  const endAll = async (world: World): Promise<void> => {
    const manager = world.daemon?.manager;
    await Promise.allSettled((manager?.leases() ?? []).map(({ pid, id }) => manager?.release(pid, id)));
  };
  const whole = await prepare();
  const first = whole.fuse.steps;
  await endAll(whole);
  const steps = whole.fuse.steps - first;
  whole.kill();
  expect(steps).toBeGreaterThan(8);
  for (let step = 0; step <= steps; step++) {
    const world = await prepare();
    world.fuse.left = step;
    await endAll(world);
    await heldAfterKill(world);
    // One commit says of all that they end.
    expect([0, 3]).toContain(world.daemon?.ledger.openLeases().length);
    world.kill();
  }
});

// SPDX-License-Identifier: BSD-3-Clause
/** Several VFs for a process: which, how many when nobody has said, and what becomes of the others when one is taken. */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { railsAllowed } from '../../src/leases/rails.js';
import type { Lease, LeasedVf, LeaseRequest } from '../../src/leases/lease.js';
import { VfPool, type PoolEntry } from '../../src/leases/pool.js';
import type { Vf } from '../../src/model/vf.js';
import type { Numa } from '../../src/node/numa.js';
import { fakeMachine } from '../helpers/fake-numa.js';
import { World } from '../helpers/lease-world.js';
import { tempDir } from '../helpers/temp-dir.js';

const UID = 1000;

/** VFs of PFs a, b, ..., so many each; `more` by the PF's letter. */
async function node(pfs: Readonly<Record<string, number>>, { more = {}, config = '', numa }: { more?: Readonly<Record<string, Partial<Vf>>>; config?: string; numa?: Numa } = {}) {
  const pfOf = Object.entries(pfs).flatMap(([pf, count]) => Array.from({ length: count }, () => pf));
  const world = new World(join(tempDir(), 'l.db'), pfOf.length, config);
  world.numa = numa ?? world.numa;
  world.shape = (i) => ({ pf: pfOf[i] as string, ...more[pfOf[i] as string] });
  await world.start();
  const daemon = (): NonNullable<World['daemon']> => world.daemon as NonNullable<World['daemon']>;
  let pid = 0;
  return {
    world,
    daemon,
    lease: (rank: number, ranks: number, request: Partial<LeaseRequest> = {}) =>
      daemon().manager.lease(UID, world.spawn(++pid, UID), { count: 1, most: 8, job: 'job', rank, ranks, localRanks: ranks, ...request }),
  };
}

const pfsOf = ({ vfs }: Lease): string => vfs.map(({ vf }) => vf.pf).join('');

describe('a process that leaves the number to the node', () => {
  test('gets one of each PF up to the policy, each in the same place', async () => {
    const { lease } = await node({ a: 2, b: 2 });
    expect([pfsOf(await lease(1, 2)), pfsOf(await lease(0, 2))]).toEqual(['ab', 'ab']);
  });

  test.each([[1, 'a'], [2, 'ab'], [3, 'abc'], [8, 'abcd']])('rails: %i: at most so many', async (rails, expected) => {
    const { lease } = await node({ a: 1, b: 1, c: 1, d: 1 }, { config: `rails: ${rails}` });
    expect(pfsOf(await lease(0, 1))).toBe(expected);
  });

  test('gets no more than it can use', async () => {
    const { lease } = await node({ a: 1, b: 1, c: 1 }, { config: 'rails: 8' });
    expect(pfsOf(await lease(0, 1, { most: 2 }))).toBe('ab');
  });

  test('gets one where all VFs are of one PF: two carry no more', async () => {
    const { lease } = await node({ a: 4 });
    expect(pfsOf(await lease(0, 1))).toBe('a');
  });

  test.each<[string, Record<string, number>, number]>([
    ['as many VFs as ranks', { a: 2, b: 2 }, 4],
    ['one more than ranks', { a: 2, b: 3 }, 4],
    ['not two for everybody', { a: 3, b: 2 }, 3],
    ['one PF nearly full', { a: 1, b: 3 }, 2],
  ])('no rank goes without: %s', async (_what, pfs, ranks) => {
    const { lease } = await node(pfs);
    for (let rank = 0; rank < ranks; rank++) {
      expect((await lease(rank, ranks)).vfs).toHaveLength(1);
    }
  });

  test('with ranks on other nodes, those of this one count', async () => {
    const { lease } = await node({ a: 2, b: 2 });
    expect(pfsOf(await lease(5, 100, { localRanks: 2 }))).toBe('ab');
    // Who does not say how many they are may be all of them.
    expect((await lease(6, 100, { localRanks: undefined })).vfs).toHaveLength(1);
  });

  test('spawned processes are served beside those that spawned them', async () => {
    const { lease } = await node({ a: 4, b: 4 });
    for (const rank of [0, 1]) {
      expect((await lease(rank, 2)).vfs).toHaveLength(2);
    }
    const children = [await lease(0, 4), await lease(1, 4), await lease(2, 4), await lease(3, 4)];
    expect(children.map(({ vfs }) => vfs.length)).toEqual([1, 1, 1, 1]);
  });

  test('leaves what others have reserved, and keeps to the quota', async () => {
    const kept = await node({ a: 2, b: 2 });
    await kept.daemon().control.create(UID + 1, { vfs: 2 });
    expect([(await kept.lease(0, 2)).vfs.length, (await kept.lease(1, 2)).vfs.length]).toEqual([1, 1]);
    const quota = await node({ a: 2, b: 2 }, { config: 'quotas: {vfs_per_user: 3}' });
    expect([(await quota.lease(0, 2)).vfs.length, (await quota.lease(1, 2)).vfs.length]).toEqual([1, 1]);
  });

  test('shares what is reserved for its job', async () => {
    const { lease, daemon } = await node({ a: 4, b: 4 });
    const job = await daemon().control.create(UID, { vfs: 3 });
    expect((await lease(0, 2, { job: job.id })).vfs).toHaveLength(1);
    const all = await daemon().control.create(UID, { vfs: 4 });
    expect((await lease(0, 2, { job: all.id })).vfs).toHaveLength(2);
    expect((await lease(1, 2, { job: all.id })).vfs).toHaveLength(2);
  });

  test('of what Slurm gave its job takes those of different PFs', async () => {
    const { lease, daemon } = await node({ a: 2, b: 2 });
    await daemon().control.assign(UID, {}, ['/soft/vf0', '/soft/vf2'], 'slurm-1');
    await daemon().control.assign(UID, {}, ['/soft/vf1'], 'slurm-2');
    expect(pfsOf(await lease(0, 1, { job: 'slurm-1' }))).toBe('ab');
    expect(pfsOf(await lease(0, 1, { job: 'slurm-2' }))).toBe('a');
  });

  test('has frames of one size: no VF of another MTU is added', async () => {
    const { lease } = await node({ a: 2, b: 2, c: 2 }, { more: { b: { mtu: 9000 } } });
    expect(pfsOf(await lease(0, 1))).toBe('ac');
  });

  test('gets a rail on each of two networks, where each rank can have one there', async () => {
    const more = { a: { segment: 'x' }, b: { segment: 'y' } };
    const both = await node({ a: 2, b: 2 }, { more });
    expect([pfsOf(await both.lease(0, 2)), pfsOf(await both.lease(1, 2))]).toEqual(['ab', 'ab']);
    // The second network has too few: nobody has one there whom the others do not meet.
    const few = await node({ a: 4, b: 2 }, { more });
    expect([pfsOf(await few.lease(0, 4)), pfsOf(await few.lease(1, 4))]).toEqual(['a', 'a']);
  });

  test('does not crowd others off the first network, however many are free on the second', async () => {
    const { lease } = await node({ a: 1, b: 1, c: 9 }, { more: { a: { segment: 'x' }, b: { segment: 'x' }, c: { segment: 'y' } } });
    expect(pfsOf(await lease(0, 2))).not.toContain('ab');
  });
});

describe('on a machine with two NUMA nodes', () => {
  const near = (pfs: Readonly<Record<string, number>>, config = '') => {
    const machine = fakeMachine(tempDir(), { 0: '0-3', 1: '4-7' }, { 0: '10 21', 1: '21 10' });
    machine.setAffinity(1, '0-3');
    machine.setAffinity(2, '4-7');
    machine.setAffinity(3, '0-7');
    const more = { a: { numa: 0 }, b: { numa: 1 }, c: { numa: 0 }, d: { numa: 1 } };
    return node(pfs, { more, config: `rails: 4\n${config}`, numa: machine.numa });
  };

  test('a bound process gets one of each PF near it, and none of a far one', async () => {
    const { lease } = await near({ a: 1, b: 1, c: 1, d: 1 });
    expect([pfsOf(await lease(0, 2)), pfsOf(await lease(1, 2))]).toEqual(['ac', 'bd']);
  });

  test('of one near PF it gets one VF, though more are free far away', async () => {
    const { lease } = await near({ a: 3, b: 3, d: 3 });
    expect(pfsOf(await lease(0, 1))).toBe('a');
  });

  test('without any near it gets far ones, all as far', async () => {
    const { lease } = await near({ b: 1, d: 1 });
    expect(pfsOf(await lease(0, 1))).toBe('bd');
  });

  test('a process that may run on both, and one where NUMA does not matter, gets one of each PF', async () => {
    const both = await near({ a: 1, b: 1 });
    await both.lease(0, 2, { most: undefined });
    await both.lease(1, 2, { most: undefined });
    for (const { id, pid } of both.daemon().manager.leases()) {
      await both.daemon().manager.release(pid, id);
    }
    expect(pfsOf(await both.lease(0, 1))).toBe('ab');
    const ignored = await near({ a: 1, b: 1 }, 'numa: ignore');
    expect(pfsOf(await ignored.lease(0, 1))).toBe('ab');
  });

  test('who asks for more than there are near gets these, and far ones', async () => {
    const { lease } = await near({ b: 1, a: 1, d: 1, c: 1 });
    expect(pfsOf(await lease(0, 1, { count: 3, most: undefined }))).toMatch(/^(bac|adc)$/);
  });
});

describe('a process that says how many', () => {
  test('gets all of them, or none', async () => {
    const { lease } = await node({ a: 2, b: 1 });
    expect(pfsOf(await lease(0, 9, { count: 3, most: undefined }))).toBe('aab');
    await expect(lease(1, 9, { count: 2, most: undefined })).rejects.toMatchObject({ code: 'VFRING_ERR_NO_FREE_VF' });
  });

  test('gets them of different PFs first, whatever the spread', async () => {
    for (const spread of ['pf', 'pack']) {
      const { lease } = await node({ a: 4, b: 4, c: 4 }, { config: `spread: ${spread}` });
      expect(pfsOf(await lease(0, 1, { count: 2, most: undefined }))).toBe('ab');
      expect(pfsOf(await lease(0, 1, { count: 3, most: undefined, job: 'other' }))).toBe('abc');
    }
  });

  test('is spread with the others of its job over the PFs', async () => {
    const { lease } = await node({ a: 2, b: 2, c: 2, d: 2 });
    const two = { count: 2, most: undefined };
    expect([pfsOf(await lease(0, 2, two)), pfsOf(await lease(1, 2, two))]).toEqual(['ab', 'cd']);
  });
});

describe('of the candidates for one more', () => {
  const vf = (name: string, pf: string, numa = -1): Vf => ({ kind: 'sriov', name, device: `/dev/${name}`, mac: '', mtu: 1500, pf, numa, segment: '', vlan: 0 });
  const wish = { request: { count: 1, most: 8, job: 'j', rank: 0, ranks: 1, localRanks: 1 }, job: { key: 1 }, left: 9, policy: 2 };

  function allowed(vfs: readonly Vf[], change: (entries: readonly PoolEntry[]) => void, distance?: (vf: Vf) => number): string[] {
    const pool = new VfPool();
    pool.update(vfs);
    pool.entries.forEach((entry) => Object.assign(entry, { linkDown: undefined }));
    pool.entries.forEach((entry) => pool.setFree(entry));
    change(pool.entries);
    const [first, ...rest] = pool.entries as [PoolEntry, ...PoolEntry[]];
    return railsAllowed(pool, rest, [first], wish, distance).map((entry) => entry.vf.name);
  }

  test('those are not taken that are farther from the process than what it has', () => {
    const far = (away: Vf): number => (away.numa === 1 ? 20 : 10);
    expect(allowed([vf('a', 'ens1', 0), vf('b', 'ens2', 1), vf('c', 'ens3', 0)], () => {}, far)).toEqual(['c']);
    expect(allowed([vf('a', 'ens1', 1), vf('b', 'ens2', 1)], () => {}, far)).toEqual(['b']);
  });

  test('those without a link are not taken', () => {
    expect(allowed([vf('a', 'ens1'), vf('b', 'ens2'), vf('c', 'ens3')], ([, b]) => Object.assign(b as PoolEntry, { linkDown: { cause: '', remedy: '' } }))).toEqual(['c']);
  });

  test('what other processes of the job hold counts to what is shared', () => {
    const pool = new VfPool();
    pool.update([vf('a0', 'a'), vf('a1', 'a'), vf('b0', 'b'), vf('b1', 'b')]);
    pool.entries.forEach((entry) => Object.assign(entry, { linkDown: undefined }));
    pool.entries.forEach((entry) => pool.setFree(entry));
    const [a0, a1, b0, b1] = pool.entries as [PoolEntry, PoolEntry, PoolEntry, PoolEntry];
    [a0, b0].forEach((entry) => pool.setLeased(entry, { job: { key: 1 }, ranks: 2 } as Lease, {} as LeasedVf));
    const second = { ...wish, request: { ...wish.request, rank: 1, ranks: 2, localRanks: 2 }, left: 2 };
    expect(railsAllowed(pool, [b1], [a1], second, undefined)).toEqual([b1]);
    expect(railsAllowed(pool, [b1], [a1], { ...second, request: { ...second.request, localRanks: 3 } }, undefined)).toEqual([]);
  });
});

describe('one VF of a lease that is taken', () => {
  const two = { count: 2, most: undefined };

  test('is free for others; the lease goes on with the rest, and ends with its process', async () => {
    const { lease, daemon, world } = await node({ a: 1, b: 1 });
    const held = await lease(0, 1, two);
    await daemon().manager.revoke(held.id, 'vf0');
    expect(world.given()).toEqual(new Map([['vf1', UID]]));
    expect(daemon().manager.leases()).toHaveLength(1);
    expect(daemon().jobs.active()[0]?.held).toBe(1);
    expect(world.process(1).limit.soft).toBe(128 * 2 ** 20);
    expect(daemon().manager.show(1, held.id).vfs.filter(({ takenAt }) => takenAt === undefined)).toHaveLength(1);
    const next = await lease(0, 1, { job: 'next' });
    expect(next.vfs[0]?.vf.name).toBe('vf0');
    // The end of the first does not touch what is the second's by now.
    await daemon().manager.release(1, held.id);
    expect(world.given()).toEqual(new Map([['vf0', UID]]));
    expect(world.process(1).limit.soft).toBe(8192);
  });

  test('with the last one the lease ends', async () => {
    const { lease, daemon, world } = await node({ a: 1, b: 1 });
    const held = await lease(0, 1, two);
    await daemon().manager.revoke(held.id, 'vf0');
    await daemon().manager.revoke(held.id, 'vf1');
    expect(daemon().manager.leases()).toEqual([]);
    expect(world.given().size).toBe(0);
    expect(daemon().ledger.leasesOf(1)[0]).toMatchObject({ state: 'ended', how: 'ended by the administrator' });
  });

  test('is not taken twice, nor one that the lease does not have', async () => {
    const { lease, daemon } = await node({ a: 2, b: 2 });
    const held = await lease(0, 1, two);
    await daemon().manager.revoke(held.id, 'vf0');
    for (const name of ['vf0', 'vf1', '']) {
      await expect(daemon().manager.revoke(held.id, name)).rejects.toMatchObject({ code: 'VFRING_ERR_NO_SUCH_LEASE_VF', message: expect.stringContaining('it has vf2') as string });
    }
    await expect(daemon().manager.revoke('l-99', 'vf0')).rejects.toMatchObject({ code: 'VFRING_ERR_NO_SUCH_LEASE' });
  });

  test('has its figures in the job, once, and its time until then', async () => {
    const { lease, daemon, world } = await node({ a: 1, b: 1 });
    const held = await lease(0, 1, two);
    world.now += 1000;
    world.vf('vf0').counters = { txFrames: 5, txBytes: 500, rxFrames: 1, rxBytes: 100 };
    world.vf('vf0').openBy = 1;
    await daemon().manager.revoke(held.id, 'vf0');
    expect(daemon().manager.pool.entries[0]?.state).toBe('draining');
    // It is told once; who does not listen may finish.
    expect(['vf0', 'vf1'].map((name) => world.vf(name).told)).toEqual([1, 0]);
    // Its process has not noticed yet, and sends on.
    world.vf('vf0').counters = { txFrames: 7, txBytes: 700, rxFrames: 1, rxBytes: 100 };
    world.vf('vf0').openBy = undefined;
    await daemon().manager.drain();
    expect(daemon().manager.pool.entries[0]?.state).toBe('free');
    world.now += 1000;
    world.vf('vf1').counters = { txFrames: 10, txBytes: 1000, rxFrames: 2, rxBytes: 200 };
    await daemon().manager.release(1, held.id);
    const { ledger } = daemon();
    expect(ledger.job(1)?.totals).toMatchObject({ leases: 1, vfMs: 3000, uncounted: 0, traffic: { txFrames: 17, txBytes: 1700, rxFrames: 3, rxBytes: 300 } });
    expect(ledger.vfTotals().get('vf0')).toMatchObject({ txFrames: 7 });
    expect(ledger.leasesOf(1)[0]?.vfs.map(({ takenHow, traffic }) => [takenHow, traffic?.txFrames])).toEqual([['ended by the administrator', 7], [undefined, 10]]);
  });

  test('is taken by a new configuration that disturbs it, and not the others', async () => {
    const { lease, daemon, world } = await node({ a: 1, b: 1 });
    const held = await lease(0, 1, two);
    const { config, provider } = world.settings as NonNullable<World['settings']>;
    const next = { config, provider: { ...provider, plan: async () => [{ what: 'make vf0 anew', why: 'a test', disturbs: ['vf0'], touches: ['vf0'] }] } };
    await expect(daemon().manager.reprovision(next, false)).rejects.toMatchObject({ code: 'VFRING_ERR_DISTURBS' });
    await daemon().manager.reprovision(next, true);
    expect(daemon().manager.leases().map(({ id }) => id)).toEqual([held.id]);
    expect(world.given()).toEqual(new Map([['vf1', UID]]));
  });
});

test('a VF that cannot be handed over costs the lease nothing but that VF, or all where it is needed', async () => {
  const { lease, world } = await node({ a: 1, b: 1 });
  world.vf('vf1').broken = true;
  expect(pfsOf(await lease(0, 1))).toBe('a');
  const exact = await node({ a: 1, b: 1 });
  exact.world.vf('vf1').broken = true;
  await expect(exact.lease(0, 1, { count: 2, most: undefined })).rejects.toMatchObject({ code: 'VFRING_ERR_VF_UNHEALTHY' });
  expect(exact.world.given().size).toBe(0);
  expect(exact.daemon().ledger.openLeases()).toEqual([]);
});

test('a lease is shown to its process alone', async () => {
  const { lease, daemon } = await node({ a: 1 });
  const held = await lease(0, 1);
  expect(() => daemon().manager.show(2, held.id)).toThrow(expect.objectContaining({ code: 'VFRING_ERR_NOT_OWNER' }) as Error);
  expect(() => daemon().manager.show(1, 'l-9')).toThrow(expect.objectContaining({ code: 'VFRING_ERR_NO_SUCH_LEASE' }) as Error);
});

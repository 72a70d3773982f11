// SPDX-License-Identifier: BSD-3-Clause
/** Jobs that reserve, wait, share memory and run out of time. */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Job } from '../../src/leases/job.js';
import { World } from '../helpers/lease-world.js';
import { tempDir } from '../helpers/temp-dir.js';

const UID = 1000;

async function node(vfs: number, more = '') {
  const world = new World(join(tempDir(), 'l.db'), vfs, more);
  await world.start();
  const { manager, control, jobs, ledger } = world.daemon as NonNullable<World['daemon']>;
  let pid = 0;
  const lease = (job: string, uid = UID) =>
    manager.lease(uid, world.spawn(++pid, uid), { count: 1, job, rank: 0, ranks: 1 });
  return { world, manager, control, jobs, ledger, lease };
}

const code = (name: string): Error => expect.objectContaining({ code: `VFRING_ERR_${name}` }) as Error;

describe('a reservation', () => {
  test('keeps VFs for the job; others are told why there are none', async () => {
    const { control, lease } = await node(3);
    const job = await control.create(UID, { vfs: 2 });
    await lease('other', UID + 1);
    await expect(lease('other', UID + 1)).rejects.toThrow('2 of 3 VFs of this node are free, 1 asked for (2 kept for jobs with a reservation, 1 leased to this job)');
    await lease(job.id);
    await lease(job.id);
    await expect(lease(job.id)).rejects.toThrow(`job ${job.id} has 2 VFs reserved and its processes hold 2: 1 more are too many`);
  });

  test('that no process uses is over after a while; one that is used, or that a resource manager made, is not', async () => {
    const { control, lease, manager, world } = await node(4, 'jobs: {unused_after: 10m}');
    const pass = async (ms: number): Promise<void> => {
      world.now += ms;
      await control.tick();
    };
    const unused = await control.create(UID, { vfs: 1 });
    const used = await control.create(UID, { vfs: 1 });
    const assigned = await control.assign(UID, {}, ['/soft/vf3'], 'slurm-1');
    const { pid } = await lease(used.id);
    await pass(0);
    await pass(599_000);
    expect(unused.state).toBe('open');
    await pass(1000);
    expect([unused, used, assigned].map(({ state }) => state)).toEqual(['ended', 'open', 'open']);
    world.exit(pid);
    await manager.exclusively(() => {});
    await pass(1);
    await pass(600_000);
    expect([used, assigned].map(({ state }) => state)).toEqual(['ended', 'open']);
    expect(control.timed).toBe(false);
  });

  test('that cannot be met is refused, or waits and is met later, in order', async () => {
    const { control, manager, lease, world } = await node(2);
    const first = await lease('x');
    await expect(control.create(UID, { vfs: 2 })).rejects.toThrow(code('NO_FREE_VF'));
    await expect(control.create(UID, { vfs: 3 }, 60)).rejects.toThrow(code('NO_FREE_VF'));
    const big = await control.create(UID, { vfs: 2 }, 60);
    const small = await control.create(UID, { vfs: 1 }, 60);
    expect([big.state, small.state]).toEqual(['queued', 'queued']);
    await expect(lease(big.id)).rejects.toThrow(`job ${big.id} still waits for its VFs`);
    world.exit(first.pid);
    await manager.exclusively(() => {});
    await manager.exclusively(() => {});
    expect([big.state, small.state]).toEqual(['open', 'queued']);
    await control.end(big, 'ended');
    expect(small.state).toBe('open');
  });

  test('that waits in vain ends', async () => {
    const { control, lease, ledger, world } = await node(1);
    await lease('x');
    const job = await control.create(UID, { vfs: 1 }, 5);
    world.now += 4999;
    await control.tick();
    expect(job.state).toBe('queued');
    world.now += 1;
    await control.tick();
    expect(job.state).toBe('ended');
    expect(ledger.job(job.key)?.how).toBe('no VFs in time');
  });
});

describe('a budget of memory', () => {
  test('is shared among the job\'s VFs as their limit', async () => {
    const { control, lease, world } = await node(2);
    const job = await control.create(UID, { vfs: 2, memoryBytes: 32 << 20 });
    const mine = await lease(job.id);
    expect(mine.dmaLimitBytes).toBe(16 << 20);
    expect(world.vf(mine.vfs[0]?.vf.name ?? '').limit).toBe(16 << 20);
    expect(mine.memlockBytes).toBe(16 << 20);
  });

  test('that nobody can share is refused', async () => {
    const { control } = await node(2);
    await expect(control.create(UID, { memoryBytes: 1 << 20 })).rejects.toThrow('needs the number of its VFs or of its ranks');
    await expect(control.create(UID, { ranks: 1000, memoryBytes: 1 << 20 })).rejects.toThrow('less than 4096 bytes');
  });
});

describe('a time limit', () => {
  test('tells the processes to end, then kills them; the VFs come back', async () => {
    const { control, lease, manager, world, ledger } = await node(1, 'jobs: {kill_after: 10s}');
    const job = await control.create(UID, { timeLimitS: 60 });
    const { pid } = await lease(job.id);
    const pass = async (seconds: number): Promise<string[]> => {
      world.now += seconds * 1000;
      await control.tick();
      return world.process(pid).signals;
    };
    expect(await pass(59)).toEqual([]);
    expect(await pass(2)).toEqual(['SIGTERM']);
    expect(await pass(8)).toEqual(['SIGTERM']);
    expect(await pass(3)).toEqual(['SIGTERM', 'SIGKILL']);
    await expect(lease(job.id)).rejects.toThrow('has ended and takes no more leases');
    world.exit(pid);
    await manager.exclusively(() => {});
    expect(manager.pool.count('free')).toBe(1);
    expect(ledger.job(job.key)?.how).toBe('time limit');
    await control.tick();
    expect(world.process(pid).signals).toHaveLength(2);
  });

  test('of the node holds for jobs without one, and bounds the others', async () => {
    const { control } = await node(1, 'jobs: {time_limit_max: 1h}');
    expect((await control.create(UID, {})).timeLimitS).toBe(3600);
    await expect(control.create(UID, { timeLimitS: 3601 })).rejects.toThrow('a time limit of 1.0 h is more than this node allows');
  });
});

describe('quotas of a user', () => {
  test('hold for leases, reservations and waiting jobs together', async () => {
    const { control, lease } = await node(6, 'quotas: {vfs_per_user: 3, jobs_per_user: 2}');
    await lease('x');
    await control.create(UID, { vfs: 1 });
    await expect(control.create(UID, { vfs: 2 })).rejects.toThrow(code('QUOTA'));
    await control.create(UID, { vfs: 1 });
    await expect(lease('x')).rejects.toThrow('uid 1000 may have at most 3 VFs, has 3 and asks for 1 more');
    await lease('x', UID + 1);
    await expect(control.create(UID, { timeLimitS: 1 })).rejects.toThrow(code('QUOTA'));
  });
});

test('a job is ended with its processes when that is asked for', async () => {
  const { control, lease, world } = await node(1);
  const job: Job = await control.create(UID, {});
  const { pid } = await lease(job.id);
  await control.end(job, 'ended', true);
  expect(world.process(pid).signals).toEqual(['SIGTERM']);
  expect(job.state).toBe('ended');
});

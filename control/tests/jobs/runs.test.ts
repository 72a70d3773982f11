// SPDX-License-Identifier: BSD-3-Clause
/** Jobs of one run of a program, as plain mpirun has them: they end when their processes have, and a label that comes again is another job. */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { World } from '../helpers/lease-world.js';
import { tempDir } from '../helpers/temp-dir.js';

const UID = 1000;

async function start(vfs = 4) {
  const world = new World(join(tempDir(), 'l.db'), vfs);
  await world.start();
  let pid = 0;
  const daemon = (): NonNullable<World['daemon']> => world.daemon as NonNullable<World['daemon']>;
  const lease = (job: string, rank = 0, of = world.spawn(++pid, UID)) => daemon().manager.lease(UID, of, { count: 1, job, rank, ranks: 2 });
  const exit = async (dead: { pid: number }): Promise<void> => {
    world.exit(dead.pid);
    await daemon().manager.exclusively(() => {});
  };
  const pass = async (ms: number): Promise<void> => {
    await daemon().control.tick();
    world.now += ms;
    await daemon().control.tick();
  };
  const jobs = (): string[] => daemon().ledger.jobs(99).reverse().map(({ id, state }) => `${id} ${state}`);
  return { world, daemon, lease, exit, pass, jobs };
}

describe('a job with a name that its maker has chosen', () => {
  const make = (daemon: () => NonNullable<World['daemon']>, more: object = {}) => daemon().control.create(UID, { hosts: ['a', 'b'], ...more }, 0, 'slurm-7');

  test('has the leases of the processes that say the name, and is there once', async () => {
    const { lease, daemon, jobs } = await start();
    await make(daemon);
    expect((await lease('slurm-7')).job.id).toBe('slurm-7');
    await expect(make(daemon)).rejects.toMatchObject({ code: 'VFRING_ERR_JOB_EXISTS', exitStatus: 65 });
    expect(jobs()).toEqual(['slurm-7 open']);
    expect(daemon().ledger.findJob(UID, 'slurm-7')?.hosts).toEqual(['a', 'b']);
    expect((await daemon().control.create(UID + 1, {}, 0, 'slurm-7')).id).toBe('slurm-7');
  });

  test('does not come to life again by a process that is late, also after a restart, but when it is made anew', async () => {
    const { world, lease, daemon, jobs } = await start();
    await daemon().control.end(await make(daemon), 'on request');
    await expect(lease('slurm-7')).rejects.toMatchObject({ code: 'VFRING_ERR_BAD_REQUEST' });
    world.kill();
    await world.start();
    await expect(lease('slurm-7')).rejects.toMatchObject({ code: 'VFRING_ERR_BAD_REQUEST' });
    await make(daemon, { vfs: 1 });
    expect((await lease('slurm-7')).job.id).toBe('slurm-7#2');
    expect(jobs()).toEqual(['slurm-7 ended', 'slurm-7#2 open']);
  });
});

describe('a job of plain mpirun', () => {
  test('ends a while after its last process has', async () => {
    const { lease, exit, pass, jobs, daemon } = await start();
    const ranks = [await lease('4711', 0), await lease('4711', 1)];
    await exit(ranks[0] as never);
    await pass(1_000_000);
    expect(jobs()).toEqual(['4711 open']);
    await exit(ranks[1] as never);
    await pass(29_000);
    expect(jobs()).toEqual(['4711 open']);
    expect(daemon().control.timed).toBe(true);
    await pass(1000);
    expect(jobs()).toEqual(['4711 ended']);
    expect(daemon().ledger.findJob(UID, '4711')?.how).toBe('its processes have ended');
    expect(daemon().control.timed).toBe(false);
  });

  test('ends also when its last process did while no daemon ran', async () => {
    const { world, lease, pass, jobs } = await start();
    const rank = await lease('4711');
    world.kill();
    world.exit(rank.pid);
    await world.start();
    await pass(30_000);
    expect(jobs()).toEqual(['4711 ended']);
  });

  test('that never got a lease is none: refused requests leave nothing behind, however many labels they name', async () => {
    const { lease, jobs, daemon, exit } = await start(1);
    const one = await lease('one');
    for (let i = 0; i < 300; i++) {
      await expect(lease(`two${i}`)).rejects.toMatchObject({ code: 'VFRING_ERR_NO_FREE_VF' });
    }
    expect(jobs()).toEqual(['one open']);
    expect(daemon().ledger.sizes().jobs).toBe(1);
    expect(daemon().jobs.active()).toHaveLength(1);
    // One that has had a lease stays, whatever is refused then.
    await exit(one);
    await lease('other');
    await expect(lease('one')).rejects.toMatchObject({ code: 'VFRING_ERR_NO_FREE_VF' });
    expect(jobs()).toContain('one ended');
  });

  test('is another one when its label comes again', async () => {
    const { world, lease, exit, pass, jobs, daemon } = await start();
    await exit(await lease('4711', 0));
    // At once, and by a rank that the first run may not have had.
    const second = [await lease('4711', 1), await lease('4711', 0)];
    expect(jobs()).toEqual(['4711 ended', '4711#2 open']);
    world.kill();
    await world.start();
    const third = await lease('4711', 1);
    expect(third.job.id).toBe('4711#2');
    for (const rank of [...second, third]) {
      await exit(rank);
    }
    await pass(60_000);
    await lease('4711', 0);
    expect(jobs()).toEqual(['4711 ended', '4711#2 ended', '4711#3 open']);
    expect(daemon().ledger.findJob(UID, '4711#1')?.totals.leases).toBe(1);
  });

  test('goes on when one of its processes gives its lease back and takes another', async () => {
    const { world, lease, pass, jobs, daemon } = await start();
    const first = await lease('4711');
    await daemon().manager.release(first.pid, first.id);
    await pass(10_000);
    await lease('4711', 0, world.handleOf(first.pid));
    await pass(60_000);
    expect(jobs()).toEqual(['4711 open']);
  });

  test('that somebody has ended takes no more leases while processes of it live', async () => {
    const { lease, exit, jobs, daemon } = await start();
    const rank = await lease('4711', 0);
    await daemon().control.end(rank.job, 'on request');
    await expect(lease('4711', 1)).rejects.toThrow('job 4711 has ended and takes no more leases');
    await exit(rank);
    expect((await lease('4711', 0)).job.id).toBe('4711#2');
    expect(jobs()).toEqual(['4711 ended', '4711#2 open']);
  });
});

describe('a job that vfring run has made', () => {
  test('and whose vfring run was killed ends with its processes', async () => {
    const { lease, exit, pass, jobs, daemon } = await start();
    const job = await daemon().control.create(UID, { ranks: 2, oneRun: true });
    // What its processes do before MPI_Init is theirs.
    await pass(3_600_000);
    expect(jobs()).toEqual([`${job.id} open`]);
    await exit(await lease(job.id));
    await pass(30_000);
    expect(jobs()).toEqual([`${job.id} ended`]);
  });

  test('takes no more leases when vfring run has ended it', async () => {
    const { lease, exit, daemon } = await start();
    const job = await daemon().control.create(UID, { ranks: 2, oneRun: true });
    await exit(await lease(job.id));
    await daemon().control.end(job, 'on request');
    await expect(lease(job.id)).rejects.toThrow(`job ${job.id} has ended`);
  });
});

test('a job that somebody has made takes all that name it, one after the other, until it is ended', async () => {
  const { lease, exit, pass, jobs, daemon } = await start();
  const job = await daemon().control.create(UID, { ranks: 2 });
  await exit(await lease(job.id));
  await pass(3_600_000);
  await lease(job.id);
  expect(jobs()).toEqual([`${job.id} open`]);
});

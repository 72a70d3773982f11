// SPDX-License-Identifier: BSD-3-Clause
/** Jobs whose VFs a resource manager has assigned, and nodes whose VFs it gives out alone. */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { World } from '../helpers/lease-world.js';
import { tempDir } from '../helpers/temp-dir.js';

const UID = 1000;
const OTHER = 1001;
const code = (name: string): Error => expect.objectContaining({ code: `VFRING_ERR_${name}` }) as Error;

async function node(vfs: number, more = '') {
  const world = new World(join(tempDir(), 'l.db'), vfs, more);
  await world.start();
  let pid = 0;
  const daemon = () => world.daemon as NonNullable<World['daemon']>;
  return {
    world,
    daemon,
    assign: (uid: number, name: string, devices: number[], wish = {}) => daemon().control.assign(uid, wish, devices.map((n) => `/soft/vf${n}`), name),
    lease: (job: string, uid = UID, count = 1, except?: string[]) => daemon().manager.lease(uid, world.spawn(++pid, uid), { count, job, rank: 0, ranks: 1, ...(except && { except }) }),
  };
}

const namesOf = (lease: { vfs: readonly { vf: { name: string } }[] }): string[] => lease.vfs.map(({ vf }) => vf.name);

describe('assigned VFs', () => {
  test('the job gets these and no other, and nobody else gets them', async () => {
    const { assign, lease } = await node(4);
    await assign(UID, 'slurm-1', [1, 3]);
    await assign(OTHER, 'slurm-2', [2]);
    expect(namesOf(await lease('slurm-1', UID, 2))).toEqual(['vf1', 'vf3']);
    await expect(lease('slurm-1')).rejects.toThrow(code('JOB_VFS'));
    expect(namesOf(await lease('slurm-2', OTHER))).toEqual(['vf2']);
    expect(namesOf(await lease('else'))).toEqual(['vf0']);
    await expect(lease('else')).rejects.toThrow(code('NO_FREE_VF'));
  });

  test("a job's name is worth nothing to another user", async () => {
    const { assign, lease } = await node(2, 'managed_by: slurm');
    await assign(UID, 'slurm-1', [0, 1]);
    await expect(lease('slurm-1', OTHER)).rejects.toThrow('Slurm has assigned no VFs of this node to job 1');
  });

  test('asked for twice it is one job; after its end it is another of the same name', async () => {
    const { assign, daemon, lease } = await node(2);
    const job = await assign(UID, 'slurm-1', [0]);
    expect(await assign(UID, 'slurm-1', [0])).toBe(job);
    await daemon().control.end(job, 'epilog');
    await expect(lease('slurm-1')).rejects.toThrow('job slurm-1 has ended and takes no more leases');
    const again = await assign(UID, 'slurm-1', [1]);
    expect(again.id).toBe('slurm-1#2');
    expect(namesOf(await lease('slurm-1'))).toEqual(['vf1']);
  });

  test('a job that nobody ended gives way to the one that has its VFs now', async () => {
    const { assign, daemon } = await node(2);
    const forgotten = await assign(UID, 'slurm-1', [0, 1]);
    await assign(OTHER, 'slurm-2', [1]);
    expect(forgotten.state).toBe('ended');
    expect(daemon().ledger.job(forgotten.key)?.how).toBe('its VFs were assigned to job slurm-2');
  });

  test('a VF that a process holds, that is sick or unknown is refused with its cause', async () => {
    const { world, assign, lease, daemon } = await node(3);
    const held = await lease('plain');
    await expect(assign(OTHER, 'slurm-1', [0])).rejects.toThrow(`process ${held.pid} of uid ${UID} holds it, in job plain`);
    world.vf('vf1').present = false;
    await daemon().manager.reconcile();
    await expect(assign(OTHER, 'slurm-1', [1])).rejects.toThrow(code('VF_UNHEALTHY'));
    await expect(assign(OTHER, 'slurm-1', [7])).rejects.toThrow('vfringd has no VF with the device node /soft/vf7');
    expect(daemon().jobs.find(OTHER, 'slurm-1')).toBeUndefined();
  });

  test('one that falls sick during the job is named when it is asked for', async () => {
    const { world, assign, lease, daemon } = await node(2);
    await assign(UID, 'slurm-1', [1]);
    world.vf('vf1').present = false;
    await daemon().manager.reconcile();
    await expect(lease('slurm-1')).rejects.toThrow('none of the VFs assigned to job slurm-1 can be had: vf1 is unhealthy');
  });

  test('a process is not given VFs that its devices cgroup keeps from it, and learns when there are no others', async () => {
    const { assign, lease } = await node(4);
    await assign(UID, 'slurm-1', [0, 1, 2]);
    expect(namesOf(await lease('slurm-1', UID, 1, ['vf0', 'vf1']))).toEqual(['vf2']);
    // The right one is with another process of the job, and may come back.
    await expect(lease('slurm-1', UID, 1, ['vf0', 'vf1'])).rejects.toThrow(code('NO_FREE_VF'));
    await expect(lease('slurm-1', UID, 1, ['vf2', 'vf1', 'vf0'])).rejects.toThrow(
      /^the devices cgroup of process \d+ lets it open none of the VFs that job slurm-1 may have: vf0 \(\/soft\/vf0\), vf1 \(\/soft\/vf1\), vf2 /);
    // In a container, without a manager.
    expect(namesOf(await lease('else', UID, 1, ['vf0']))).toEqual(['vf3']);
    await expect((await node(1)).lease('else', UID, 1, ['vf0'])).rejects.toThrow(code('DEVICES_CGROUP'));
  });

  test('its time limit is the manager\'s to keep: it may have been extended', async () => {
    const { world, assign, daemon } = await node(1);
    const job = await assign(UID, 'slurm-1', [0], { timeLimitS: 60 });
    world.now += 61_000;
    await daemon().control.tick();
    expect(job.state).toBe('open');
  });

  test('a quota holds for it, too, and so does what is reserved already', async () => {
    const { assign, daemon } = await node(4, 'quotas: {vfs_per_user: 2}');
    await expect(assign(UID, 'slurm-1', [0, 1, 2])).rejects.toThrow(code('QUOTA'));
    await daemon().control.create(0, { vfs: 3 });
    await expect(assign(UID, 'slurm-1', [0, 1])).rejects.toThrow(code('NO_FREE_VF'));
  });

  test('a vfringd that is started anew knows them', async () => {
    const { world, assign, lease } = await node(2);
    await assign(UID, 'slurm-1', [1]);
    world.kill();
    await world.start();
    expect(namesOf(await lease('slurm-1'))).toEqual(['vf1']);
    expect(namesOf(await lease('else'))).toEqual(['vf0']);
  });
});

describe('managed_by: slurm', () => {
  test('only jobs of its prolog get VFs, and others learn what to do', async () => {
    const { assign, lease, daemon } = await node(2, 'managed_by: slurm');
    await expect(lease('mpirun@1')).rejects.toThrow("the VFs of this node are given out by Slurm, and job mpirun@1 is none of Slurm's");
    await expect(lease('slurm-7')).rejects.toThrow('Slurm has assigned no VFs of this node to job 7');
    await expect(daemon().control.create(UID, { ranks: 2 })).rejects.toThrow(code('NOT_ASSIGNED'));
    // It is not made known by the mere asking.
    expect(daemon().ledger.jobs(10)).toEqual([]);
    await assign(UID, 'slurm-7', [0]);
    expect(namesOf(await lease('slurm-7'))).toEqual(['vf0']);
  });

  test('without it a label of that form is one like any other', async () => {
    const { lease } = await node(1);
    expect(namesOf(await lease('slurm-7'))).toEqual(['vf0']);
  });
});

// SPDX-License-Identifier: BSD-3-Clause
/** Jobs of Slurm over VFs: how they come to their VFs, and how these come back. */
import assert from 'node:assert/strict';
import { afterEach, describe, test } from 'node:test';
import { OTHER, USER, type Cluster } from './cluster.js';

export const MCA = 'export OMPI_MCA_pml=ob1 OMPI_MCA_btl=self,vfring OMPI_MCA_mpi_yield_when_idle=1';
export const RING = '/usr/libexec/vfring/ring --rounds 2 --max 65536';
export const PINGPONG = '/usr/libexec/vfring/pingpong --min 0 --max 4096 --iters 5 --samples 1';
/** Goes on for more than any limit. */
export const LONG = '/usr/libexec/vfring/pingpong --min 0 --max 4096 --iters 1000000 --samples 100';
/** Holds its VFs until the file is there. */
export const until = (file: string): string => `while [ ! -e ${file} ]; do sleep 0.2; done`;

interface JobView {
  readonly id: string;
  readonly uid: number;
  readonly state: string;
  readonly assigned_vfs: readonly string[];
  readonly leases: readonly { readonly vfs: readonly { readonly name: string }[] }[];
}

export async function jobAt(cluster: Cluster, n: 1 | 2, id: string): Promise<JobView> {
  return JSON.parse(await cluster.sh(n, `vfring job slurm-${id} --json`)) as JobView;
}

/** Of a node, as Slurm has it: places in gres.conf. */
async function places(cluster: Cluster, id: string): Promise<string> {
  return /GRES=vf:\d\(IDX:(\S*?)\)/.exec(await cluster.sh(1, `scontrol show job -d ${id}`))?.[1] ?? '';
}

export function jobTests(cluster: Cluster): void {
  describe('a job of Slurm', () => {
    afterEach(() => cluster.sweep());

    test('has at vfringd the VFs that Slurm has given it, on each node, its memory and its limit', async () => {
      const id = await cluster.submit('-N2 -n2 --gres=vf:2 --mem=200 --time=10', until('~/go'));
      await cluster.running(id);
      await cluster.everywhere(async (n) => {
        const { uid, state, assigned_vfs: vfs, ...job } = await jobAt(cluster, n, id) as JobView & { memory_bytes: number; time_limit_s: number };
        assert.equal(uid, 1000);
        assert.equal(state, 'open');
        assert.equal(vfs.length, 2);
        assert.equal(job.memory_bytes, 200 * 2 ** 20);
        assert.equal(job.time_limit_s, 600);
      });
      assert.equal(await places(cluster, id), '0-1');
      await cluster.sh(1, 'touch ~/go', USER);
      assert.equal(await cluster.ended(id), 'COMPLETED', await cluster.report());
      await cluster.bothClean();
    });

    test('srun --mpi=pmix: the ranks find their VFs without anybody naming the job, and what they carried is accounted', async () => {
      const id = await cluster.submit('-N1 -n2 -w host1 --gres=vf:2', `${MCA}\nsrun --mpi=pmix ${PINGPONG}`);
      assert.equal(await cluster.ended(id), 'COMPLETED', await cluster.output(id));
      assert.match(await cluster.output(id), /pingpong: ok, 2 ranks/);
      const { leases } = await jobAt(cluster, 1, id);
      assert.equal(leases.length, 2);
      await cluster.bothClean();
      const record = (await cluster.records(id)).get('host1');
      assert.equal(record?.get('vfs'), 2);
      assert.equal(record.get('processes'), 2);
      assert.ok((record.get('tx_bytes') ?? 0) > 4096, JSON.stringify([...record]));
      assert.equal(record.get('fallbacks'), 0);
      assert.equal(record.get('retransmitted_frames') === undefined, false);
      assert.equal(record.get('unreported_processes'), undefined);
      assert.ok((record.get('peak_pinned_bytes') ?? 0) > 0 || !cluster.kind.real, JSON.stringify([...record]));
    });

    test('sbatch with mpirun inside', async () => {
      const id = await cluster.submit('-N1 -n2 --gres=vf:2', `${MCA}\nmpirun --oversubscribe -n 2 ${PINGPONG}`);
      assert.equal(await cluster.ended(id), 'COMPLETED', await cluster.output(id));
      assert.match(await cluster.output(id), /pingpong: ok, 2 ranks/);
      await cluster.bothClean();
    });

    test('steps share the VFs of their job, one after another', async () => {
      const id = await cluster.submit('-N1 -n2 -w host1 --gres=vf:2', `${MCA}\nset -e\nsrun --mpi=pmix ${PINGPONG}\nsrun --mpi=pmix ${PINGPONG}`);
      assert.equal(await cluster.ended(id), 'COMPLETED', await cluster.output(id));
      assert.equal((await jobAt(cluster, 1, id)).leases.length, 4);
      await cluster.bothClean();
    });

    test('salloc: the shell and its steps have the VFs, and they come back when the shell ends', async () => {
      const { status, stdout, stderr } = await cluster.trySh(1, `cd && ${MCA} && salloc -N1 -n2 -w host1 --gres=vf:2 sh -c 'echo job $SLURM_JOB_ID; srun --mpi=pmix ${PINGPONG}'`, USER);
      assert.equal(status, 0, stdout + stderr);
      assert.match(stdout, /pingpong: ok, 2 ranks/);
      const id = /^job (\d+)$/m.exec(stdout)?.[1] ?? '';
      assert.equal(await cluster.ended(id), 'COMPLETED');
      await cluster.bothClean();
      assert.equal((await cluster.records(id)).get('host1')?.get('processes'), 2);
    });

    test('steps side by side have a part of the VFs each', async () => {
      // Both wait for each other, so that none has its VFs after the other has given them back.
      const step = (name: string, other: string): string =>
        `srun --exact -n2 --gres=vf:2 --mem=100 --mpi=pmix sh -c 'touch /tmp/step-${name}-$SLURM_JOB_ID; until [ -e /tmp/step-${other}-$SLURM_JOB_ID ]; do sleep 0.2; done; exec ${PINGPONG}'`;
      const id = await cluster.submit('-N1 -n4 -w host1 --gres=vf:4', `${MCA}\n${step('a', 'b')} & a=$!\n${step('b', 'a')} & b=$!\nwait $a && wait $b`);
      assert.equal(await cluster.ended(id), 'COMPLETED', await cluster.output(id));
      assert.equal((await cluster.output(id)).match(/pingpong: ok, 2 ranks/g)?.length, 2);
      await cluster.bothClean();
      const record = (await cluster.records(id)).get('host1');
      assert.equal(record?.get('processes'), 4);
      assert.equal(record.get('unreported_processes'), undefined);
    });

    test('the tasks of an array have VFs each, and a record each', async () => {
      const id = await cluster.submit('--array=1-2 -N1 -n1 -w host1 --gres=vf:1', `touch /tmp/task-$SLURM_ARRAY_JOB_ID-$SLURM_ARRAY_TASK_ID; ${until('/tmp/go')}`);
      await cluster.until('both run', async () => (await cluster.trySh(1, `ls /tmp/task-${id}-1 /tmp/task-${id}-2`)).status === 0);
      const tasks = (await cluster.sh(1, "squeue -h -r -o '%A'")).split('\n').sort();
      assert.equal(tasks.length, 2);
      assert.equal(new Set((await Promise.all(tasks.map((task) => jobAt(cluster, 1, task)))).flatMap(({ assigned_vfs: vfs }) => vfs)).size, 2);
      await cluster.sh(1, 'touch /tmp/go');
      for (const task of tasks) {
        assert.equal(await cluster.ended(task), 'COMPLETED');
      }
      await cluster.bothClean();
      for (const task of ['1', '2']) {
        assert.equal((await cluster.records(`${id}_${task}`)).get('host1')?.get('vfs'), 1);
      }
    });

    test('the parts of a heterogeneous job have their VFs on their nodes, though their processes know one number', async () => {
      const id = await cluster.submit('-N1 -n2 -w host1 --gres=vf:2 : -N1 -n2 -w host2 --gres=vf:2', `${MCA}\nsrun --mpi=pmix --het-group=1 ${PINGPONG} 2>&1 && srun --mpi=pmix --het-group=0 ${PINGPONG} 2>&1`);
      assert.equal(await cluster.ended(id), 'COMPLETED', await cluster.output(id));
      await cluster.bothClean();
      await cluster.everywhere(async (n) => assert.equal((await jobAt(cluster, n, id)).leases.length, 2));
      for (const [part, host] of [['0', 'host1'], ['1', 'host2']] as const) {
        assert.equal((await cluster.records(`${id}+${part}`)).get(host)?.get('processes'), 2);
      }
    });

    test('what a wire that loses frames costs is in the accounting', async () => {
      const { lose } = cluster;
      const [options, mca] = lose === undefined ? ['-N1 -n2 -w host1 --gres=vf:2', `${MCA} OMPI_MCA_btl_vfring_soft_faults=drop=0.05`] : ['-N2 -n2 --gres=vf:1', MCA];
      await lose?.(0.05);
      try {
        const id = await cluster.submit(options, `${mca}\nsrun --mpi=pmix ${PINGPONG}`);
        assert.equal(await cluster.ended(id), 'COMPLETED', await cluster.output(id));
        await cluster.bothClean();
        const again = [...(await cluster.records(id)).values()].map((record) => record.get('retransmitted_frames') ?? 0);
        assert.ok(again.reduce((sum, frames) => sum + frames, 0) > 0, again.join());
      } finally {
        await lose?.(0);
      }
    });

    test('more processes than VFs are refused in words that say what to ask for', async () => {
      const id = await cluster.submit('-N1 -n2 --gres=vf:1', `${MCA}\nsrun --mpi=pmix ${PINGPONG} 2>&1`);
      assert.equal(await cluster.ended(id), 'FAILED');
      assert.match(await cluster.output(id), /job slurm-\d+ has 1 VFs reserved and its processes hold 1: 1 more are too many/);
      await cluster.bothClean();
    });

    test('a job that asked for no VFs is told how to', async () => {
      const id = await cluster.submit('-N1 -n2', `${MCA}\nsrun --mpi=pmix ${PINGPONG} 2>&1`);
      assert.equal(await cluster.ended(id), 'FAILED');
      assert.match(await cluster.output(id), new RegExp(`Slurm has assigned no VFs of this node to job ${id}[\\s\\S]*--gres=vf:N`));
      await cluster.bothClean();
    });

    test('two jobs of two users are side by side on the same node, each with its own VFs', async () => {
      const loop = `${MCA}\nsrun --mpi=pmix ${PINGPONG} && touch /tmp/done-$SLURM_JOB_ID; ${until('/tmp/go')}`;
      const ids = [await cluster.submit('-N1 -n2 -w host1 -c1 --oversubscribe --gres=vf:2', loop, USER), await cluster.submit('-N1 -n2 -w host1 -c1 --oversubscribe --gres=vf:2', loop, OTHER)] as const;
      await cluster.until('both have run', async () => (await cluster.trySh(1, `ls /tmp/done-${ids[0]} /tmp/done-${ids[1]}`)).status === 0);
      const jobs = await Promise.all(ids.map((id) => jobAt(cluster, 1, id)));
      assert.deepEqual(jobs.map(({ uid }) => uid), [1000, 1001]);
      assert.deepEqual([...new Set(jobs.flatMap(({ assigned_vfs: vfs }) => vfs))].length, 4);
      for (const { leases, assigned_vfs: vfs } of jobs) {
        assert.deepEqual(leases.flatMap((lease) => lease.vfs.map(({ name }) => name)).sort(), [...vfs].sort());
      }
      await cluster.sh(1, 'touch /tmp/go');
      assert.equal(await cluster.ended(ids[0]), 'COMPLETED');
      assert.equal(await cluster.ended(ids[1]), 'COMPLETED');
      await cluster.bothClean();
    });

    test('scancel in the middle gives the VFs back', async () => {
      const id = await cluster.submit('-N1 -n2 -w host1 --gres=vf:2', `${MCA}\nsrun --mpi=pmix ${LONG}`);
      await cluster.until('it has its VFs', async () => (await jobAt(cluster, 1, id).catch(() => undefined))?.leases.length === 2);
      await cluster.sh(1, `scancel ${id}`, USER);
      assert.equal(await cluster.ended(id), 'CANCELLED');
      await cluster.bothClean();
    });

    test('a job that is queued anew has VFs anew', async () => {
      const id = await cluster.submit('-N1 -n1 -w host1 --gres=vf:1', until('/tmp/go'));
      await cluster.running(id);
      await cluster.sh(1, `scontrol requeue ${id}`, USER);
      await cluster.until('it waits', async () => (await cluster.state(id)) === 'PENDING');
      // Slurm would let it wait for two minutes.
      await cluster.sh(1, `scontrol update JobId=${id} StartTime=now`);
      await cluster.until('it has ended at vfringd and begun again', async () => (await cluster.trySh(1, `vfring job slurm-${id}#2`)).stdout.includes('open'));
      await cluster.sh(1, 'touch /tmp/go');
      assert.equal(await cluster.ended(id), 'COMPLETED');
      await cluster.bothClean();
    });

    test('the time limit of Slurm ends it', async () => {
      const id = await cluster.submit('-N1 -n2 -w host1 --gres=vf:2 --time=1', `${MCA}\nsrun --mpi=pmix ${LONG}`);
      assert.equal(await cluster.ended(id), 'TIMEOUT');
      await cluster.bothClean();
    });
  });
}

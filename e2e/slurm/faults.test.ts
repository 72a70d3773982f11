// SPDX-License-Identifier: BSD-3-Clause
/** Slurm, its nodes or vfringd fail, or are asked for what cannot be: a clear word, nothing left behind. */
import assert from 'node:assert/strict';
import { afterEach, describe, test } from 'node:test';
import { USER, type Cluster } from './cluster.js';
import { LONG, MCA, PINGPONG, jobAt, until } from './jobs.test.js';

const PROLOG = '/usr/libexec/vfring/slurm/prolog';
const EPILOG = '/usr/libexec/vfring/slurm/epilog';
const as = (id: string, node = 'host1'): string => `env -i SLURM_JOB_ID=${id} SLURM_JOB_UID=1000 SLURMD_NODENAME=${node}`;

export function faultTests(cluster: Cluster): void {
  const drained = async (): Promise<string> => await cluster.sh(1, "sinfo -h -R -o '%n %E'");

  describe('asked for what cannot be', () => {
    afterEach(() => cluster.sweep());

    test('more VFs than a node has, and a GRES that is not there', async () => {
      const many = await cluster.trySh(1, 'cd && sbatch -N1 --gres=vf:9 --wrap true', USER);
      assert.notEqual(many.status, 0);
      assert.match(many.stderr, /Requested node configuration is not available/);
      const other = await cluster.trySh(1, 'cd && sbatch -N1 --gres=fv:1 --wrap true', USER);
      assert.match(other.stderr, /Invalid generic resource \(gres\) specification/);
    });

    test('a quota: the user reads why, in the output and in scontrol, and the node goes on', async (t) => {
      const config = '/etc/vfring/vfringd.yaml';
      await cluster.sh(1, `cp ${config} ${config}.before; printf 'quotas:\\n  vfs_per_user: 3\\n' >>${config}; vfring provision`);
      t.after(async () => void await cluster.sh(1, `mv ${config}.before ${config}; vfring provision`));
      const id = await cluster.submit('-N1 -w host1 -n1 --gres=vf:4', 'echo must not run');
      assert.equal(await cluster.ended(id), 'FAILED');
      const output = await cluster.output(id);
      assert.match(output, new RegExp(`^vfring: host1: no VFs for job ${id}: VFRING_ERR_QUOTA: uid 1000 may have at most 3 VFs`, 'm'));
      assert.match(output, /^vfring: remedy: /m);
      assert.doesNotMatch(output, /must not run/);
      assert.match(await cluster.job(id, 'AdminComment'), /VFRING_ERR_QUOTA/);
      assert.equal(await drained(), '');
      await cluster.bothClean();
      assert.equal(await cluster.sh(1, 'ls /run/vfring-slurm'), '');
    });

    test('a prolog that runs twice makes one job; an epilog twice, or without a prolog, does nothing', async () => {
      const id = await cluster.submit('-N1 -w host1 -n1 --gres=vf:1', until('/tmp/go'));
      await cluster.running(id);
      await cluster.sh(1, `${as(id)} ${PROLOG}`);
      const jobs = JSON.parse(await cluster.sh(1, 'vfring job --json')) as { id: string; state: string }[];
      assert.deepEqual(jobs.filter(({ id: name }) => name.startsWith(`slurm-${id}`)).map(({ id: name, state }) => [name, state]), [[`slurm-${id}`, 'open']]);
      await cluster.sh(1, 'touch /tmp/go');
      assert.equal(await cluster.ended(id), 'COMPLETED');
      await cluster.sh(1, `${as(id)} ${EPILOG}`);
      await cluster.sh(1, `${as('999999')} ${EPILOG}`);
      assert.equal(await drained(), '');
      await cluster.bothClean();
    });

    test('a prolog outside of Slurm says what it is for', async () => {
      const { status, stderr } = await cluster.trySh(1, `env -i ${PROLOG}`);
      assert.equal(status, 64);
      assert.match(stderr, /VFRING_ERR_USAGE[\s\S]*remedy: .*Prolog=/);
    });

    test('a program outside of Slurm gets no VFs', async () => {
      const { status, stdout, stderr } = await cluster.trySh(1, `cd && ${MCA} && mpirun -n 2 --oversubscribe ${PINGPONG}`, USER);
      assert.notEqual(status, 0);
      assert.match(stdout + stderr, /the VFs of this node are given out by Slurm[\s\S]*--gres=vf:N/);
    });
  });

  describe('failures', () => {
    afterEach(() => cluster.sweep());

    test('slurmd is killed: what runs goes on with its VFs, and they come back when the next slurmd runs the epilog', async () => {
      const id = await cluster.submit('-N1 -n2 -w host2 --gres=vf:2', `${MCA}\nsrun --mpi=pmix ${LONG}`);
      const held = async (): Promise<number> => (JSON.parse(await cluster.sh(2, 'vfring lease --json')) as { job: string }[]).filter(({ job }) => job === `slurm-${id}`).length;
      await cluster.until('it has its VFs', async () => (await held()) === 2);
      await cluster.sh(2, 'pkill -9 -x slurmd');
      assert.equal(await held(), 2);
      await cluster.sh(2, 'systemctl start slurmd');
      assert.equal(await held(), 2);
      await cluster.sh(1, `scancel ${id}`, USER);
      assert.equal(await cluster.ended(id), 'CANCELLED');
      await cluster.bothClean();
    });

    test('vfringd is killed: the job goes on with its VFs, and the next vfringd knows it', async () => {
      const id = await cluster.submit('-N1 -n2 -w host2 --gres=vf:2', `${MCA}\n${until('/tmp/go')}; srun --mpi=pmix ${PINGPONG}`);
      await cluster.running(id);
      await cluster.sh(2, "pkill -9 -f '^node .*/vfringd/main.js'");
      await cluster.sh(2, 'systemctl start vfringd; touch /tmp/go');
      assert.equal(await cluster.ended(id), 'COMPLETED', await cluster.output(id));
      await cluster.bothClean();
      assert.equal((await cluster.records(id)).get('host2')?.get('processes'), 2);
    });

    test('vfringd is down at the prolog: the node is drained with the reason, the job runs on another', async () => {
      await cluster.sh(1, 'systemctl stop vfringd');
      // Of two idle nodes Slurm takes the first.
      const id = await cluster.submit('-N1 -n1 --gres=vf:1', 'hostname');
      await cluster.until('host1 is drained', async () => /^host1 vfring: VFRING_ERR_NO_DAEMON: .*remedy: start it/.test(await drained()));
      assert.match(await cluster.job(id, 'AdminComment'), /^vfring host1: VFRING_ERR_NO_DAEMON/);
      // Slurm would let it wait for two minutes.
      await cluster.until('the job waits', async () => (await cluster.trySh(1, `scontrol update JobId=${id} StartTime=now`)).status === 0 && (await cluster.state(id)) !== 'COMPLETING');
      assert.equal(await cluster.ended(id), 'COMPLETED');
      assert.equal(await cluster.sh(2, `cat ~mpi/out-${id}`), 'host2');
      await cluster.sh(1, 'systemctl start vfringd && scontrol update NodeName=host1 State=RESUME');
      await cluster.bothClean();
    });

    test('a VF that somebody drives after the job drains the node, with that for a reason', async () => {
      const id = await cluster.submit('-N1 -n1 -w host1 --gres=vf:1', until('/tmp/go'));
      await cluster.running(id);
      const [vf] = (await jobAt(cluster, 1, id)).assigned_vfs;
      const { vfs } = JSON.parse(await cluster.sh(1, 'vfring status --json')) as { vfs: { name: string; device: string }[] };
      const device = vfs.find(({ name }) => name === vf)?.device as string;
      // Root's, outside of the job: Slurm does not know of it.
      const hold = cluster.kind.real ? `exec 3<>${device}` : `exec 3<>${device}; flock 3`;
      await cluster.sh(1, `(${hold}; exec sleep 1000) </dev/null >/dev/null 2>&1 & echo $! >/tmp/holder; sleep 1; touch /tmp/go`);
      await cluster.until('host1 is drained', async () => new RegExp(`^host1 vfring: VFs of job \\d+ are not free and clean: ${vf}`).test(await drained()));
      await cluster.sh(1, 'kill $(cat /tmp/holder); scontrol update NodeName=host1 State=RESUME');
      await cluster.ended(id);
      await cluster.bothClean();
    });

    test('a host goes down: the job ends, and the other host has its VFs back', async () => {
      const id = await cluster.submit('-N2 -n2 --gres=vf:1 --no-requeue', until('/tmp/go'));
      await cluster.running(id);
      await cluster.node(2).switchOff();
      assert.equal(await cluster.ended(id), 'NODE_FAIL');
      await cluster.clean(1);
    });
  });
}

// SPDX-License-Identifier: BSD-3-Clause
/** What an administrator forgets, mistypes or lets die: jobs get no wrong VFs, and none is lost. */
import assert from 'node:assert/strict';
import { afterEach, describe, test } from 'node:test';
import { USER, type Cluster } from './cluster.js';
import { MCA, PINGPONG, jobAt, until } from './jobs.test.js';

export function brokenTests(cluster: Cluster): void {
  const drained = async (): Promise<string> => await cluster.sh(1, "sinfo -h -R -o '%n %E'");
  const resume = async (): Promise<void> => void await cluster.sh(1, 'scontrol update NodeName=host1 State=RESUME');

  describe('a part that is broken', () => {
    afterEach(() => cluster.sweep());

    test('gres.conf names a device that is no VF: the node is drained with that for a reason, and the doctor finds it', async () => {
      await cluster.sh(1, "cp /etc/slurm/gres.conf /etc/slurm/gres.before && sed -i '/^NodeName=host1 /s|File=.*|File=/dev/null,/dev/zero,/dev/full,/dev/random|' /etc/slurm/gres.conf && systemctl restart slurmd");
      try {
        await cluster.idle(`vf:${cluster.kind.vfs}`);
        const id = await cluster.submit('-N1 -n1 -w host1 --gres=vf:1', 'echo must not run');
        await cluster.until('host1 is drained', async () => /^host1 vfring: VFRING_ERR_NO_SUCH_VF: vfringd has no VF with the device node \/dev\/null \(remedy: .*vfring slurm gres/.test(await drained()));
        assert.match(await cluster.job(id, 'AdminComment'), /VFRING_ERR_NO_SUCH_VF/);
        await cluster.sh(1, `scancel ${id}`);
        assert.doesNotMatch(await cluster.output(id), /must not run/);
        const reports = JSON.parse((await cluster.trySh(1, 'vfring doctor --json')).stdout) as { check: string; verdict: string; cause: string }[];
        const [about] = reports.filter(({ check, verdict }) => check === 'slurm-vfs' && verdict === 'fail');
        assert.match(about?.cause ?? '', /^gres\.conf has no .*, and has \/dev\/null, \/dev\/zero, \/dev\/full, \/dev\/random, which vfringd does not know$/);
      } finally {
        await cluster.sh(1, 'mv /etc/slurm/gres.before /etc/slurm/gres.conf && systemctl restart slurmd');
        await resume();
      }
      await cluster.idle(`vf:${cluster.kind.vfs}`);
      await cluster.bothClean();
    });

    test('slurm.conf counts more VFs than gres.conf has: the node is taken out', async () => {
      await cluster.everywhere(async (n) => void await cluster.sh(n, "cp -p /etc/slurm/slurm.conf /etc/slurm/slurm.before && sed -i 's/Gres=vf:4/Gres=vf:9/' /etc/slurm/slurm.conf"));
      const restart = async (): Promise<void> => {
        await cluster.sh(1, 'systemctl restart slurmctld');
        await cluster.everywhere(async (n) => void await cluster.sh(n, 'systemctl restart slurmd'));
      };
      try {
        await restart();
        // Slurm takes those for VFs without a device node, and gives them out; the prolog does not.
        await cluster.idle('vf:9');
        await cluster.submit('-N1 -n1 -w host1 --gres=vf:9', 'echo must not run');
        const why = /^host1 vfring: VFRING_ERR_GRES: gres\.conf, as slurmd reads it for host1, has 4 VFs, and Slurm has given out the one at place 4/m;
        await cluster.until('host1 is taken out', async () => why.test(await drained()));
        await cluster.sweep();
      } finally {
        await cluster.everywhere(async (n) => void await cluster.sh(n, 'mv /etc/slurm/slurm.before /etc/slurm/slurm.conf'));
        await restart();
        await cluster.trySh(1, 'scontrol update NodeName=host[1-2] State=RESUME');
      }
      await cluster.idle(`vf:${cluster.kind.vfs}`);
    });

    test('a job that is cancelled while its prolog waits for vfringd leaves nothing behind', async () => {
      await cluster.sh(1, 'systemctl stop vfringd');
      const id = await cluster.submit('-N1 -n1 -w host1 --gres=vf:1 --no-requeue', 'echo must not run');
      await cluster.until('its prolog waits', async () => (await cluster.trySh(1, `pgrep -f 'vfring.* slurm prolog'`)).status === 0);
      await cluster.sh(1, `scancel ${id}`, USER);
      await cluster.sh(1, 'systemctl start vfringd');
      assert.match(await cluster.ended(id), /^(CANCELLED|NODE_FAIL|FAILED)$/);
      assert.doesNotMatch(await cluster.output(id), /must not run/);
      await cluster.bothClean();
      await cluster.trySh(1, 'scontrol update NodeName=host1 State=RESUME');
      await cluster.idle(`vf:${cluster.kind.vfs}`);
    });

    test('munge dies on a node: what runs goes on with its VFs, and they come back with munge', async () => {
      const id = await cluster.submit('-N1 -n2 -w host2 --gres=vf:2', `${until('/tmp/go')}\ntouch /tmp/gone`);
      await cluster.running(id);
      await cluster.sh(2, 'systemctl stop munge; touch /tmp/go');
      try {
        await cluster.until('the job is done', async () => (await cluster.trySh(2, 'rm /tmp/gone')).status === 0);
        // Slurm cannot say so to itself.
        assert.equal((await jobAt(cluster, 2, id)).state, 'open');
      } finally {
        await cluster.sh(2, 'systemctl start munge');
      }
      assert.equal(await cluster.ended(id), 'COMPLETED');
      await cluster.bothClean();
      await cluster.idle(`vf:${cluster.kind.vfs}`);
    });

    test('the accounting is down when a job ends: its VFs are back, and the node takes the next job', async () => {
      await cluster.sh(1, 'systemctl stop slurmdbd');
      try {
        const id = await cluster.submit('-N1 -n2 -w host1 --gres=vf:2', `${MCA}\nsrun --mpi=pmix ${PINGPONG}`);
        assert.equal(await cluster.ended(id), 'COMPLETED', await cluster.output(id));
        await cluster.bothClean();
        assert.equal(await drained(), '');
        const { totals } = JSON.parse(await cluster.sh(1, `vfring job slurm-${id} --json`)) as { totals: { leases: number } };
        assert.equal(totals.leases, 2);
      } finally {
        await cluster.sh(1, 'systemctl start slurmdbd');
        await cluster.until('the accounting answers', async () => (await cluster.trySh(1, 'sacctmgr -n list cluster')).status === 0);
      }
    });

    test('a user that a node does not know: the job fails, and the VFs are back', async () => {
      await cluster.sh(1, 'id third >/dev/null 2>&1 || useradd -m -u 1002 -s /bin/bash third');
      const id = await cluster.submit('-N1 -n1 -w host2 --gres=vf:1 --no-requeue', 'true', 'third');
      assert.match(await cluster.ended(id), /^(FAILED|NODE_FAIL|CANCELLED)$/);
      await cluster.bothClean();
      await cluster.trySh(1, 'scontrol update NodeName=host2 State=RESUME');
      await cluster.idle(`vf:${cluster.kind.vfs}`);
    });
  });
}

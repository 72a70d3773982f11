// SPDX-License-Identifier: BSD-3-Clause
/** What only real VFs and cgroups show: messages between hosts, and which nodes a process can open. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Cluster } from './cluster.js';
import { MCA, RING, jobAt } from './jobs.test.js';


export function deviceTests(cluster: Cluster): void {
  describe('over two hosts', () => {
    test('srun --mpi=pmix -N2 -n4: every rank over a VF of its own', async () => {
      const id = await cluster.submit('-N2 -n4 --ntasks-per-node=2 --gres=vf:2', `${MCA}\nsrun --mpi=pmix ${RING} 2>&1`);
      assert.equal(await cluster.ended(id), 'COMPLETED', await cluster.output(id));
      await cluster.bothClean();
      const records = await cluster.records(id);
      assert.deepEqual([...records.keys()].sort(), ['host1', 'host2']);
      for (const [host, record] of records) {
        assert.equal(record.get('processes'), 2, host);
        assert.ok((record.get('tx_bytes') ?? 0) > 0, host);
        assert.ok((record.get('peak_pinned_bytes') ?? 0) > 0, host);
      }
    });

    test('sbatch with mpirun over both', async () => {
      const id = await cluster.submit('-N2 -n4 --ntasks-per-node=2 --gres=vf:2', `${MCA}\nmpirun ${RING} 2>&1`);
      assert.equal(await cluster.ended(id), 'COMPLETED', await cluster.output(id));
      assert.equal((await jobAt(cluster, 2, id)).leases.length, 2);
      await cluster.bothClean();
    });
  });

  describe('the devices cgroup', () => {
    const tryAll = 'for f in /dev/uiovf*; do (exec 3<>$f) 2>&1 | grep -o "Operation not permitted\\|Permission denied" | sed "s|^|$f |"; done';

    test("a process can open no VF but its job's, and that only when vfringd has handed it over", async () => {
      // As root in the job, so that owner and mode do not count: what is left is the cgroup.
      const id = await cluster.submit('-N1 -n1 -w host1 --gres=vf:1', `srun sh -c '${tryAll.replaceAll("'", "'\\''")}'`);
      assert.equal(await cluster.ended(id), 'COMPLETED', await cluster.output(id));
      // The kernel asks for owner and mode before the cgroup.
      assert.equal((await cluster.output(id)).match(/Permission denied/g)?.length, 4);
      const root = await cluster.submit('-N1 -n1 -w host1 --gres=vf:1', tryAll, 'root');
      assert.equal(await cluster.ended(root), 'COMPLETED');
      const [own] = (await jobAt(cluster, 1, root)).assigned_vfs;
      const device = await cluster.sh(1, `echo /dev/$(ls /sys/bus/pci/devices/${own}/uio_vf)`);
      const refused = (await cluster.sh(1, `cat ~/out-${root}`)).split('\n').map((line) => line.split(' ')[0]);
      assert.equal(refused.length, 3);
      assert.ok(!refused.includes(device), `${device} among ${refused.join(' ')}`);
      await cluster.bothClean();
    });
  });
}

// SPDX-License-Identifier: BSD-3-Clause
/** Messages cross the VFs, and nothing else carries them. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { allReturned, asUser, leasesEnded, mpirun, vfringRun, type Daemon, type Site, type VfCounters } from './site.js';

const FCS_BYTES = 4;
const HEADER_BYTES = 56;
const SHORTEST_FRAME = 60;

/** Differences of 32-bit counters. */
function between(before: VfCounters, after: VfCounters): VfCounters {
  const d = (key: keyof VfCounters): number => (after[key] - before[key] + 2 ** 32) % 2 ** 32;
  return { txFrames: d('txFrames'), rxFrames: d('rxFrames'), txBytes: d('txBytes'), rxBytes: d('rxBytes') };
}

export function carryTests(site: Site): void {
  describe(`messages over ${site.kind} VFs`, () => {
    let daemon: Daemon;
    before(async () => {
      daemon = await site.startDaemon({ vfs: 4 });
    });
    after(async () => {
      await daemon.stop();
    });

    test('vfring run carries a ping-pong of 0 B to 4 MiB with every byte intact', async () => {
      const result = await asUser(site, vfringRun(2, join(site.programs, 'pingpong'), '--quick'), { timeoutS: 900 });
      assert.equal(result.status, 0, result.stdout + result.stderr);
      await allReturned(site);
      // In MPI_Finalize, not when vfringd noticed that the process was gone.
      assert.deepEqual(await leasesEnded(site), { released: 2 });
    });

    test('plain mpirun with --mca btl self,vfring carries it as well', async () => {
      const result = await asUser(site, mpirun(2, join(site.programs, 'pingpong'), '--quick', '--max', '65536'), { timeoutS: 600 });
      assert.equal(result.status, 0, result.stdout + result.stderr);
      await allReturned(site);
    });

    test('processes that sleep instead of polling wake up, also on VFs that have interrupted before', async () => {
      for (const run of ['the first', 'the second']) {
        const result = await asUser(site, mpirun(4, '--mca', 'btl_vfring_wait', 'event', join(site.programs, 'ring'), '--quick'), { timeoutS: 600 });
        assert.equal(result.status, 0, `${run}: ${result.stdout}${result.stderr}`);
        await allReturned(site);
      }
    });

    test("the VFs' own counters account for the traffic", { skip: !site.counted }, async () => {
      const start = await site.counters();
      const iterations = 200;
      const bytes = 1024;
      const result = await asUser(site, vfringRun(2, join(site.programs, 'pingpong'),
        '--min', String(bytes), '--max', String(bytes), '--iters', String(iterations)), { timeoutS: 600 });
      assert.equal(result.status, 0, result.stdout + result.stderr);
      const end = await site.counters();
      const moved = [...end].map(([path, after]) => between(start.get(path) as VfCounters, after)).filter((c) => c.txFrames > 0);
      assert.equal(moved.length, 2, 'two VFs have sent');
      const [a, b] = moved as [VfCounters, VfCounters];
      for (const [from, to] of [[a, b], [b, a]] as const) {
        assert.ok(from.txFrames >= iterations, `${from.txFrames} frames for ${iterations} messages`);
        assert.ok(from.txBytes >= iterations * (bytes + HEADER_BYTES + FCS_BYTES), `${from.txBytes} bytes sent`);
        // What one VF has sent the other has received: no third party, and no other way. But a process that
        // ends pays its last acknowledgement, which may find the other one gone.
        const late = from.txFrames - to.rxFrames;
        assert.ok(late === 0 || late === 1, `${from.txFrames} frames sent, ${to.rxFrames} received`);
        assert.equal(to.rxBytes, from.txBytes - late * (SHORTEST_FRAME + FCS_BYTES));
      }
    });

    test('ring and all-to-all with 4 ranks', async () => {
      for (const program of ['ring', 'alltoall']) {
        const result = await asUser(site, vfringRun(4, join(site.programs, program), '--quick'), { timeoutS: 1200 });
        assert.equal(result.status, 0, result.stdout + result.stderr);
      }
      await allReturned(site);
    });

    test('--local sm leaves ranks of one node to shared memory, and says so', async () => {
      const argv = vfringRun(2, join(site.programs, 'pingpong'), '--min', '8', '--max', '8', '--iters', '50');
      const result = await asUser(site, argv.map((arg) => (arg === 'vf' ? 'sm' : arg)), { timeoutS: 300 });
      assert.equal(result.status, 0, result.stdout + result.stderr);
      assert.match(result.stderr, /--local sm/);
    });

    test('bandwidth with 64 messages under way', async () => {
      const result = await asUser(site, vfringRun(2, join(site.programs, 'bandwidth'), '--quick'), { timeoutS: 900 });
      assert.equal(result.status, 0, result.stdout + result.stderr);
    });

    test('windows in both directions, and of messages that nobody has asked for', async () => {
      for (const pattern of ['both-ways', 'unexpected']) {
        const result = await asUser(site, vfringRun(2, join(site.programs, 'bandwidth'), '--quick', '--samples', '2', '--sizes', '8,20000', '--pattern', pattern), { timeoutS: 900 });
        assert.equal(result.status, 0, `${pattern}: ${result.stdout}${result.stderr}`);
      }
    });

    test('one-sided accesses, collectives, overlap, threads and the start of a job are measured, and every byte is intact', async () => {
      const few = ['--quick', '--iters', '3', '--sizes', '8,20000'];
      for (const [program, ...args] of [['putget', ...few, '--window', '4'], ['colltimes', ...few], ['overlap', ...few], ['threadrate', ...few, '--window', '8'], ['startup']] as const) {
        const result = await asUser(site, vfringRun(2, join(site.programs, program), ...args), { timeoutS: 900 });
        assert.equal(result.status, 0, `${program}: ${result.stdout}${result.stderr}`);
      }
      await allReturned(site);
    });

    test('no system call on the data path', async () => {
      // strace counts; what 20 times as many messages add is the data path.
      const calls = async (iterations: number): Promise<number> => {
        const summary = join(site.scratch, `strace.${iterations}`);
        const result = await asUser(site, vfringRun(2, 'sh', '-c',
          `if [ "$OMPI_COMM_WORLD_RANK" = 0 ]; then exec strace -f -c -S calls -o ${summary} "$@"; fi; exec "$@"`, 'sh',
          join(site.programs, 'pingpong'), '--min', '8', '--max', '8', '--iters', String(iterations)), { timeoutS: 600 });
        assert.equal(result.status, 0, result.stdout + result.stderr);
        const { stdout } = await site.admin(['cat', summary]);
        let total = 0;
        for (const line of stdout.split('\n')) {
          const fields = line.trim().split(/\s+/);
          const name = fields.at(-1) ?? '';
          // Threads of PMIx and of libevent, and the helper of the BTL, wait on their own, as long as the run takes.
          if (/^\d/.test(fields[0] ?? '') && !['total', 'epoll_wait', 'clock_nanosleep', 'futex', 'poll', 'sched_yield', 'restart_syscall', 'ppoll', 'select'].includes(name)) {
            total += Number(fields[3]);
          }
        }
        assert.ok(total > 100, `strace has counted: ${stdout}`);
        return total;
      };
      const few = await calls(100);
      const many = await calls(2000);
      assert.ok(Math.abs(many - few) < 400, `${few} system calls with 100 round trips, ${many} with 2000`);
    });

    test('every process of all these jobs has given its lease back', async () => {
      assert.deepEqual(Object.keys(await leasesEnded(site)), ['released']);
    });
  });
}

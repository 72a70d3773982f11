// SPDX-License-Identifier: BSD-3-Clause
/** However a job ends, its VFs are back with the daemon, and the next job gets them. */
import assert from 'node:assert/strict';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { allReturned, asUser, leasesEnded, messagesFlow, mpirun, vfringRun, type Daemon, type Site } from './site.js';

/** Processes of the job that run `program`, by pid. */
async function ranks(program: string): Promise<number[]> {
  const found: number[] = [];
  for (const entry of await readdir('/proc')) {
    if (/^\d+$/.test(entry)) {
      const argv = await readFile(`/proc/${entry}/cmdline`, 'utf8').catch(() => '');
      if (argv.split('\0')[0] === program) {
        found.push(Number(entry));
      }
    }
  }
  return found;
}

/** A rank may have ended by itself meanwhile: it notices when mpirun or another rank is gone. */
function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') {
      throw error;
    }
  }
}

export function crashTests(site: Site): void {
  describe(`${site.kind}: jobs that end badly`, () => {
    let daemon: Daemon;
    const program = join(site.programs, 'pingpong');
    // Long enough to be killed in the middle, whatever the machine's speed.
    const endless = [program, '--min', '1024', '--max', '1024', '--iters', '1000000', '--samples', '1000'];

    before(async () => {
      daemon = await site.startDaemon({ vfs: 2 });
    });
    after(async () => {
      await daemon.stop();
    });

    /** Starts the job, and waits until both ranks drive their VFs. */
    async function start(argv = mpirun(2, ...endless)): Promise<ReturnType<Site['user']>> {
      const job = site.user(argv, { timeoutS: 600 });
      await job.until('both ranks have opened a VF', async () => {
        const nodes = await site.nodes();
        return nodes.filter((node) => node.state === 'open' && node.uid === site.openerUid).length === 2;
      });
      await messagesFlow(site, job, 'messages flow', 2);
      return job;
    }

    async function nextJobRuns(): Promise<void> {
      await allReturned(site);
      const result = await asUser(site, vfringRun(2, program, '--min', '0', '--max', '64', '--iters', '20'), { timeoutS: 600 });
      assert.equal(result.status, 0, result.stdout + result.stderr);
      await allReturned(site);
    }

    test('a leased node belongs to its opener alone, mode 0600', async () => {
      const job = await start();
      const leased = (await site.nodes()).filter((node) => node.state === 'open');
      assert.deepEqual(leased.map(({ uid, mode }) => ({ uid, mode })), [
        { uid: site.openerUid, mode: 0o600 }, { uid: site.openerUid, mode: 0o600 },
      ]);
      job.killGroup('SIGKILL');
      await job.done;
      (await ranks(program)).forEach(kill);
      await nextJobRuns();
      // The killed ones could not give theirs back; the job after them did.
      assert.deepEqual(await leasesEnded(site), { 'process ended': 2, released: 2 });
    });

    test('kill -9 of a rank: the job ends, and says which one, on which host and VF, and how', async () => {
      const job = await start(vfringRun(2, ...endless));
      const pid = (await ranks(program))[0] as number;
      const rank = /OMPI_COMM_WORLD_RANK=(\d+)/.exec(await readFile(`/proc/${pid}/environ`, 'utf8'))?.[1] as string;
      process.kill(pid, 'SIGKILL');
      const { status, stdout, stderr } = await job.done;
      assert.equal(status, 137, stdout + stderr);
      assert.match((stdout + stderr).replace(/\s+/g, ' '), new RegExp(`process rank ${rank} with PID \\d+ on node \\S+ exited on signal 9`));
      assert.match(stderr, new RegExp(`^vfring: .*rank ${rank} \\(VF \\S+ of PF \\S+\\).* ended without MPI_Finalize`, 'm'));
      await nextJobRuns();
    });

    test('kill -9 of mpirun', async () => {
      const job = await start();
      process.kill(job.pid, 'SIGKILL');
      await job.done;
      await nextJobRuns();
      assert.deepEqual(await ranks(program), [], 'the ranks have ended too');
    });

    test('kill -9 of mpirun and of its ranks together', async () => {
      const job = await start();
      [job.pid, ...(await ranks(program))].forEach(kill);
      await job.done;
      await nextJobRuns();
    });

    test('kill -9 of vfringd: the job goes on, and the next vfringd takes its leases over', async () => {
      const job = await start();
      const owners = (await site.nodes()).map(({ path, uid, mode, state }) => ({ path, uid, mode, state }));
      daemon.running.child.kill('SIGKILL');
      await daemon.running.done;
      daemon = await site.startDaemon({ vfs: 2 });
      assert.deepEqual((await site.nodes()).map(({ path, uid, mode, state }) => ({ path, uid, mode, state })), owners);
      await messagesFlow(site, job, 'messages go on', 2);
      const { stdout } = await site.admin(['vfring', 'status', '--json']);
      assert.equal((JSON.parse(stdout) as { vfs: { state: string }[] }).vfs.filter((vf) => vf.state === 'leased').length, 2);
      (await ranks(program)).forEach(kill);
      await job.done;
      await nextJobRuns();
    });

    test('SIGTERM to vfringd takes the VFs back and leaves nothing behind', async () => {
      const result = await daemon.stop();
      assert.equal(result.status, 0, result.stderr);
      await allReturned(site);
      daemon = await site.startDaemon({ vfs: 2 });
      await nextJobRuns();
    });
  });
}

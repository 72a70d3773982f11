// SPDX-License-Identifier: BSD-3-Clause
/** What is done to VFs while vfringd runs: by administrators, by the kernel, and by a changed configuration. */
import assert from 'node:assert/strict';
import { chmodSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { eventually, type Running } from './run.js';
import { allReturned, asUser, mpirun, vfringRun, type Daemon, type Site } from './site.js';

interface StatusVf {
  readonly name: string;
  readonly device: string;
  readonly mac: string;
  readonly state: string;
  readonly reason: string | null;
  readonly pf: string;
}

const VFS = { vfs: 2, spread: 'pack' } as const;

export function disturbTests(site: Site): void {
  describe(`${site.kind}: what is done to VFs while vfringd runs`, () => {
    let daemon: Daemon;
    const program = join(site.programs, 'pingpong');

    before(async () => {
      daemon = await site.startDaemon(VFS);
    });
    after(async () => {
      await daemon.stop();
    });

    const must = async (...argv: string[]): Promise<string> => {
      const { status, stdout, stderr } = await site.admin(argv);
      assert.equal(status, 0, `${argv.join(' ')}: ${stdout}${stderr}`);
      return stdout;
    };
    const vfs = async (): Promise<readonly StatusVf[]> => (JSON.parse(await must('vfring', 'status', '--json')) as { vfs: StatusVf[] }).vfs;
    const ids = (list: readonly StatusVf[]): object[] => list.map(({ name, mac }) => ({ name, mac }));

    /** A job that goes on until it is ended, and drives both VFs. */
    async function start(): Promise<Running> {
      const job = site.user(mpirun(2, program, '--min', '1024', '--max', '1024', '--iters', '1000000', '--samples', '1000'), { timeoutS: 600 });
      const sent = await site.counters();
      await job.until('messages flow over both VFs', async () =>
        [...(await site.counters())].filter(([path, c]) => c.txFrames > (sent.get(path)?.txFrames ?? 0) + 20).length === 2);
      return job;
    }

    async function nextJobRuns(): Promise<void> {
      await eventually('both VFs are free', async () => {
        const now = await vfs();
        return now.length === 2 && now.every(({ state }) => state === 'free');
      });
      const result = await asUser(site, vfringRun(2, program, '--min', '0', '--max', '64', '--iters', '20'), { timeoutS: 600 });
      assert.equal(result.status, 0, result.stdout + result.stderr);
      await allReturned(site);
    }

    /** A VF was reset: its process sets it up anew, says so, and the job goes on over both. */
    async function goesOn(job: Running, cause: RegExp): Promise<void> {
      await job.until('a VF that was reset works again', () => /works again, and is used again/.test(job.stdout + job.stderr));
      const sent = await site.counters();
      await job.until('messages flow over both VFs again', async () =>
        [...(await site.counters())].filter(([path, c]) => c.txFrames > (sent.get(path)?.txFrames ?? 0) + 20).length === 2);
      job.killGroup('SIGTERM');
      const { stdout, stderr } = await job.done;
      assert.match((stdout + stderr).replace(/\s+/g, ' '), cause, stdout + stderr);
      await nextJobRuns();
    }

    test('a leased node that is opened up is its user\'s alone again, and the job goes on', async () => {
      const job = await start();
      const [node] = (await site.nodes()).filter(({ state }) => state === 'open');
      chmodSync(node?.path as string, 0o666);
      await eventually('the node is private again', async () =>
        (await site.nodes()).some(({ path, mode, uid, state }) => path === node?.path && mode === 0o600 && uid === site.userUid && state === 'open'));
      const sent = (await site.counters()).get(node?.path as string)?.txFrames as number;
      await job.until('messages go on', async () => ((await site.counters()).get(node?.path as string)?.txFrames ?? 0) > sent + 20);
      job.killGroup('SIGKILL');
      await job.done;
      await nextJobRuns();
    });

    test('each lease of a VF has a generation of its own, which only grows', async () => {
      const [vf] = await vfs();
      const generations = async (): Promise<number[]> => {
        const leases = JSON.parse(await must('vfring', 'vf', vf?.name as string, '--json')) as { vfs: { name: string; generation: number }[] }[];
        return leases.flatMap((lease) => lease.vfs.filter((entry) => entry.name === vf?.name).map(({ generation }) => generation)).sort((a, b) => a - b);
      };
      const before = await generations();
      await nextJobRuns();
      const after = await generations();
      // Only the last leases are listed: the oldest may have left the list.
      const last = before.at(-1) as number;
      assert.deepEqual(after.slice(-2), [last, last + 1]);
      assert.equal(new Set(after).size, after.length);
    });

    test('a configuration that takes a VF from a job: the plan names it, provision refuses, --force does it', async () => {
      const job = await start();
      const file = site.configure({ ...VFS, vfs: 1 });
      const plan = JSON.parse(await must('vfring', 'provision', '--plan', '--json', '--config', file)) as { what: string; disturbs?: string[] }[];
      assert.notDeepEqual(plan.flatMap(({ disturbs }) => disturbs ?? []), [], JSON.stringify(plan));
      const refused = await site.admin(['vfring', 'provision']);
      assert.equal(refused.status, 69, refused.stdout + refused.stderr);
      assert.match(refused.stderr, /VFRING_ERR_(DISTURBS|VFS_IN_USE)/);
      const sent = await site.counters();
      await job.until('the job has not noticed', async () =>
        [...(await site.counters())].filter(([path, c]) => c.txFrames > (sent.get(path)?.txFrames ?? 0) + 20).length === 2);
      await must('vfring', 'provision', '--force');
      await eventually('there is one VF', async () => (await vfs()).length === 1);
      const { status } = await job.done;
      assert.notEqual(status, 0);
      site.configure(VFS);
      await must('vfring', 'provision');
      await nextJobRuns();
    });

    if (site.kind === 'sriov') {
      // By name alone: what comes and goes cannot be looked into.
      const nodes = (): number => readdirSync('/sys/class/uio_vf').length;
      let others = 0; // VFs of other PFs, which an earlier configuration has left
      before(() => {
        others = nodes() - 2;
      });
      const bound = (): number => nodes() - others;
      const sysfs = (pf: string, file: string): string => `/sys/class/net/${pf}/device/${file}`;

      test('VFs that somebody takes away come back with their MACs, as soon as the kernel announces it', async () => {
        const before = await vfs();
        writeFileSync(sysfs(before[0]?.pf as string, 'sriov_numvfs'), '0');
        let seen: unknown;
        await eventually('the VFs are back', async () => {
          const now = await vfs();
          seen = { nodes: bound(), vfs: now };
          return now.length === 2 && now.every(({ state }) => state === 'free') && bound() === 2;
        }).catch((error: unknown) => assert.fail(`${String(error)}: ${JSON.stringify(seen)}`));
        assert.deepEqual(ids(await vfs()), ids(before));
        await nextJobRuns();
      });

      test('a VF that somebody unbinds is bound again', async () => {
        const [vf] = await vfs();
        writeFileSync('/sys/bus/pci/drivers/uio_vf/unbind', vf?.name as string);
        await eventually('it is back', () => bound() === 2);
        await nextJobRuns();
      });

      test('VFs that are taken away under a job: the job ends with a reason, the next one runs', async () => {
        const [vf] = await vfs();
        const job = await start();
        writeFileSync(sysfs(vf?.pf as string, 'sriov_numvfs'), '0');
        const { status, stdout, stderr } = await job.done;
        assert.notEqual(status, 0);
        assert.match((stdout + stderr).replace(/\s+/g, ' '), /gone|removed|unbound|taken away|reset|link/i, stdout + stderr);
        await nextJobRuns();
      });

      test('a VF that the administrator resets under a job: the job names that, and goes on', async () => {
        const [vf] = await vfs();
        const job = await start();
        writeFileSync(`/sys/bus/pci/devices/${vf?.name as string}/reset`, '1');
        await goesOn(job, /the VF was reset by the administrator/);
      });

      // With igb, each of these is a reset of the whole card.
      for (const { what, change, back } of [
        { what: 'a new MTU of the PF', change: 'ip link set PF mtu 1500', back: 'ip link set PF mtu 9000' },
        { what: 'new rings of the PF', change: 'ethtool -G PF rx 512', back: 'ethtool -G PF rx 256' },
        { what: 'a PF that is set down', change: 'ip link set PF down', back: 'ip link set PF up' },
      ]) {
        test(`${what} under a job: the job names that, and goes on`, async () => {
          const [vf] = await vfs();
          const job = await start();
          await must(...change.replace('PF', vf?.pf as string).split(' '));
          await job.until('it says that its VF was reset', () => job.stdout.concat(job.stderr).includes('was reset'));
          await must(...back.replace('PF', vf?.pf as string).split(' '));
          await goesOn(job, /its PF was reset or set down/);
        });
      }

      test('the PF is reset by its driver: its VFs serve the next job', async () => {
        const before = await vfs();
        const pf = before[0]?.pf as string;
        // A new MTU is a reset of the whole card with igb.
        await must('ip', 'link', 'set', pf, 'mtu', '1500');
        await must('ip', 'link', 'set', pf, 'mtu', '9000');
        await nextJobRuns();
        assert.deepEqual(ids(await vfs()), ids(before));
      });
    }
  });
}

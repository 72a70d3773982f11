// SPDX-License-Identifier: BSD-3-Clause
/** Several VFs a process: how many and which it gets, and a job that goes on when one is taken from it. */
import assert from 'node:assert/strict';
import { readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, describe, test, type TestContext } from 'node:test';
import { eventually, type RunResult, type Running } from './run.js';
import { allReturned, asUser, messagesFlow, type Daemon, type Site } from './site.js';

interface Lease {
  readonly id: string;
  readonly rank: number;
  readonly vfs: readonly { readonly name: string; readonly pf: string; readonly device: string; readonly taken_how: string | null; readonly asides: number | null; readonly traffic: { readonly tx_frames: number } | null }[];
}

interface Job {
  readonly totals: { readonly leases: number; readonly fallbacks: number };
  readonly leases: readonly Lease[];
}

/** As an administrator does: a real VF is unbound and bound again, a soft one is made anew. */
async function takeAndBring(site: Site, { name, device }: { readonly name: string; readonly device: string }, between: () => Promise<void>): Promise<void> {
  if (site.kind === 'sriov') {
    writeFileSync('/sys/bus/pci/drivers/uio_vf/unbind', name);
    await between();
    writeFileSync('/sys/bus/pci/drivers/uio_vf/bind', name);
    return;
  }
  const tool = join(site.programs, 'vfring-softvf');
  const { stdout } = await site.admin([tool, 'show', device]);
  const { mac, mtu, index } = JSON.parse(stdout) as { mac: string; mtu: number; index: number };
  await site.admin([tool, 'destroy', device]);
  await between();
  const { status, stderr } = await site.admin([tool, 'create', dirname(device), '--index', String(index), '--mac', mac, '--mtu', String(mtu)]);
  assert.equal(status, 0, stderr);
}

export function railsTests(site: Site): void {
  describe(`${site.kind}: several VFs a process`, () => {
    let daemon: Daemon;
    const program = join(site.programs, 'pingpong');
    const run = (ranks: number, options: readonly string[], ...program: string[]): string[] =>
      ['vfring', 'run', '--local', 'vf', '-n', String(ranks), ...options, '--oversubscribe', '--', ...program];
    // Of real VFs one a PF without asking; soft ones are all of one PF, and have to be asked for.
    const two = site.kind === 'soft' ? ['--rails', '2'] : [];

    before(async () => {
      daemon = await site.startDaemon({ vfs: 6, rails: 2 });
    });
    after(async () => {
      await daemon.stop();
    });

    const json = async <T>(...argv: string[]): Promise<T> => {
      const { status, stdout, stderr } = await site.admin([...argv, '--json']);
      assert.equal(status, 0, `${argv.join(' ')}: ${stdout}${stderr}`);
      return JSON.parse(stdout) as T;
    };
    const jobOf = (result: RunResult): string => /^vfring: job (\S+):/m.exec(result.stderr)?.[1] as string;
    const lines = ({ stderr }: RunResult): string[] =>
      [...stderr.matchAll(/^vfring: (rank \d+: rail \d+), VF \S+ of PF \S+: (.*)$/gm)]
        .filter(([, , carried]) => !site.counted || /^out [1-9]/.test(carried as string)).map(([, rail]) => rail as string);
    type LeasedVf = Lease['vfs'][number];
    /** By the VF, or by all of its PF. */
    const sentBy = async ({ device, pf }: LeasedVf): Promise<number> => (await site.sent()).get(site.counted ? device : pf) ?? 0;

    /** A job of two ranks that drive two VFs each and compare every byte of their messages, until it is told to end. */
    async function start(t: TestContext): Promise<{ readonly job: Running; readonly end: () => Promise<RunResult> }> {
      const over = join(site.scratch, 'over');
      rmSync(over, { force: true });
      const job = site.user(run(2, two, program, '--check-all', '--sizes', '16K', '--iters', '50', '--samples', '1', '--until', over), { timeoutS: 1800 });
      t.after(() => job.killGroup('SIGKILL'));
      await messagesFlow(site, job, 'both ranks drive two VFs, and messages flow', 4, 5);
      return {
        job,
        end: async () => {
          writeFileSync(over, '');
          return await job.done;
        },
      };
    }

    test('each rank drives two, and both carry', async () => {
      const result = await asUser(site, run(2, two, program, '--check-all', '--sizes', '0,8,4K,256K,1M', '--iters', '20', '--samples', '2'), { timeoutS: 600 });
      assert.equal(result.status, 0, result.stdout + result.stderr);
      const job = await json<Job>('vfring', 'job', jobOf(result));
      assert.deepEqual(job.leases.map(({ rank, vfs }) => [rank, vfs.length]).sort(), [[0, 2], [1, 2]]);
      assert.equal(job.totals.fallbacks, 0);
      for (const { vfs } of job.leases) {
        assert.ok(vfs.every(({ traffic }) => (site.counted ? (traffic?.tx_frames ?? 0) > 0 : traffic === null)), JSON.stringify(vfs));
        assert.equal(new Set(vfs.map(({ pf }) => pf)).size, site.kind === 'soft' ? 1 : 2);
      }
      assert.deepEqual(lines(result), ['rank 0: rail 0', 'rank 0: rail 1', 'rank 1: rail 0', 'rank 1: rail 1']);
      await allReturned(site);
    });

    test('no rank goes without because others have two', async () => {
      const result = await asUser(site, run(4, [], program, '--sizes', '8', '--iters', '20', '--samples', '1'), { timeoutS: 600 });
      assert.equal(result.status, 0, result.stdout + result.stderr);
      const job = await json<Job>('vfring', 'job', jobOf(result));
      assert.deepEqual(job.leases.map(({ rank, vfs }) => [rank, vfs.length]).sort(), [[0, 1], [1, 1], [2, 1], [3, 1]]);
      await allReturned(site);
    });

    test('more than there are is refused before anything runs', async () => {
      const { status, stderr } = await asUser(site, run(2, ['--rails', '4'], program));
      assert.equal(status, 69, stderr);
      assert.match(stderr, /VFRING_ERR_TOO_MANY_RAILS: 2 ranks with 4 VFs each need 8 VFs, and 6 can be had/);
    });

    test('one that the administrator takes in the middle: the job goes on over the rest, nothing is lost, and it is free for others', async (t) => {
      const { job, end } = await start(t);
      const leases = (await json<Lease[]>('vfring', 'lease', 'list')).sort((a, b) => a.rank - b.rank);
      assert.deepEqual(leases.map(({ vfs }) => vfs.length), [2, 2]);
      const [{ id, vfs: [taken, kept] }] = leases as unknown as [{ id: string; vfs: [LeasedVf, LeasedVf] }];

      const { status, stderr } = await site.admin(['vfring', 'lease', 'end', id, '--vf', taken.name]);
      assert.equal(status, 0, stderr);
      assert.match(stderr, /which goes on with its others/);
      const explained = await json<{ pairs: { rails: { vfs: string[]; aside: string | null }[] }[] }>('vfring', 'explain', (await json<{ id: string }[]>('vfring', 'job'))[0]?.id as string);
      assert.match(explained.pairs[0]?.rails.find(({ vfs }) => vfs.includes(taken.name))?.aside ?? '', /taken away \(ended by the administrator\)/);
      assert.equal(explained.pairs[0]?.rails.find(({ vfs }) => vfs.includes(kept.name))?.aside, null);
      // Its process lets it go, and it is whoever's next.
      await job.until('the VF that was taken is free', async () =>
        (await json<{ vfs: { name: string; state: string }[] }>('vfring', 'status')).vfs.find(({ name }) => name === taken.name)?.state === 'free');
      await job.until('its process has said that it set it aside', async () =>
        (await json<{ leases: Lease[] }[]>('vfring', 'job'))[0]?.leases.some(({ vfs }) => vfs.some(({ name, asides }) => name === taken.name && (asides ?? 0) > 0)) === true);
      const before = await sentBy(kept);
      await job.until('messages go on over the other', async () => (await sentBy(kept)) > before + 20);

      const result = await end();
      assert.equal(result.status, 0, result.stdout + result.stderr);
      assert.match(result.stderr, new RegExp(`rank 0: rail \\d, VF ${taken.name} .*set aside .*taken away at \\S+ \\(ended by the administrator\\)`));
      const report = await json<Job>('vfring', 'job', jobOf(result));
      assert.deepEqual(report.leases.flatMap(({ vfs }) => vfs.filter(({ taken_how: how }) => how !== null).map(({ name }) => name)), [taken.name]);
      await allReturned(site);
    });

    test('one that is unbound and bound again in the middle is its process\'s again, which uses it; it has what it may register', { skip: !site.counted && 'the kernel waits for its process with vfio-pci' }, async (t) => {
      const { job, end } = await start(t);
      const leases = async (): Promise<Lease[]> => (await json<Lease[]>('vfring', 'lease', 'list')).sort((a, b) => a.rank - b.rank);
      const [{ vfs: [vf] }] = (await leases()) as unknown as [{ vfs: [Lease['vfs'][number]] }];
      const owner = statSync(vf.device).uid;
      const says = (what: RegExp): boolean => what.test(`${job.stdout} ${job.stderr}`.replace(/\s+/g, ' '));
      await takeAndBring(site, vf, () => job.until('its process has set it aside', () => says(/does not work and is set aside/)));
      const device = async (): Promise<string> => (await leases())[0]?.vfs.find(({ name }) => name === vf.name)?.device ?? '';
      if (site.kind === 'sriov') {
        await job.until('vfringd knows it by its new node', async () => (await device()) !== vf.device);
      }
      const now = await device();
      await job.until('its node is the user\'s again', async () => statSync(now).uid === owner);
      await job.until('its process uses it again', () => says(/works again, and is used again/));
      const before = await sentBy({ ...vf, device: now });
      await job.until('frames go by it', async () => (await sentBy({ ...vf, device: now })) > before + 20);
      const { status, stdout, stderr } = await end();
      assert.equal(status, 0, stdout + stderr);
      await allReturned(site);
    });

    test('with the last one taken the job ends, and says why', async (t) => {
      const { job } = await start(t);
      const [lease] = (await json<Lease[]>('vfring', 'lease', 'list')) as [Lease];
      for (const { name } of lease.vfs) {
        const { status, stderr } = await site.admin(['vfring', 'lease', 'end', lease.id, '--vf', name]);
        assert.equal(status, 0, stderr);
      }
      await eventually('the lease has ended', async () => !(await json<Lease[]>('vfring', 'lease', 'list')).some(({ id }) => id === lease.id));
      if (site.kind === 'sriov') {
        // Who still drives its last real VF may finish.
        job.killGroup('SIGKILL');
        await job.done;
      } else {
        const { status } = await job.done;
        assert.notEqual(status, 0);
      }
      await allReturned(site);
    });

    if (site.kind === 'sriov') {
      test('fifty resets of one rail or another: nothing is lost, and each is used again', async (t) => {
        const { job, end } = await start(t);
        const vfs = (await json<Lease[]>('vfring', 'lease', 'list')).flatMap((lease) => lease.vfs);
        for (let reset = 0; reset < 50; reset++) {
          const vf = vfs[reset % vfs.length] as LeasedVf;
          writeFileSync(`/sys/bus/pci/devices/${vf.name}/reset`, '1');
          let before = await sentBy(vf);
          await job.until(`VF ${vf.name} carries frames again`, async () => {
            const now = await sentBy(vf);
            before = Math.min(before, now); // a reset clears the counter
            return now > before + 5;
          });
        }
        // vfringd knows before the job is over.
        const told = async (): Promise<number[]> => [...(await site.admin(['vfring', 'metrics'])).stdout.matchAll(/^vfring_vf_asides_total\{.*\} (\d+)$/gm)].map(([, times]) => Number(times));
        await job.until('vfringd has heard of each VF that it was set aside', async () => (await told()).filter((times) => times > 0).length === 4);
        const result = await end();
        assert.equal(result.status, 0, result.stdout + result.stderr);
        const { leases, totals } = await json<Job>('vfring', 'job', jobOf(result));
        const asides = leases.flatMap((lease) => lease.vfs.map((vf) => vf.asides ?? 0));
        assert.ok(asides.length === 4 && asides.every((times) => times >= 12), `each was set aside at each of its resets: ${asides.join(', ')}`);
        assert.equal(totals.fallbacks, 0);
        await allReturned(site);
      });

      test('the VFs of one process share an IOMMU address space', { skip: !site.counted }, async () => {
        const job = site.user(run(2, two, program, '--sizes', '1K', '--iters', '1000000', '--samples', '1000'), { timeoutS: 600 });
        await job.until('four VFs are driven', async () => (await site.nodes()).filter(({ state }) => state === 'open').length === 4);
        const leases = await json<Lease[]>('vfring', 'lease', 'list');
        // Which domain a device is in the kernel says by the mappings that it counts: what one of them has, all of a space have.
        const live = new Map((await site.nodes()).map(({ path, dmaLiveBytes }) => [path, dmaLiveBytes]));
        for (const { vfs } of leases) {
          assert.equal(new Set(vfs.map(({ device }) => live.get(device))).size, 1, JSON.stringify([...live]));
          assert.ok((live.get(vfs[0]?.device as string) ?? 0) > 0);
        }
        assert.ok(readdirSync('/sys/kernel/iommu_groups').length > 0);
        job.killGroup('SIGKILL');
        await job.done;
        await allReturned(site);
      });
    }
  });
}

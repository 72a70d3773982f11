// SPDX-License-Identifier: BSD-3-Clause
/** `vfring bench` over VFs that are really there: small sizes, few repeats. No figure is judged. */
import assert from 'node:assert/strict';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { eventually, type Running } from './run.js';
import { allReturned, asUser, leasesEnded, type Daemon, type Site } from './site.js';

interface Result {
  readonly state: string;
  readonly transports: readonly { readonly name: string; readonly facts: readonly (readonly [string, string])[] }[];
  readonly launches: readonly { readonly transport: string; readonly benchmark: string; readonly ok: boolean; readonly rows: readonly Record<string, number | string | null>[] }[];
}

export function benchTests(site: Site): void {
  describe(`vfring bench over ${site.kind} VFs`, () => {
    let daemon: Daemon;
    const dir = join(site.scratch, 'bench');
    const bench = (name: string, ...args: string[]): string[] => ['vfring', 'bench', '--quick', '--sizes', '8,4K', '--output', join(dir, name), ...args];
    const resultOf = async (name: string): Promise<Result> => JSON.parse(await readFile(join(dir, `${name}.json`), 'utf8')) as Result;
    before(async () => {
      daemon = await site.startDaemon({ vfs: 4 });
      await mkdir(dir, { recursive: true, mode: 0o777 });
      await site.admin(['chmod', '0777', dir]);
    });
    after(async () => {
      await daemon.stop();
    });

    test('measures leased VFs, soft VFs of its own and a peer, and makes a page of it', async () => {
      const result = await asUser(site, bench('all', '--transports', 'vfring,softvf,sm', '--benchmarks', 'latency,bandwidth,startup', '--launches', '1'), { timeoutS: 900 });
      assert.equal(result.status, 0, result.stdout + result.stderr);
      assert.match(result.stdout, new RegExp(`^page: ${join(dir, 'all.html')}$`, 'm'));
      const { state, launches, transports } = await resultOf('all');
      assert.equal(state, 'complete');
      assert.deepEqual(launches.map(({ benchmark, transport, ok }) => `${benchmark} ${transport} ${ok}`),
        ['latency', 'bandwidth', 'startup'].flatMap((name) => ['vfring', 'softvf', 'sm'].map((transport) => `${name} ${transport} true`)));
      launches.filter(({ benchmark }) => benchmark !== 'startup').forEach(({ rows }) => assert.deepEqual(rows.map(({ bytes }) => bytes), [8, 4096]));
      assert.match(JSON.stringify(transports[0]), site.kind === 'soft' ? /software, no card/ : /SR-IOV/);
      assert.match(await readFile(join(dir, 'all.html'), 'utf8'), /<th scope="row">4 KiB<\/th>/);
      await allReturned(site);
      // Three launches of two ranks leased, and the others did not.
      assert.deepEqual(await leasesEnded(site), { released: 6 });
    });

    /** One whose first launch is over, while a rank of the next one has a VF. */
    const halfWay = async (name: string): Promise<Running> => {
      const running = site.user(bench(name, '--transports', 'vfring', '--benchmarks', 'latency', '--launches', '50'), { timeoutS: 900 });
      await running.until('the first launch is over', () => /2 of 50/.test(running.stderr));
      await eventually('a rank of the next one has a VF', async () => (await site.nodes()).some(({ state }) => state === 'open'));
      return running;
    };

    test('killed while a job runs it leaves what it has, of which the page can be made, and every VF comes back', async () => {
      const running = await halfWay('killed');
      running.child.kill('SIGKILL');
      await running.done;
      const { state, launches } = await resultOf('killed');
      assert.equal(state, 'running');
      assert.deepEqual(new Set(launches.map(({ ok }) => ok)), new Set([true]));
      await allReturned(site);
      const { status, stderr } = await asUser(site, ['vfring', 'bench', '--from', join(dir, 'killed.json'), '--output', join(dir, 'later')]);
      assert.equal(status, 0, stderr);
      assert.match(stderr, /These are partial results: the run goes on, or was killed/);
      assert.match(await readFile(join(dir, 'later.html'), 'utf8'), /These are partial results/);
    });

    test('interrupted while a job runs it ends that, keeps what it has, and every VF is free', async () => {
      const running = await halfWay('half');
      running.child.kill('SIGTERM');
      const { status, stderr } = await running.done;
      assert.equal(status, 143, stderr);
      const { state, launches } = await resultOf('half');
      assert.equal(state, 'interrupted');
      assert.equal(launches[0]?.ok, true);
      assert.equal(launches.at(-1)?.ok, false);
      assert.match(await readFile(join(dir, 'half.html'), 'utf8'), /These are partial results/);
      await allReturned(site);
    });

    test('without VFs that are free it says so before it measures', async () => {
      const result = await asUser(site, bench('many', '--transports', 'vfring', '-n', '5'));
      assert.equal(result.status, 69, result.stderr);
      assert.match(result.stderr, /VFRING_ERR_BENCH_TRANSPORT: vfring cannot be measured: 5 VFs are needed, and 4 are free on this host/);
      await assert.rejects(resultOf('many'), /ENOENT/);
    });
  });
}

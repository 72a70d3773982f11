// SPDX-License-Identifier: BSD-3-Clause
/** `vfring bench` as a user calls it, with an mpirun that only looks like one. */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { Result } from '../../src/bench/result.js';
import { bundledCli } from '../helpers/bundled-cli.js';
import { benchResult } from '../helpers/bench-result.js';
import { eventually } from '../helpers/eventually.js';
import { fakeHosts } from '../helpers/fake-hosts.js';
import { fakeOpenMpi, script } from '../helpers/fake-mpi.js';
import { smallDisk } from '../helpers/small-disk.js';
import { tempDir } from '../helpers/temp-dir.js';

let cli: string;
beforeAll(async () => {
  cli = await bundledCli();
});
const COMPONENTS = 'mca:btl:tcp:version:1\nmca:btl:sm:version:1';
/** Prints as pingpong does; over tcp it is slower. */
const PINGPONG = `case "$*" in *tcp*) us=10 ;; *) us=1 ;; esac
echo '{"test": "pingpong", "bytes": 8, "median_us": '$us', "p50_us": '$us'}'
echo '{"test": "pingpong", "ok": true}'`;

interface Bench {
  readonly dir: string;
  readonly child: ChildProcess;
  readonly done: Promise<{ status: number | null; out: string; err: string }>;
  result(): Result;
}

function begin(args: string, body = PINGPONG, dir = tempDir(), env: NodeJS.ProcessEnv = {}): Bench {
  const { mpirun } = fakeOpenMpi(dir, body, '5.0.7', 'components', COMPONENTS);
  mkdirSync(join(dir, 'libexec'), { recursive: true });
  ['pingpong', 'bandwidth', 'colltimes', 'startup'].forEach((name) => script(join(dir, 'libexec', name), ''));
  const child = spawn(process.execPath, [cli, 'bench', '--mpirun', mpirun, '--output', join(dir, 'x'), ...args.split(' ')],
    { env: { ...process.env, VFRING_LIBEXEC: join(dir, 'libexec'), VFRING_RUN_DIR: join(dir, 'run'), ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  let [out, err] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  const done = new Promise<{ status: number | null; out: string; err: string }>((resolve) => child.on('close', (status) => resolve({ status, out, err })));
  return { dir, child, done, result: () => JSON.parse(readFileSync(join(dir, 'x.json'), 'utf8')) as Result };
}

const USUAL = '--transports sm,tcp --benchmarks latency --launches 3';

test('measures, writes page and JSON, and says what they say', async () => {
  const { dir, done, result } = begin(USUAL);
  const { status, out, err } = await done;
  expect(err).toContain('vfring: 6 of 6: latency over ');
  expect(status).toBe(0);
  expect(out).toContain('latency: Half a round trip, 8 B, sm: 1.00 (1.00..1.00) µs; 10.0 (10.0..10.0) times as fast as tcp');
  expect(out).toContain(`page: ${dir}/x.html`);
  expect(result()).toMatchObject({ state: 'complete', benchmarks: ['latency'], ranks: 2, launches_wanted: 3 });
  expect(result().launches.map(({ transport }) => transport)).toEqual(['sm', 'tcp', 'tcp', 'sm', 'sm', 'tcp']);
  expect(readFileSync(join(dir, 'x.html'), 'utf8')).toContain('<td class="numeric">1.00 (1.00..1.00)</td>');
  expect(readdirSync(dir).sort()).toEqual(['arguments', 'bin', 'components', 'environment', 'libexec', 'prefix', 'x.html', 'x.json']);
});

test('a launch that fails is told, the others go on: status 71, and the results are there', async () => {
  const { done, result } = begin(USUAL, `case "$*" in *tcp*) echo "no route" >&2; exit 5 ;; esac\n${PINGPONG}`);
  const { status, err, out } = await done;
  expect(status).toBe(71);
  expect(err).toContain('VFRING_ERR_BENCH_FAILED: 2 of 5 launches failed; the first, latency over tcp: exit status 5: no route');
  expect(err).toContain('it is not tried again');
  expect(out).toContain('page: ');
  expect(result()).toMatchObject({ state: 'complete' });
  expect(result().launches.filter(({ ok }) => ok).length).toBe(3);
});

describe('half-way', () => {
  const SLOW = `case "$*" in *tcp*) echo $$ > "$(dirname "$0")/../hangs"; exec sleep 1000 ;; esac\n${PINGPONG}`;
  const half = async (): Promise<Bench> => {
    const started = begin(USUAL, SLOW);
    const hangs = (): number => (existsSync(join(started.dir, 'hangs')) ? Number(readFileSync(join(started.dir, 'hangs'), 'utf8')) : 0);
    await eventually(() => hangs() > 0);
    onTestFinished(() => {
      try {
        process.kill(hangs(), 'SIGKILL');
      } catch {
        // It was ended.
      }
    });
    return started;
  };

  test.each([['SIGINT', 130], ['SIGTERM', 143]] as const)('%s ends it: what was measured is kept, marked, and has its page', async (signal, expected) => {
    const { dir, child, done, result } = await half();
    child.kill(signal);
    expect((await done).status).toBe(expected);
    expect(result()).toMatchObject({ state: 'interrupted', why: `it was interrupted (${signal})` });
    expect(result().launches.map(({ ok }) => ok)).toEqual([true, false]);
    expect(readFileSync(join(dir, 'x.html'), 'utf8')).toContain('These are partial results');
  });

  test('killed, it leaves what was measured, marked as not over', async () => {
    const { dir, child, done, result } = await half();
    child.kill('SIGKILL');
    await done;
    expect(result()).toMatchObject({ state: 'running', ended_at: null });
    expect(result().launches.length).toBe(1);
    // The page of it can be had.
    const later = await begin(`--from ${dir}/x.json --overwrite`, PINGPONG, dir).done;
    expect(later).toMatchObject({ status: 0, err: expect.stringContaining('partial results: the run goes on, or was killed') as string });
    expect(readFileSync(join(dir, 'x.html'), 'utf8')).toContain('partial results');
  });
});

describe('on a disk that is full', () => {
  test.for([[8, 'running', ', marked as partial'], [64, 'complete', '']] as const)('of %i KiB the result stays as it last fitted (%s), and the page of it can be had elsewhere', async ([kib, state, marked], { skip }) => {
    const small = smallDisk(kib) ?? skip('a small file system takes root: mount');
    const { dir, done } = begin(`${USUAL} --launches 12 --output ${small}/y`);
    const { status, err } = await done;
    expect(err).toMatch(new RegExp(`vfring: \\d+ launches are in ${small}/y\\.json${marked}; vfring bench --from ${small}/y\\.json`));
    expect(err).toMatch(/VFRING_ERR_BENCH_OUTPUT: cannot write .*ENOSPC/);
    expect(status).toBe(73);
    const kept = JSON.parse(readFileSync(`${small}/y.json`, 'utf8')) as Result;
    expect(kept.state).toBe(state);
    expect(kept.launches.length).toBeGreaterThan(0);
    expect(readdirSync(small)).toEqual(['y.json']);
    expect((await begin(`--from ${small}/y.json --output ${dir}/z`, PINGPONG, dir).done).status).toBe(0);
    expect(existsSync(`${dir}/z.html`)).toBe(true);
  });
});

describe('before anything is measured', () => {
  test.each<[string, number, RegExp]>([
    ['--transports sm --benchmarks lateny', 64, /VFRING_ERR_USAGE: there is no benchmark lateny\n.*choose among latency, bandwidth/s],
    ['--transports rdma', 64, /there is no transport rdma\n.*choose among vfring, softvf/s],
    ['--transports sm,ucx', 69, /VFRING_ERR_BENCH_TRANSPORT: ucx cannot be measured: this Open MPI \(5\.0\.7\) has no component pml\/ucx\n.*remedy: install an Open MPI that was built with UCX; or leave it out: --skip-missing/s],
    ['--transports ucx --skip-missing', 69, /VFRING_ERR_BENCH_TRANSPORT: ucx/],
    ['--transports vfring', 69, /vfring cannot be measured: vfringd cannot be reached/],
    ['--transports sm --benchmarks put', 69, /VFRING_ERR_BENCH_PROGRAM: the program putget that measures is not in /],
    ['--transports sm --launches 0', 64, /--launches 0: a whole number from 1 to 50/],
    ['--transports sm -n 1', 64, /-n 1: a whole number from 2/],
    ['--transports sm --sizes 8,x', 64, /"x" is no size/],
    ['--transports sm --compare /nowhere.json', 65, /VFRING_ERR_BENCH_RESULT: \/nowhere\.json/],
    ['--transports sm --output /nowhere/x', 73, /VFRING_ERR_BENCH_OUTPUT: cannot write \/nowhere\/x\.json/],
    ['--transports tcp:eth77', 69, /no interface eth77/],
  ])('%s: status %i', async (args, expected, text) => {
    const { dir, done } = begin(args);
    const { status, err } = await done;
    expect(err).toMatch(text);
    expect(status).toBe(expected);
    expect(existsSync(join(dir, 'arguments'))).toBe(false);
    expect(existsSync(join(dir, 'x.json'))).toBe(false);
  });

  test('what is there is not written over', async () => {
    const dir = tempDir();
    writeFileSync(join(dir, 'x.json'), 'mine');
    const { status, err } = await begin(USUAL, PINGPONG, dir).done;
    expect({ status, err }).toMatchObject({ status: 73, err: expect.stringContaining('--overwrite') as string });
    expect(readFileSync(join(dir, 'x.json'), 'utf8')).toBe('mine');
  });
});

test('--skip-missing leaves out what is not there, and says so in the result, too', async () => {
  const { done, result } = begin('--transports sm,ucx --benchmarks latency --launches 1 --skip-missing');
  const { status, err } = await done;
  expect(status).toBe(0);
  expect(err).toContain('ucx is left out: this Open MPI (5.0.7) has no component pml/ucx; install');
  expect(result().skipped).toEqual([{ transport: 'ucx', why: 'this Open MPI (5.0.7) has no component pml/ucx', remedy: 'install an Open MPI that was built with UCX' }]);
});

test('--hosts goes on to the launcher, and the hosts say what they are', async () => {
  const hosts = await fakeHosts({ near: {}, far: {} }, () => PINGPONG);
  const { dir, done, result } = begin('--hosts near:1,far:1 --transports tcp --benchmarks latency --launches 1', PINGPONG, tempDir(), { ...hosts.env, VFRING_RUN_DIR: '' });
  const { status, err } = await done;
  expect({ status, err }).toMatchObject({ status: 0 });
  expect(readFileSync(join(dir, 'arguments'), 'utf8')).toContain('--host\nnear:1,far:1\n--mca\npml\nob1\n--mca\nbtl\nself,tcp\n');
  expect(result().hosts).toEqual(['near', 'far']);
  expect(Object.fromEntries(result().conditions)).toMatchObject({ 'host near': expect.stringMatching(/^kernel \S+, vfring \S+, .*VFs of MTU 9000/) as string, 'host far': expect.stringMatching(/^kernel /) as string });

  const off = await begin('--hosts near:1,far:1 --transports sm,tcp --benchmarks latency --launches 1', PINGPONG, tempDir(), { ...hosts.env, VFRING_RUN_DIR: '' }).done;
  expect(off).toMatchObject({ status: 69, err: expect.stringContaining('sm cannot be measured: it works within a host only') as string });
});

test('a host that cannot take part is named before anything is measured', async () => {
  const hosts = await fakeHosts({ near: {} }, () => PINGPONG);
  const { dir, done } = begin('--hosts near:1,off:1 --transports tcp --benchmarks latency', PINGPONG, tempDir(), { ...hosts.env, VFRING_RUN_DIR: '' });
  const { status, err } = await done;
  expect(err).toMatch(/VFRING_ERR_HOST_SILENT: host off does not answer: .*No route to host/);
  expect(status).toBe(69);
  expect(existsSync(join(dir, 'arguments'))).toBe(false);
  expect(existsSync(join(dir, 'x.json'))).toBe(false);
});

test('--compare tells what changed, and --from makes the page of two results without measuring', async () => {
  const dir = tempDir();
  writeFileSync(join(dir, 'old.json'), JSON.stringify(benchResult()));
  writeFileSync(join(dir, 'new.json'), JSON.stringify(benchResult({}, [1.5, 1.52, 1.48, 1.51, 1.49])));
  const { status, out } = await begin(`--from ${dir}/new.json --compare ${dir}/old.json`, PINGPONG, dir).done;
  expect(status).toBe(0);
  expect(out).toMatch(/since 2026-11-30T10:00:00\.000Z: 0 better, 39 worse, 3 no more than noise/);
  expect(readFileSync(join(dir, 'x.html'), 'utf8')).toContain('Changes since');
  expect(existsSync(join(dir, 'arguments'))).toBe(false);

  writeFileSync(join(dir, 'other.json'), JSON.stringify({ ...benchResult(), version: 7 }));
  for (const args of [`--from ${dir}/new.json --compare ${dir}/other.json`, `--from ${dir}/other.json`]) {
    const refused = await begin(`${args} --output ${dir}/y`, PINGPONG, dir).done;
    expect(refused).toMatchObject({ status: 65, err: expect.stringContaining('in version 7 of the format, and this release reads version 1') as string });
    expect(existsSync(join(dir, 'y.html'))).toBe(false);
  }
});

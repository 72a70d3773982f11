// SPDX-License-Identifier: BSD-3-Clause
/** Launches one after the other, and one launch: what it prints, how it ends. */
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { chosenBenchmarks } from '../../src/bench/benchmarks.js';
import { RowReader, launch, type Launched } from '../../src/bench/launch.js';
import { plan } from '../../src/bench/plan.js';
import type { Launch } from '../../src/bench/result.js';
import { MOST_FAILURES, runPlan } from '../../src/bench/runner.js';
import type { Transport } from '../../src/bench/transports.js';
import { eventually } from '../helpers/eventually.js';
import { script } from '../helpers/fake-mpi.js';
import { tempDir } from '../helpers/temp-dir.js';

const transport = (name: string): Transport => ({ name, title: name, facts: [], env: { VIA: name }, argv: (program) => [name, ...program] });
const planned = plan({ benchmarks: chosenBenchmarks('latency,put'), transports: ['a', 'b'].map(transport), launches: 4, sizes: [8], quick: true });
const ROW = { bytes: 8, median_us: 1 };

function runIt(of: (argv: readonly string[], number: number) => Partial<Launched> | Promise<Partial<Launched>>, stop = new AbortController(), save: (launches: readonly Launch[]) => void = () => {}) {
  const said: string[] = [];
  let number = 0;
  const done = runPlan(planned, {
    launch: async (argv, { env }) => {
      expect(env['VIA']).toBe(argv[0]);
      return { seconds: 1, failure: null, rows: [ROW], ...(await of(argv, ++number)) };
    },
    env: {}, timeoutMs: 1000, signal: stop.signal, load: () => [0.5, 0, 0], save,
    progress: { begins: (_one, at, all) => said.push(`${at}/${all}`), ended: ({ failure }, leftOut) => said.push(`${failure ?? 'ok'}${leftOut ? ', left out' : ''}`) },
  });
  return { done, said };
}

describe('a run', () => {
  test('hands on what is known after each launch', async () => {
    const saved: number[] = [];
    const { done } = runIt(() => ({}), undefined, (launches) => saved.push(launches.length));
    const launches = await done;
    expect(launches.length).toBe(16);
    expect(saved).toEqual(Array.from({ length: 16 }, (_unused, i) => i + 1));
    expect(launches[0]).toMatchObject({ round: 1, benchmark: 'latency', transport: 'a', ok: true, rows: [ROW], load: 0.5 });
  });

  test('goes on when a launch fails, and tries what fails no more than twice', async () => {
    const { done, said } = runIt(([name, program]) => (name === 'b' && program === 'putget' ? { failure: 'exit status 1', rows: [] } : {}));
    const launches = await done;
    expect(launches.filter(({ ok }) => !ok).map(({ benchmark, transport: name }) => `${benchmark} ${name}`)).toEqual(Array(MOST_FAILURES).fill('put b'));
    expect(launches.filter(({ ok }) => ok).length).toBe(12);
    expect(said).toContain('exit status 1, left out');
  });

  test('that is stopped keeps the launch that was under way, and begins no other', async () => {
    const stop = new AbortController();
    const { done } = runIt((_argv, number) => {
      if (number < 3) {
        return {};
      }
      stop.abort();
      return { failure: 'interrupted', rows: [ROW] };
    }, stop);
    expect((await done).map(({ ok, rows }) => [ok, rows.length])).toEqual([[true, 1], [true, 1], [false, 1]]);
  });

  test('ends when what it knows cannot be kept', async () => {
    const { done } = runIt(() => ({}), undefined, (launches) => {
      if (launches.length === 2) {
        throw new Error('disk full');
      }
    });
    await expect(done).rejects.toThrow('disk full');
  });
});

describe('what a program prints', () => {
  const read = (...pieces: string[]): RowReader => {
    const reader = new RowReader();
    pieces.forEach((piece) => reader.add(piece));
    return reader;
  };
  test('is read line by line, however it is cut, between the lines of its table', () => {
    const reader = read('       bytes  median_us\n  8  0.5\n{"test": "pingpong", "by', 'tes": 8, "median_us": 0.5, "p99_us": null}\n   64 {"test": "pingpong", "bytes": 64, "operation": "x"}\n{"test": "pingpong", "ok": true}', '\n');
    expect(reader.rows).toEqual([{ bytes: 8, median_us: 0.5, p99_us: null }, { bytes: 64, operation: 'x' }]);
    expect(reader.whole).toBe(true);
  });
  test('may be anything', () => {
    const reader = read('{"test": broken}\n', 'x'.repeat(300_000), '{"test": "a", "bytes": {}, "n": 1}\n', '\n\0{"test": \n', '{"test": "b", "bytes": 1}');
    expect(reader.whole).toBe(false);
    expect(reader.rows).toEqual([{ n: 1 }]);
  });
});

describe('a launch', () => {
  const FIRST = `echo '{"test": "pingpong", "bytes": 8, "median_us": 1.5}'`;
  const LAST = `echo '{"test": "pingpong", "ok": true}'`;
  const start = (body: string, { timeoutMs = 60_000, stop = new AbortController() } = {}) => {
    const dir = tempDir();
    script(join(dir, 'mpirun'), body.replace(/DIR/g, dir));
    return { dir, stop, done: launch([join(dir, 'mpirun')], { env: process.env, timeoutMs, signal: stop.signal }) };
  };

  test('has its rows', async () => expect(await start(`${FIRST}; ${LAST}`).done).toMatchObject({ failure: null, rows: [{ bytes: 8, median_us: 1.5 }] }));

  test.each([
    ['fails, with the last words', `${FIRST}; echo "no such device" >&2; exit 3`, 'exit status 3: no such device'],
    ['fails, with the error of vfring', `${FIRST}; printf 'a\\nvfring: VFRING_ERR_NOT_CARRIED: 0 of 2\\nremedy: b\\nc\\nd\\n' >&2; exit 76`, 'exit status 76: vfring: VFRING_ERR_NOT_CARRIED: 0 of 2'],
    ['fails, with the first message of Open MPI', `${FIRST}; dashes=--------------------------; for text in 'The VF is gone.' 'Then nobody could be reached.'; do printf '%s\\n%s\\n\\n  Remedy: none\\n%s\\n' $dashes "$text" $dashes >&2; done; echo '[h:1] 1 more process has sent help message x' >&2; exit 1`,
      'exit status 1: The VF is gone. Remedy: none'],
    ['is killed', `${FIRST}; kill -KILL $$`, 'ended by SIGKILL'],
    ['ends well without its end', FIRST, 'it ended without its last line'],
  ])('that %s keeps what it measured', async (_name, body, failure) => expect(await start(body).done).toMatchObject({ failure, rows: [{ bytes: 8 }] }));

  test('that is none is named', async () => {
    expect(await launch(['/nowhere/mpirun'], { env: {}, timeoutMs: 1000, signal: new AbortController().signal })).toMatchObject({ failure: '/nowhere/mpirun was not found', rows: [] });
  });

  test('that hangs is ended, and keeps what it measured', async () => {
    expect(await start(`${FIRST}; exec sleep 1000`, { timeoutMs: 2000 }).done).toMatchObject({ failure: 'it did not end within 2 s', rows: [{ bytes: 8 }] });
  });

  test('that is stopped is asked to end once, by SIGTERM, and may take its time', async () => {
    const { dir, stop, done } = start(`told() { echo term >> DIR/told; ${LAST}; exit 0; }; trap told TERM; : > DIR/ready; while :; do sleep 0.1; done`);
    await eventually(() => {
      try {
        return readFileSync(join(dir, 'ready')).length === 0;
      } catch {
        return false;
      }
    });
    stop.abort();
    expect(await done).toMatchObject({ failure: 'interrupted' });
    expect(readFileSync(join(dir, 'told'), 'utf8')).toBe('term\n');
  });

  test('whose child outlives it with its output open keeps nobody waiting', async () => {
    const { dir, done } = start(`sleep 1000 & echo $! > DIR/pid; ${FIRST}; ${LAST}; exit 0`);
    onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
    expect(await done).toMatchObject({ failure: null });
    process.kill(Number(readFileSync(join(dir, 'pid'), 'utf8')));
  });
});

// SPDX-License-Identifier: BSD-3-Clause
/** What launches say together, and what may not be said. */
import { describe, expect, test } from 'vitest';
import { BENCHMARKS } from '../../src/bench/benchmarks.js';
import { compare, leastP } from '../../src/bench/compare.js';
import { figuresOf, oursOf, ratioOf, type Value } from '../../src/bench/figures.js';
import { textTables } from '../../src/bench/text-table.js';
import { comparisonText, headlines, ratioText, warnings } from '../../src/bench/words.js';
import { benchLaunch, benchResult } from '../helpers/bench-result.js';

const LESS = BENCHMARKS[0]!.metrics[0];
const MORE = BENCHMARKS[1]!.metrics[0];
const rounds = (...values: number[]): Value[] => values.map((value, i) => ({ round: i + 1, value }));

describe('figures', () => {
  test('have a point a size, with a value a launch and transport', () => {
    const [latency, bandwidth, startup] = figuresOf(benchResult());
    expect(latency?.metrics[0]?.points.map(({ label }) => label)).toEqual(['8 B', '64 B', '1 KiB', '4 KiB', '64 KiB', '1 MiB']);
    expect(latency?.metrics[0]?.points[0]?.values.get('tcp')?.length).toBe(5);
    expect(bandwidth?.metrics.map(({ metric }) => metric.key)).toEqual(['mb_per_s', 'msg_per_s', 'p50_us', 'p99_us']);
    expect(startup?.metrics[0]?.points.map(({ label }) => label)).toEqual(['MPI_Init_thread, ms', 'resident, after the first messages, KiB']);
  });

  test('have no value where the program did not tell one', () => {
    const p999 = figuresOf(benchResult())[0]?.metrics.find(({ metric }) => metric.key === 'p999_us');
    expect(p999?.points.map(({ label }) => label)).not.toContain('1 MiB');
  });

  test('leave launches out that failed, and keep them apart', () => {
    const bad = benchLaunch({ round: 6, ok: false, failure: 'exit status 1', rows: [{ bytes: 8, median_us: 1e9 }] });
    const [latency] = figuresOf(benchResult({ launches: [...benchResult().launches, bad] }));
    expect(latency?.failed).toEqual([bad]);
    expect(latency?.metrics[0]?.points[0]?.values.get('vfring')?.length).toBe(5);
  });

  test('are of vfring against each other one; without it of the first', () => {
    const { transports } = benchResult();
    expect(oursOf(benchResult({ transports: [...transports].reverse() }))).toBe('vfring');
    expect(oursOf(benchResult({ transports: transports.slice(1) }))).toBe('tcp');
    expect(figuresOf(benchResult())[0]?.metrics[0]?.ratios.map(({ peer }) => peer)).toEqual(['tcp', 'sm']);
  });
});

describe('a ratio', () => {
  test('is how many times as good ours is, whether less or more is better', () => {
    expect(ratioOf(LESS, rounds(1, 1, 1), rounds(10, 10, 10)).spread?.median).toBe(10);
    expect(ratioOf(MORE, rounds(10, 10, 10), rounds(1, 1, 1)).spread?.median).toBe(10);
  });

  test('is made round by round: what slows a round down slows both', () => {
    expect(ratioOf(LESS, rounds(1, 8, 2), rounds(10, 80, 20))).toEqual({ spread: { median: 10, min: 10, max: 10, count: 3 }, verdict: 'faster' });
    expect(ratioOf(LESS, [{ round: 1, value: 1 }, { round: 3, value: 1 }], rounds(2, 50, 4)).spread).toEqual({ median: 3, min: 2, max: 4, count: 2 });
  });

  test.each<[string, number[]]>([['faster', [2, 2.5, 3]], ['slower', [0.5, 0.6, 0.7]], ['same', [0.9, 1.1, 1.2]], ['wide', [2, 3, 5]], ['wide', [0.5, 1, 1.5]], ['few', [2, 2]], ['few', []]])('%s: %j', (verdict, values) => {
    expect(ratioOf(MORE, rounds(...values), rounds(...values.map(() => 1))).verdict).toBe(verdict);
  });

  test('that differs too much from round to round has a warning in place of a conclusion', () => {
    const text = ratioText(ratioOf(MORE, rounds(2, 3, 5), rounds(1, 1, 1)), 'tcp', MORE);
    expect(text).toBe('no conclusion about tcp: rounds differ 2.50-fold (2.00..5.00 times)');
    expect(text).not.toContain('as fast');
  });

  test('that is 1 in every round is told as that', () => {
    expect(ratioText(ratioOf(MORE, rounds(1, 1, 1), rounds(1, 1, 1)), 'tcp', MORE)).toBe('as fast as tcp');
    expect(ratioText(ratioOf(MORE, rounds(0.9, 1, 1.2), rounds(1, 1, 1)), 'tcp', MORE)).toBe('neither faster nor slower than tcp: rounds disagree (0.900..1.20 times)');
  });

  test('with nothing, or with 0, is none', () => {
    expect(ratioOf(LESS, rounds(0, 0, 0), rounds(1, 1, 1))).toEqual({ spread: undefined, verdict: 'few' });
    expect(ratioOf(MORE, rounds(0, 0, 0), rounds(0, 0, 0)).spread).toBeUndefined();
  });
});

test('three lines say it in short: time and rate of small messages, bandwidth of large ones', () => {
  const lines = headlines(figuresOf(benchResult()));
  expect(lines.map((line) => line.split(', vfring: ')[0])).toEqual(['latency: Half a round trip, 8 B', 'bandwidth: Message rate, 8 B', 'Bandwidth, 1 MiB']);
  expect(lines[0]).toMatch(/0\.662 \(.*\) µs; 14\.0 \(14\.0\.\.14\.0\) times as fast as tcp; 0\.600 \(0\.600\.\.0\.600\) times as fast as sm$/);
});

test('of few rounds it is said once that nothing can be concluded', () => {
  expect(headlines(figuresOf(benchResult({}, [1])))[0]).toMatch(/ 0\.662 µs; no conclusion about others: 3 rounds with both are needed$/);
});

test('tables for a terminal have a column a transport, and what was not measured is a dash', () => {
  const { launches } = benchResult();
  const result = benchResult({ benchmarks: ['latency', 'bandwidth'], launches: launches.filter(({ benchmark, transport }) => benchmark !== 'bandwidth' || transport !== 'sm') });
  const lines = textTables(result, figuresOf(result));
  expect(lines.filter((line) => / is better\)$/.test(line))).toEqual([
    'latency: Half a round trip, µs (less is better)', 'bandwidth: Bandwidth, MB/s (more is better)', 'bandwidth: Message rate, messages/s (more is better)',
  ]);
  expect(lines.slice(0, 4)).toEqual(['', 'latency: Half a round trip, µs (less is better)',
    '                         vfring                 tcp                     sm', '  8 B      0.662 (0.649..0.688)   9.27 (9.08..9.64)   0.397 (0.389..0.413)']);
  expect(lines.at(-1)).toMatch(/^ {2}1 MiB +\S+ \(\S+\) +\S+ \(\S+\) +–$/);
});

describe('what speaks against figures is said', () => {
  const said = (more: Parameters<typeof benchResult>[0]): string => {
    const result = benchResult(more);
    return warnings(result, figuresOf(result)).join('\n');
  };
  test('nothing, of a quiet machine', () => expect(said({})).toBe(''));
  test('a run that was interrupted', () => expect(said({ state: 'interrupted', why: 'it was interrupted (SIGINT)' })).toMatch(/partial results: it was interrupted \(SIGINT\)\. 45 launches ended well/));
  test('one that was killed', () => expect(said({ state: 'running' })).toMatch(/partial results: the run goes on, or was killed/));
  test('launches that failed', () => expect(said({ launches: [...benchResult().launches, benchLaunch({ ok: false, failure: 'x' })] })).toMatch(/1 of 46 launches failed, and is in no figure/));
  test('not the one that was interrupted with the run', () => expect(said({ state: 'interrupted', why: 'x', launches: [...benchResult().launches, benchLaunch({ ok: false, failure: 'interrupted' })] })).not.toContain('failed'));
  test('other programs', () => {
    expect(said({ load_before: [3.4, 1, 1] })).toMatch(/load average was 3\.4 when it began \(1\.8 at the end\), with 4 processors here and 2 ranks/);
    expect(said({ load_before: [1, 1, 1], processors: 4 })).toBe('');
    expect(said({ load_before: [1, 1, 1], processors: 2 })).toMatch(/Other programs/);
    expect(said({ load_before: [1, 1, 1], processors: 2, hosts: ['a', 'b'] })).toBe('');
  });
  test('a benchmark of another release that this one does not know', () => {
    expect(said({ benchmarks: ['latency', 'teleport'], release: '0.9.1' })).toBe('Not shown: teleport, which release 0.9.1 measured and this one does not know.');
  });
  test('ranks that share processors', () => expect(said({ ranks: 8 })).toMatch(/8 ranks share 4 processors/));
  test('rounds that differ', () => {
    const { launches } = benchResult();
    const wild = launches.map((one) => (one.transport === 'tcp' && one.round === 2 ? { ...one, rows: one.rows.map((row) => ({ ...row, median_us: Number(row['median_us']) * 9 })) } : one));
    expect(said({ launches: wild })).toMatch(/6 of \d+ ratios have no conclusion/);
  });
});

describe('a comparison', () => {
  const NOISE = [1, 1.02, 0.98, 1.04, 0.99];
  test('with itself, or with the same under the same noise, finds nothing', () => {
    expect(new Set(compare(benchResult(), benchResult()).changes.map(({ verdict }) => verdict))).toEqual(new Set(['noise']));
    expect(compare(benchResult(), benchResult({}, [1.03, 0.97, 1.01, 1, 1.05])).changes.filter(({ verdict }) => verdict !== 'noise')).toEqual([]);
  });

  test('finds what became slower or faster by more than its noise', () => {
    const find = (factor: number): string[] => {
      const { changes } = compare(benchResult(), benchResult({}, NOISE.map((noise) => noise * factor)));
      return ['latency', 'bandwidth'].map((name) => changes.find((one) => one.benchmark === name && one.label === '8 B' && one.transport === 'vfring')?.verdict ?? '');
    };
    expect(find(1.3)).toEqual(['worse', 'worse']);
    expect(find(0.7)).toEqual(['better', 'better']);
  });

  test('calls a change that nobody would act on noise, however certain it is', () => {
    const quiet = [1, 1.001, 0.999, 1.002, 0.998];
    const { changes } = compare(benchResult({}, quiet), benchResult({}, quiet.map((noise) => noise * 1.03)));
    expect(changes[0]?.p).toBeLessThan(0.01);
    expect(changes[0]?.verdict).toBe('noise');
  });

  test('of few launches tells that they are too few, not that nothing changed', () => {
    const { changes } = compare(benchResult({}, [1, 1, 1]), benchResult({}, [9, 9, 9]));
    expect(new Set(changes.map(({ verdict }) => verdict))).toEqual(new Set(['few']));
    expect([leastP(5, 5), leastP(4, 4), leastP(3, 50)].map((p) => p <= 0.01)).toEqual([true, false, true]);
  });

  test('names conditions that differ, and what only one of the two has', () => {
    const { transports, launches } = benchResult();
    const now = benchResult({
      conditions: [['host', 'node7'], ['kernel', '6.12.9'], ['Open MPI', '5.0.7']], transports: transports.slice(0, 2), launches: launches.filter(({ transport }) => transport !== 'sm'),
      load_before: [4, 1, 1],
    });
    const { conditions, onlyBefore, onlyAfter } = compare(benchResult(), now);
    expect(conditions).toEqual([['kernel', '6.12.0', '6.12.9'], ['load average before', '0.1 0.2 0.3', '4.0 1.0 1.0']]);
    expect(onlyBefore).toEqual(['latency over sm', 'bandwidth over sm', 'startup over sm']);
    expect(onlyAfter).toEqual([]);
  });

  test('says how many of its findings chance would make', () => {
    expect(comparisonText(compare(benchResult(), benchResult()))).toMatch(/^0 better, 0 worse, 42 no more than noise \(of 42; by chance alone some 0\.420 would be called a change\)$/);
  });
});

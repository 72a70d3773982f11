// SPDX-License-Identifier: BSD-3-Clause
/** Two results: what changed, and whether that is more than noise. */
import { figuresOf, spreadOfValues, type BenchmarkFigures, type Value } from './figures.js';
import type { Metric } from './benchmarks.js';
import type { Result } from './result.js';
import { mannWhitneyP, type Spread } from './stats.js';

/** better, worse: more than noise. noise: launches of both may be of one kind. few: there are too few to tell. */
export type ChangeVerdict = 'better' | 'worse' | 'noise' | 'few';

export interface Change {
  readonly benchmark: string;
  readonly metric: Metric;
  readonly label: string;
  readonly transport: string;
  readonly before: Spread;
  readonly after: Spread;
  /** How many times the median is what it was. */
  readonly times: number;
  /** Of the exact Mann-Whitney U test. */
  readonly p: number;
  readonly verdict: ChangeVerdict;
}

export interface Comparison {
  readonly changes: readonly Change[];
  /** Conditions that were not the same: name, then, now. */
  readonly conditions: readonly (readonly [name: string, before: string, after: string])[];
  /** In only one of the two. */
  readonly onlyBefore: readonly string[];
  readonly onlyAfter: readonly string[];
  /** Of the changes, so many would be called more than noise by chance alone. */
  readonly byChance: number;
  readonly before: { readonly startedAt: string; readonly state: Result['state'] };
}

/** Five launches against five reach it where none of the one lies among the other's. */
export const ALPHA = 0.01;
/** A change that nobody would act on is none, however certain: 5 %. */
export const LEAST_CHANGE = 1.05;

/** The least p that so many launches can have: 2 of all ways to choose. */
export function leastP(n: number, m: number): number {
  let ways = 1;
  for (let i = 1; i <= m; i++) {
    ways = (ways * (n + i)) / i;
  }
  return 2 / ways;
}

export function judge({ better }: Metric, before: readonly number[], after: readonly number[], times: number): { readonly p: number; readonly verdict: ChangeVerdict } {
  const p = mannWhitneyP(before, after);
  if (leastP(before.length, after.length) > ALPHA) {
    return { p, verdict: 'few' };
  }
  if (p > ALPHA || (times < LEAST_CHANGE && times > 1 / LEAST_CHANGE)) {
    return { p, verdict: 'noise' };
  }
  return { p, verdict: times > 1 === (better === 'more') ? 'better' : 'worse' };
}

/** Of each benchmark its first figure, at each point, over each transport that both have measured. */
export function compare(before: Result, after: Result): Comparison {
  const [old, fresh] = [valuesOf(figuresOf(before)), valuesOf(figuresOf(after))];
  const changes = [...fresh].flatMap(([key, now]): Change[] => {
    const then = old.get(key);
    const [was, is] = [spreadOfValues(then?.values), spreadOfValues(now.values)];
    if (then === undefined || was === undefined || is === undefined || !(was.median > 0 && is.median > 0)) {
      return [];
    }
    const times = is.median / was.median;
    const numbers = (values: readonly Value[]): number[] => values.map(({ value }) => value);
    return [{ ...now, before: was, after: is, times, ...judge(now.metric, numbers(then.values), numbers(now.values), times) }];
  });
  const names = (from: ReadonlyMap<string, Entry>): Set<string> => new Set([...from.values()].map(({ benchmark, transport }) => `${benchmark} over ${transport}`));
  const [oldNames, freshNames] = [names(old), names(fresh)];
  return {
    changes,
    conditions: differences(before, after),
    onlyBefore: [...oldNames].filter((name) => !freshNames.has(name)),
    onlyAfter: [...freshNames].filter((name) => !oldNames.has(name)),
    byChance: changes.filter(({ verdict }) => verdict !== 'few').length * ALPHA,
    before: { startedAt: before.started_at, state: before.state },
  };
}

interface Entry {
  readonly benchmark: string;
  readonly metric: Metric;
  readonly label: string;
  readonly transport: string;
  readonly values: readonly Value[];
}

function valuesOf(figures: readonly BenchmarkFigures[]): Map<string, Entry> {
  return new Map(figures.flatMap(({ benchmark, metrics: [first] }) => (first === undefined ? [] : first.points.flatMap(({ label, values }) =>
    [...values].map(([transport, each]): [string, Entry] => {
      const entry = { benchmark: benchmark.name, metric: first.metric, label, transport, values: each };
      return [JSON.stringify([entry.benchmark, first.metric.key, label, transport]), entry];
    })))));
}

function differences(before: Result, after: Result): [string, string, string][] {
  const facts = (result: Result): Map<string, string> => new Map([
    ...result.conditions.map(([name, value]): [string, string] => [name, value]),
    ...result.transports.flatMap((one) => one.facts.map(([name, value]): [string, string] => [`${one.name}: ${name}`, value])),
    ['hosts', result.hosts.join(', ') || 'this one'], ['quick', String(result.quick)], ['load average before', result.load_before.map((load) => load.toFixed(1)).join(' ')],
  ]);
  const [old, fresh] = [facts(before), facts(after)];
  const loads = (result: Result): number => result.load_before[0];
  return [...new Set([...old.keys(), ...fresh.keys()])].flatMap((name): [string, string, string][] => {
    const [was, is] = [old.get(name) ?? '–', fresh.get(name) ?? '–'];
    const same = name === 'load average before' ? Math.abs(loads(before) - loads(after)) < 1 : was === is;
    // A transport that only one has is told as that.
    const shared = !name.includes(': ') || (old.has(name) && fresh.has(name));
    return same || !shared ? [] : [[name, was, is]];
  });
}

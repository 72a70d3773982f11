// SPDX-License-Identifier: BSD-3-Clause
/** What launches say together: values with their range, ratios with theirs, and what may be concluded. */
import { benchmarkCalled, type Benchmark, type Metric } from './benchmarks.js';
import { sizeText } from './numbers.js';
import type { Launch, Result, Row } from './result.js';
import { foldOf, spreadOf, type Spread } from './stats.js';

/** One launch's value. */
export interface Value {
  readonly round: number;
  readonly value: number;
}

export interface Point {
  readonly label: string;
  /** undefined: its label is all that it has. */
  readonly bytes: number | undefined;
  /** By name of the transport. */
  readonly values: ReadonlyMap<string, readonly Value[]>;
}

export interface MetricFigures {
  readonly metric: Metric;
  readonly points: readonly Point[];
  readonly ratios: readonly RatioFigures[];
}

/** How many times as good as a peer ours is: above 1 it is better. */
export interface RatioFigures {
  readonly ours: string;
  readonly peer: string;
  readonly points: readonly { readonly label: string; readonly bytes: number | undefined; readonly ratio: Ratio }[];
}

/**
 * faster, slower: every round says so, and their range is narrow. same: rounds disagree on who is faster. wide: rounds differ
 * too much. few: there are too few.
 */
export type Verdict = 'faster' | 'slower' | 'same' | 'wide' | 'few';

export interface Ratio {
  readonly spread: Spread | undefined;
  readonly verdict: Verdict;
}

export interface BenchmarkFigures {
  readonly benchmark: Benchmark;
  readonly metrics: readonly MetricFigures[];
  readonly failed: readonly Launch[];
}

/** Fewer rounds conclude nothing. */
export const LEAST_ROUNDS = 3;
/** Rounds whose ratios differ by more than so many times conclude nothing. */
export const WIDEST_FOLD = 2;

/** The transport that others are compared with: vfring where it was measured, else the first. */
export function oursOf(result: Result): string | undefined {
  const names = result.transports.map(({ name }) => name);
  const ours = [/^vfring$/, /^devices:/, /^softvf$/].flatMap((form) => names.filter((name) => form.test(name)));
  return ours[0] ?? names[0];
}

/** What was measured, in the order of the plan. Benchmarks that this release does not know are left out. */
export function figuresOf(result: Result): BenchmarkFigures[] {
  return result.benchmarks.flatMap((name) => {
    const benchmark = benchmarkCalled(name);
    const launches = result.launches.filter((launch) => launch.benchmark === name);
    return benchmark === undefined || launches.length === 0 ? [] : [{
      benchmark,
      metrics: benchmark.metrics.map((metric) => metricFigures(benchmark, metric, launches, result)).filter(({ points }) => points.length > 0),
      failed: launches.filter(({ ok }) => !ok),
    }];
  });
}

function metricFigures(benchmark: Benchmark, metric: Metric, launches: readonly Launch[], result: Result): MetricFigures {
  const points = new Map<string, { bytes: number | undefined; values: Map<string, Value[]> }>();
  for (const { round, transport, rows } of launches.filter(({ ok }) => ok)) {
    for (const row of rows) {
      const label = labelOf(benchmark, row);
      const value = row[metric.key];
      if (label === undefined || typeof value !== 'number') {
        continue;
      }
      const point = points.get(label) ?? { bytes: benchmark.points === 'bytes' ? Number(row['bytes']) : undefined, values: new Map<string, Value[]>() };
      points.set(label, point);
      point.values.set(transport, [...(point.values.get(transport) ?? []), { round, value }]);
    }
  }
  const all = [...points].map(([label, point]): Point => ({ label, ...point }));
  const sorted = benchmark.points === 'bytes' ? all.sort((a, b) => (a.bytes ?? 0) - (b.bytes ?? 0)) : all;
  const ours = oursOf(result);
  const peers = result.transports.map(({ name }) => name).filter((name) => name !== ours);
  return {
    metric, points: sorted,
    ratios: ours === undefined ? [] : peers.map((peer) => ({
      ours, peer,
      points: sorted.map(({ label, bytes, values }) => ({ label, bytes, ratio: ratioOf(metric, values.get(ours) ?? [], values.get(peer) ?? []) })),
    })),
  };
}

/** Undefined: the row is not shown. */
function labelOf({ points, only }: Benchmark, row: Row): string | undefined {
  if (points === 'bytes') {
    return typeof row['bytes'] === 'number' ? sizeText(row['bytes']) : undefined;
  }
  const text = String(row[points] ?? '');
  if (text === '' || (only !== undefined && !only.some((begin) => text.startsWith(begin)))) {
    return undefined;
  }
  return typeof row['unit'] === 'string' ? `${text}, ${row['unit']}` : text;
}

export const spreadOfValues = (values: readonly Value[] | undefined): Spread | undefined => spreadOf((values ?? []).map(({ value }) => value));

/** Round by round: what disturbs a round disturbs both, and the ratio stays. */
export function ratioOf({ better }: Metric, ours: readonly Value[], peer: readonly Value[]): Ratio {
  const theirs = new Map(peer.map(({ round, value }) => [round, value]));
  const ratios = ours.flatMap(({ round, value }) => {
    const other = theirs.get(round);
    const ratio = other === undefined ? Number.NaN : better === 'less' ? other / value : value / other;
    return Number.isFinite(ratio) && ratio > 0 ? [ratio] : [];
  });
  const spread = spreadOf(ratios);
  return { spread, verdict: verdictOf(spread) };
}

function verdictOf(spread: Spread | undefined): Verdict {
  if (spread === undefined || spread.count < LEAST_ROUNDS) {
    return 'few';
  }
  if (foldOf(spread) > WIDEST_FOLD) {
    return 'wide';
  }
  return spread.min > 1 ? 'faster' : spread.max < 1 ? 'slower' : 'same';
}

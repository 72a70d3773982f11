// SPDX-License-Identifier: BSD-3-Clause
/** What figures say, in sentences: the same on the page and on a terminal. */
import { benchmarkCalled, type Metric } from './benchmarks.js';
import type { Change, Comparison } from './compare.js';
import { LEAST_ROUNDS, WIDEST_FOLD, spreadOfValues, type BenchmarkFigures, type MetricFigures, type Ratio } from './figures.js';
import { INTERRUPTED } from './launch.js';
import { digits } from './numbers.js';
import type { Result } from './result.js';
import { foldOf, type Spread } from './stats.js';

/** "0.663 (0.612..0.701)" */
export const spreadText = (spread: Spread | undefined): string =>
  (spread === undefined ? '–' : spread.count === 1 ? digits(spread.median) : `${digits(spread.median)} (${digits(spread.min)}..${digits(spread.max)})`);

/** Memory is none that is fast. */
export const betterWords = ({ unit }: Pick<Metric, 'unit'>): { readonly as: string; readonly faster: string; readonly slower: string } =>
  (unit === 'ms, KiB' || unit === '%' ? { as: 'good', faster: 'better', slower: 'worse' } : { as: 'fast', faster: 'faster', slower: 'slower' });

/** What may be said of a ratio: a warning where nothing may. */
export function ratioText({ spread, verdict }: Ratio, peer: string, metric: Pick<Metric, 'unit'>): string {
  const words = betterWords(metric);
  if (spread === undefined) {
    return `not compared with ${peer}: no round has both`;
  }
  const times = `${spreadText(spread)} times as ${words.as} as ${peer}`;
  switch (verdict) {
    case 'faster':
    case 'slower':
      return times;
    case 'same':
      return spread.min === spread.max ? `as ${words.as} as ${peer}` : `neither ${words.faster} nor ${words.slower} than ${peer}: rounds disagree (${digits(spread.min)}..${digits(spread.max)} times)`;
    case 'wide':
      return `no conclusion about ${peer}: rounds differ ${digits(foldOf(spread))}-fold (${digits(spread.min)}..${digits(spread.max)} times)`;
    case 'few':
      return `no conclusion about ${peer}: ${spread.count === 1 ? '1 round' : `${spread.count} rounds`}, and ${LEAST_ROUNDS} are needed`;
  }
}

/** Of the figures that people ask for first: small messages' time and rate, large ones' bandwidth; else the first of each benchmark. */
const WANTED: readonly (readonly [benchmark: string, metric: string, which: 'first' | 'last'])[] = [
  ['latency', 'median_us', 'first'], ['bandwidth', 'msg_per_s', 'first'], ['bandwidth', 'mb_per_s', 'last'],
];

/** A line each; at most three. */
export function headlines(figures: readonly BenchmarkFigures[]): string[] {
  const wanted = WANTED.flatMap(([name, key, which]) => {
    const found = figures.find(({ benchmark }) => benchmark.name === name);
    const metric = found?.metrics.find((one) => one.metric.key === key);
    return found === undefined || metric === undefined ? [] : [headline(found, metric, which)];
  });
  const others = figures.filter(({ benchmark }) => !WANTED.some(([name]) => name === benchmark.name)).flatMap((found) =>
    (found.metrics[0] === undefined ? [] : [headline(found, found.metrics[0], 'first')]));
  return [...wanted, ...others].slice(0, 3);
}

function headline({ benchmark }: BenchmarkFigures, { metric, points, ratios }: MetricFigures, which: 'first' | 'last'): string {
  const at = which === 'first' ? 0 : points.length - 1;
  const point = points[at];
  const ours = ratios[0]?.ours ?? [...(point?.values.keys() ?? [])][0] ?? '';
  const spread = spreadOfValues(point?.values.get(ours));
  const found = ratios.flatMap((one) => (one.points[at] === undefined ? [] : [{ ratio: one.points[at].ratio, peer: one.peer }]));
  const few = found.every(({ ratio }) => ratio.verdict === 'few') && found.length > 1;
  const peers = few ? [`no conclusion about others: ${LEAST_ROUNDS} rounds with both are needed`] : found.map(({ ratio, peer }) => ratioText(ratio, peer, metric));
  const what = benchmark.name === metric.title.toLowerCase() ? metric.title : `${benchmark.name}: ${metric.title}`;
  return `${what}, ${point?.label ?? ''}, ${ours}: ${spreadText(spread)}${metric.unit === 'ms, KiB' ? '' : ` ${metric.unit}`}${peers.length === 0 ? '' : `; ${peers.join('; ')}`}`;
}

/** Why figures may say less than they seem to; empty: nothing speaks against them. */
export function warnings(result: Result, figures: readonly BenchmarkFigures[]): string[] {
  const { state, why, launches, load_before: before, load_after: after, processors, ranks } = result;
  const well = launches.filter(({ ok }) => ok).length;
  const failed = launches.filter(({ failure }) => failure !== null && failure !== INTERRUPTED);
  const ratios = figures.flatMap(({ metrics }) => metrics.slice(0, 1).flatMap((one) => one.ratios.flatMap(({ points }) => points.map(({ ratio }) => ratio)))).filter(({ spread }) => spread !== undefined);
  const wide = ratios.filter(({ verdict }) => verdict === 'wide').length;
  const unknown = result.benchmarks.filter((name) => benchmarkCalled(name) === undefined);
  const busiest = Math.max(before[0], ...(launches[0] === undefined ? [] : [launches[0].load]));
  return [
    ...(state === 'complete' ? [] : [`These are partial results: ${state === 'running' ? 'the run goes on, or was killed' : (why ?? state)}. ${well} ${well === 1 ? 'launch' : 'launches'} ended well.`]),
    ...(failed.length === 0 ? [] : [`${failed.length} of ${launches.length} launches failed, and ${failed.length === 1 ? 'is' : 'are'} in no figure.`]),
    ...(unknown.length === 0 ? [] : [`Not shown: ${unknown.join(', ')}, which release ${result.release} measured and this one does not know.`]),
    ...(wide === 0 ? [] : [`${wide} of ${ratios.length} ratios have no conclusion: rounds differ by more than ${WIDEST_FOLD} times. Measure again while the machine does nothing else, with more launches.`]),
    // The ranks themselves make load, so what counts is what there was before them. Between hosts each has its share of them.
    ...(busiest > Math.max(0.5, processors - Math.ceil(ranks / Math.max(1, result.hosts.length)) + 0.5) ? [`Other programs ran: the load average was ${busiest.toFixed(1)} when it began${after === null ? '' : ` (${after[0].toFixed(1)} at the end)`}, with ${processors} ${processors === 1 ? 'processor' : 'processors'} here and ${ranks} ranks.`] : []),
    ...(result.hosts.length === 0 && ranks > processors ? [`${ranks} ranks share ${processors} processors: times are those of waiting for one.`] : []),
  ];
}

const CHANGES = { better: 'better', worse: 'worse', noise: 'noise', few: 'too few launches to tell' } as const;
export const changeText = ({ verdict }: Pick<Change, 'verdict'>): string => CHANGES[verdict];

export function comparisonText({ changes, byChance }: Comparison): string {
  const count = (verdict: Change['verdict']): number => changes.filter((one) => one.verdict === verdict).length;
  const [better, worse, noise, few] = [count('better'), count('worse'), count('noise'), count('few')];
  return changes.length === 0 ? 'the two results have no figure in common'
    : `${better} better, ${worse} worse, ${noise} no more than noise${few === 0 ? '' : `, ${few} with too few launches to tell`} (of ${changes.length}; by chance alone some ${digits(byChance)} would be called a change)`;
}

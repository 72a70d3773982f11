// SPDX-License-Identifier: BSD-3-Clause
/** Statistics of launches: few values, whose distribution nobody knows. docs/performance/bench.md says why these. */

/** @throws RangeError for no values: a measurement that gave none must not look like one. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted[Math.floor(sorted.length / 2)];
  const below = sorted[Math.floor((sorted.length - 1) / 2)];
  if (middle === undefined || below === undefined) {
    throw new RangeError('no values to take a median of');
  }
  return (middle + below) / 2;
}

/** Of launches: the value in the middle, and how far the others lie from it. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly count: number;
}

/** Undefined for no values. */
export function spreadOf(values: readonly number[]): Spread | undefined {
  return values.length === 0 ? undefined : { median: median(values), min: Math.min(...values), max: Math.max(...values), count: values.length };
}

/** How many times the largest is the smallest; infinite where the smallest is 0 and the largest is not. */
export const foldOf = ({ min, max }: Spread): number => (max === min ? 1 : min <= 0 ? Infinity : max / min);

/**
 * The exact Mann-Whitney U test: how likely two samples of one and the same distribution would be to lie at least so far
 * apart in their ranks, in either direction. Nothing is assumed of the distribution. Ties share their mean rank, and the
 * distribution of the rank sum is that of these ranks.
 *
 * @returns p, 1 where one sample is empty
 */
export function mannWhitneyP(first: readonly number[], second: readonly number[]): number {
  const [n, m] = [first.length, second.length];
  if (n === 0 || m === 0) {
    return 1;
  }
  const ranks = doubledRanks([...first, ...second]);
  const observed = ranks.slice(0, n).reduce((sum, rank) => sum + rank, 0);
  const expected = n * (n + m + 1); // of doubled ranks
  const ways = rankSums(ranks, n);
  let [all, asFar] = [0, 0];
  ways.forEach((count, sum) => {
    all += count;
    if (Math.abs(sum - expected) >= Math.abs(observed - expected)) {
      asFar += count;
    }
  });
  return asFar / all;
}

/** The rank of each value among all, times two: whole numbers, also where values are equal. */
function doubledRanks(values: readonly number[]): number[] {
  const order = values.map((_value, index) => index).sort((a, b) => (values[a] as number) - (values[b] as number));
  const ranks = values.map(() => 0);
  for (let from = 0; from < order.length; ) {
    let to = from + 1;
    while (to < order.length && values[order[to] as number] === values[order[from] as number]) {
      to++;
    }
    for (let i = from; i < to; i++) {
      ranks[order[i] as number] = from + 1 + to; // 2 * mean of from + 1 .. to
    }
    from = to;
  }
  return ranks;
}

/** By sum: in how many ways n of the ranks add up to it. */
function rankSums(ranks: readonly number[], n: number): Float64Array {
  const largest = ranks.reduce((sum, rank) => sum + rank, 0);
  const ways = Array.from({ length: n + 1 }, () => new Float64Array(largest + 1));
  (ways[0] as Float64Array)[0] = 1;
  for (const rank of ranks) {
    for (let taken = n; taken >= 1; taken--) {
      const [from, to] = [ways[taken - 1] as Float64Array, ways[taken] as Float64Array];
      for (let sum = largest; sum >= rank; sum--) {
        (to[sum] as number) += from[sum - rank] as number;
      }
    }
  }
  return ways[n] as Float64Array;
}

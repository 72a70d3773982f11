// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, test } from 'vitest';
import { foldOf, mannWhitneyP, median, spreadOf } from '../../src/bench/stats.js';

test('the median is the value in the middle, or the mean of two; of nothing there is none', () => {
  expect(median([5, 1, 100])).toBe(5);
  expect(median([1, 2, 4, 100])).toBe(3);
  expect(() => median([])).toThrow(RangeError);
});

test('a spread has median, least and most, and how often the one goes into the other', () => {
  const spread = spreadOf([3, 1, 2]);
  expect(spread).toEqual({ median: 2, min: 1, max: 3, count: 3 });
  expect(spread && foldOf(spread)).toBe(3);
  expect(spreadOf([])).toBeUndefined();
  expect(foldOf({ median: 0, min: 0, max: 1, count: 2 })).toBe(Infinity);
  expect(foldOf({ median: 0, min: 0, max: 0, count: 2 })).toBe(1);
});

describe('the exact Mann-Whitney test', () => {
  // 2 of the C(n + m, n) ways to choose ranks are as extreme as no overlap.
  test.each([[3, 3, 2 / 20], [4, 4, 2 / 70], [5, 5, 2 / 252], [3, 5, 2 / 56], [7, 2, 2 / 36]])('%i launches apart from %i others: p = %d', (n, m, p) => {
    const low = Array.from({ length: n }, (_unused, i) => i);
    const high = Array.from({ length: m }, (_unused, i) => 100 + i);
    expect(mannWhitneyP(low, high)).toBeCloseTo(p, 12);
    expect(mannWhitneyP(high, low)).toBeCloseTo(p, 12);
  });

  test('agrees with published values of U', () => {
    // U = 2 of 5 against 5: 4 of 252 ways in each direction.
    expect(mannWhitneyP([1, 2, 3, 4, 7], [5, 6, 8, 9, 10])).toBeCloseTo(2 * 4 / 252, 12);
    // U = 1 of 3 against 4: 2 of 35.
    expect(mannWhitneyP([1, 2, 4], [3, 5, 6, 7])).toBeCloseTo(2 * 2 / 35, 12);
  });

  test('equal values share their ranks: what is all the same is no change', () => {
    expect(mannWhitneyP([1, 1, 1, 1, 1], [1, 1, 1, 1, 1])).toBe(1);
    expect(mannWhitneyP([1, 2], [1, 2])).toBe(1);
    // Ranks 1, 2.5, 2.5, 4: of 6 ways 2 are as extreme as {1, 2.5}, and each of those comes twice.
    expect(mannWhitneyP([1, 2], [2, 3])).toBeCloseTo(4 / 6, 12);
  });

  test('of no values p is 1, and of fifty it is found, too', () => {
    expect(mannWhitneyP([], [1, 2])).toBe(1);
    const many = Array.from({ length: 50 }, (_unused, i) => i);
    expect(mannWhitneyP(many, many.map((value) => value + 1000))).toBeLessThan(1e-25);
    expect(mannWhitneyP(many, many.map((value) => value + 0.5))).toBeGreaterThan(0.5);
  });
});

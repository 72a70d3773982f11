// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import { median } from '../../control/src/bench/stats.js';
import { isReached, markdownTable, spread } from '../lib/medians.js';

describe('medians of launches', () => {
  it('takes the middle value, or the mean of the two in the middle', () => {
    expect(median([5, 1, 100])).toBe(5);
    expect(median([1, 2, 4, 100])).toBe(3);
    expect(median([7])).toBe(7);
  });

  it('refuses to take a median of nothing', () => {
    expect(() => median([])).toThrow(RangeError);
  });

  it('shows the range of the launches', () => {
    expect(spread([12.345, 0.5, 12345])).toBe('12.3 (0.500..12300)');
  });

  it('judges a time by its upper, a rate by its lower bound', () => {
    const values = { what: 'x', ours: [2], peer: { name: 'tcp', values: [1] } };
    expect(isReached({ ...values, goal: { atMost: 1.5 } })).toBe(false);
    expect(isReached({ ...values, goal: { atLeast: 1.5 } })).toBe(true);
  });

  it('makes a row of the medians, not of the best launches', () => {
    const table = markdownTable([{ what: 'hop, µs', ours: [3, 1, 2], peer: { name: 'DPDK', values: [4, 4, 1] }, goal: { atMost: 0.4 } }]);
    expect(table.split('\n').at(-1)).toBe('| hop, µs | 2.00 (1.00..3.00) | DPDK: 4.00 (1.00..4.00) | 0.500 | ≤ 0.4 | no |');
  });
});

// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, test } from 'vitest';
import { addCounters, countersBetween } from '../../src/providers/provider.js';
import { softHarness, sriovHarness } from './harness.js';
import { providerSuite } from './suite.js';

providerSuite('soft', softHarness);
providerSuite('sriov', sriovHarness);

describe('counters', () => {
  test('a difference spans one wrap of the registers', () => {
    const before = { txFrames: 0xffff_fffe, rxFrames: 5, txBytes: 0xffff_ff00, rxBytes: 0 };
    const after = { txFrames: 3, rxFrames: 5, txBytes: 0x100, rxBytes: 7 };
    expect(countersBetween(before, after, 32)).toEqual({ txFrames: 5, rxFrames: 0, txBytes: 0x200, rxBytes: 7 });
  });

  test('sums go beyond 32 bits', () => {
    const much = { txFrames: 1, rxFrames: 1, txBytes: 4_000_000_000, rxBytes: 4_000_000_000 };
    expect(addCounters(much, much).txBytes).toBe(8_000_000_000);
  });
});

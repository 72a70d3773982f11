// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, test } from 'vitest';
import { softHarness, sriovHarness } from './harness.js';
import { providerSuite } from './suite.js';
import { addCounters, countersBetween } from '../../src/model/vf.js';

providerSuite('soft', softHarness);
providerSuite('sriov', sriovHarness);
providerSuite('sriov', (dir) => sriovHarness(dir, undefined, 'vfio'), 'sriov, over vfio');

describe('counters', () => {
  test('a difference spans one wrap of the registers', () => {
    const before = { txFrames: 0xffff_fffe, rxFrames: 5, txBytes: 0xffff_ff00, rxBytes: 0 };
    const after = { txFrames: 3, rxFrames: 5, txBytes: 0x100, rxBytes: 7 };
    expect(countersBetween(before, after, 32)).toEqual({ txFrames: 5, rxFrames: 0, txBytes: 0x200, rxBytes: 7 });
  });

  describe('that went back are a reset, not a wrap: what they show has come since', () => {
    const before = { txFrames: 91_701, rxFrames: 80_000, txBytes: 700_000_000, rxBytes: 650_000_000 };

    test.each([
      ['nothing came since', { txFrames: 0, rxFrames: 0, txBytes: 0, rxBytes: 0 }],
      ['a little came since', { txFrames: 12, rxFrames: 11, txBytes: 900, rxBytes: 850 }],
      ['more frames came since than before, of fewer bytes', { txFrames: 100_000, rxFrames: 90_000, txBytes: 6_400_000, rxBytes: 5_760_000 }],
      ['one side only shows it', { txFrames: 91_800, rxFrames: 3, txBytes: 700_009_000, rxBytes: 200 }],
    ])('%s', (_name, after) => expect(countersBetween(before, after, 32)).toEqual(after));

    test('but bytes that wrap under a busy line are none', () => {
      // 3 s at 10 Gb/s, in frames of 1500 bytes.
      const after = { txFrames: 91_701 + 2_500_000, rxFrames: 80_000, txBytes: (700_000_000 + 3_750_000_000) % 2 ** 32, rxBytes: 650_000_000 };
      expect(countersBetween(before, after, 32)).toEqual({ txFrames: 2_500_000, rxFrames: 0, txBytes: 3_750_000_000, rxBytes: 0 });
    });

    test('nor are bytes that came between the readings of two registers', () => {
      const after = { ...before, txBytes: before.txBytes + 4_000_000 };
      expect(countersBetween(before, after, 32)).toEqual({ txFrames: 0, rxFrames: 0, txBytes: 4_000_000, rxBytes: 0 });
    });
  });

  test('sums go beyond 32 bits', () => {
    const much = { txFrames: 1, rxFrames: 1, txBytes: 4_000_000_000, rxBytes: 4_000_000_000 };
    expect(addCounters(much, much).txBytes).toBe(8_000_000_000);
  });
});

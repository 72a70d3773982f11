// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import { type Column, demoTable, meaning } from '../lib/demo-table.js';

const measured = (latency: readonly number[], rate: readonly number[]) => ({
  latency: new Map([[8, latency], [2 ** 20, latency.map((us) => us * 1000)]]),
  rate: new Map([[8, rate], [1024, rate]]),
});
const vfring: Column = { name: 'vfring', measured: measured([0.7, 0.66, 0.5], [2e6, 2.11e6, 3e6]) };
const tcp: Column = { name: 'btl/tcp', measured: measured([10, 10.2, 12], [1.6e5, 1.5e5, 1.7e5]) };
const shared: Column = { name: 'shared memory', measured: measured([0.3, 0.33, 0.4], [8e6, 8e6, 8e6]) };

describe('the demo', () => {
  it('shows medians of the launches, transports side by side', () => {
    expect(demoTable([vfring, tcp, shared])).toEqual([
      'half a round trip, µs (less is better)   vfring   btl/tcp   shared memory',
      '8 B                                       0.660      10.2           0.330',
      '1 MiB                                       660     10200             330',
      '',
      '64 messages under way (more is better)   vfring   btl/tcp   shared memory',
      '8 B, thousand messages/s                   2110       160            8000',
      '1 KiB, MB/s                                2160       164            8190',
    ]);
  });

  it('says what it means', () => {
    const [first, second] = meaning([vfring, tcp, shared]);
    expect(first).toContain('8 B takes 0.660 µs over vfring: 15 times faster than btl/tcp, 2 times slower than shared memory.');
    expect(second).toContain('say nothing about hardware');
  });

  it('says what was not measured, and why', () => {
    const columns: Column[] = [vfring, { name: 'btl/tcp', measured: { missing: 'this Open MPI has no btl/tcp' } }, shared];
    const lines = demoTable(columns);
    expect(lines.at(-1)).toBe('btl/tcp was not measured: this Open MPI has no btl/tcp');
    expect(lines[1]).toMatch(/^8 B +0\.660 +- +0\.330$/);
    expect(meaning(columns)[0]).not.toContain('btl/tcp');
  });

  it('says when other work disturbed it, and only then', () => {
    const disturbed: Column = { name: 'btl/tcp', measured: measured([10, 10, 500], [1, 1, 1]) };
    expect(meaning([vfring, disturbed]).join('\n')).toContain('50-fold');
    expect(meaning([vfring, disturbed])[0]).not.toContain('times faster');
    expect(meaning([vfring, tcp, shared]).join('\n')).not.toContain('-fold');
  });

  it('does not pass off the peers as vfring', () => {
    expect(() => demoTable([{ name: 'vfring', measured: { missing: 'x' } }, tcp])).toThrow(RangeError);
    expect(() => meaning([{ name: 'vfring', measured: { missing: 'x' } }])).toThrow(RangeError);
  });
});

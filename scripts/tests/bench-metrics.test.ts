// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import { compare, type Driver, type Metric } from '../lib/bench-metrics.js';

const whole: Metric = {
  what: 'MPI', peer: { driver: 'tcp', name: 'btl/tcp' }, goal: { atMost: 1 }, command: (driver) => ['mpi', driver], valueOf: Number,
};
const part: Metric = { ...whole, what: 'raw', peerOf: whole, command: () => ['raw'] };

/** Answers each command with the next of its values. */
function benchOf(answers: Record<string, string[]>): { bind: () => Promise<void>; run: (args: readonly string[]) => Promise<string>; drivers: Driver[] } {
  return { bind: () => Promise.resolve(), run: (args) => Promise.resolve(answers[args.join(' ')]?.shift() ?? ''), drivers: ['vfring', 'tcp'] };
}

describe('comparison of drivers', () => {
  it('measures every driver in every launch', async () => {
    const bench = benchOf({ 'mpi vfring': ['10', '11'], 'mpi tcp': ['40', '41'] });
    expect(await compare(bench, [whole], bench.drivers, 2)).toEqual([
      { what: 'MPI', ours: [10, 11], peer: { name: 'btl/tcp', values: [40, 41] }, goal: { atMost: 1 } },
    ]);
  });

  it('sets a part beside what the peer needs for the whole, which is measured once', async () => {
    const bench = benchOf({ 'mpi vfring': ['10'], 'mpi tcp': ['40'], raw: ['9'] });
    const [, comparison] = await compare(bench, [whole, part], bench.drivers, 1);
    expect(comparison).toEqual({ what: 'raw', ours: [9], peer: { name: 'btl/tcp', values: [40] }, goal: { atMost: 1 } });
  });

  it('takes no output without a result for a measurement', async () => {
    const bench = benchOf({ 'mpi vfring': ['nothing'] });
    await expect(compare(bench, [whole], bench.drivers, 1)).rejects.toThrow('no result in the output of mpi vfring:\nnothing');
  });
});

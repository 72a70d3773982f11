// SPDX-License-Identifier: BSD-3-Clause
/** Results of vfring bench, as a machine could have given them. */
import { HEAD, type Launch, type Result } from '../../src/bench/result.js';

/** By transport: factor to the time of vfring. */
const FACTORS = { vfring: 1, tcp: 14, sm: 0.6 } as const;
const SIZES = [8, 64, 1024, 4096, 65536, 1048576];

export function benchLaunch(more: Partial<Launch> = {}): Launch {
  return { round: 1, benchmark: 'latency', transport: 'vfring', argv: ['mpirun', 'pingpong'], seconds: 1.5, load: 0.1, ok: true, failure: null, rows: [], ...more };
}

/** @param noise what a round's times are multiplied by */
export function benchResult(more: Partial<Result> = {}, noise: readonly number[] = [1, 1.02, 0.98, 1.04, 0.99]): Result {
  const launches = noise.flatMap((factor, i) => Object.entries(FACTORS).flatMap(([transport, times]): Launch[] => {
    const us = (bytes: number): number => (0.66 + bytes / 4000) * times * factor;
    const round = i + 1;
    return [
      benchLaunch({ round, transport, rows: SIZES.map((bytes) => ({ bytes, median_us: us(bytes), p50_us: us(bytes), p99_us: us(bytes) * 2, p999_us: bytes > 65536 ? null : us(bytes) * 5 })) }),
      benchLaunch({ round, transport, benchmark: 'bandwidth', rows: SIZES.map((bytes) => ({ bytes, mb_per_s: (bytes / us(bytes)) * 1.5, msg_per_s: 1.5e6 / us(bytes), p50_us: 64 * us(bytes), p99_us: 70 * us(bytes) })) }),
      benchLaunch({ round, transport, benchmark: 'startup', rows: [
        { min: 70, median: 80 * factor, max: 90, unit: 'ms', what: 'MPI_Init_thread' }, { min: 1, median: 12000, max: 1, unit: 'KiB', what: 'resident, after the first messages' }, { min: 1, median: 1, max: 1, unit: 'KiB', what: 'locked, before MPI_Init' },
      ] }),
    ];
  }));
  return {
    ...HEAD, release: '0.1.0', state: 'complete', why: null, started_at: '2026-11-30T10:00:00.000Z', ended_at: '2026-11-30T10:05:00.000Z', command: ['vfring', 'bench'],
    ranks: 2, launches_wanted: noise.length, quick: false, hosts: [], benchmarks: ['latency', 'bandwidth', 'startup'],
    transports: [
      { name: 'vfring', title: 'vfring over soft VFs', facts: [['VFs', 'soft VFs: software, no card (82576)'], ['MTU', '9000']] },
      { name: 'tcp', title: 'btl/tcp over loopback', facts: [['MTU', '65536']] },
      { name: 'sm', title: 'shared memory (btl/vader)', facts: [] },
    ],
    skipped: [], conditions: [['host', 'node7'], ['kernel', '6.12.0'], ['Open MPI', '5.0.7']], load_before: [0.1, 0.2, 0.3], load_after: [1.8, 0.9, 0.5], processors: 4, launches, ...more,
  };
}

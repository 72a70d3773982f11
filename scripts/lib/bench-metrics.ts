// SPDX-License-Identifier: BSD-3-Clause
/** What `npm run bench:lab` measures: drivers in turns, launch by launch, so that whatever else the computer does hits all alike. */
import type { Comparison } from './medians.js';
import { StepError, step } from '../../tools/steps.js';

export type Driver = 'vfring' | 'tcp' | 'dpdk';

export interface Metric {
  readonly what: string;
  /** Whom vfring is measured against. */
  readonly peer: { readonly driver: Driver; readonly name: string };
  readonly goal: Comparison['goal'];
  /** The peer is not measured, but has the values of this one: for what is a part of it. */
  readonly peerOf?: Metric;
  /** Arguments of the script in the guest. */
  readonly command: (driver: Driver) => readonly string[];
  readonly valueOf: (output: string) => number;
}

/** The value in column `key` of an MPI test program's table, which has one row. */
function column(key: string): (output: string) => number {
  return (output) => {
    const lines = output.split('\n').map((line) => line.trim().split(/\s+/));
    const at = lines.findIndex((fields) => fields.includes(key));
    return Number(lines[at + 1]?.[lines[at]?.indexOf(key) ?? -1]);
  };
}

/** Half round trip, bandwidth and message rate of two ranks over vfring and over btl/tcp. */
export function mpiMetrics(goals: { halfRoundTrip: number; bandwidth: number; rate: number }): [halfRoundTrip: Metric, bandwidth: Metric, rate: Metric] {
  const peer = { driver: 'tcp', name: 'btl/tcp' } as const;
  const mpi = (program: string, ...args: string[]) => (driver: Driver): string[] => ['mpi', driver, program, ...args];
  return [
    { what: 'MPI, 8 B: half round trip, µs', peer, goal: { atMost: goals.halfRoundTrip },
      command: mpi('pingpong', '--sizes=8', '--samples=5'), valueOf: column('median_us') },
    { what: 'MPI, 1 MiB, 64 under way: MB/s', peer, goal: { atLeast: goals.bandwidth },
      command: mpi('bandwidth', '--sizes=1M', '--samples=3', '--iters=1'), valueOf: column('mb_per_s') },
    { what: 'MPI, 8 B, 64 under way: messages/s', peer, goal: { atLeast: goals.rate },
      command: mpi('bandwidth', '--sizes=8', '--samples=5'), valueOf: column('msg_per_s') },
  ];
}

/** The machine or machines that are measured. */
export interface Bench {
  /** Gives the VFs to a driver. */
  bind(driver: Driver): Promise<void>;
  /** Runs a {@link Metric.command}; returns its output. */
  run(args: readonly string[]): Promise<string>;
}

/** Every launch measures all metrics of one driver after the other. */
export async function compare(bench: Bench, metrics: readonly Metric[], drivers: readonly Driver[], launches: number): Promise<Comparison[]> {
  const values = new Map(metrics.map((metric) => [metric, {} as Record<string, number[]>]));
  for (let launch = 1; launch <= launches; launch++) {
    await step(`launch ${launch} of ${launches}`, async () => {
      for (const driver of drivers) {
        await bench.bind(driver);
        for (const [metric, perDriver] of values) {
          if (driver === 'vfring' || (metric.peer.driver === driver && metric.peerOf === undefined)) {
            const output = await bench.run(metric.command(driver));
            const value = metric.valueOf(output);
            if (!(value > 0)) {
              throw new StepError(`no result in the output of ${metric.command(driver).join(' ')}:\n${output}`);
            }
            process.stderr.write(`    ${driver}: ${metric.what}: ${value.toPrecision(4)}\n`);
            (perDriver[driver] ??= []).push(value);
          }
        }
      }
    });
  }
  return [...values].map(([metric, perDriver]): Comparison => ({
    what: metric.what,
    ours: perDriver['vfring'] ?? [],
    peer: { name: metric.peer.name, values: values.get(metric.peerOf ?? metric)?.[metric.peer.driver] ?? [] },
    goal: metric.goal,
  }));
}


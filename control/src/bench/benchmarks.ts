// SPDX-License-Identifier: BSD-3-Clause
/** What `vfring bench` can measure: programs of mpi-tests/, and which of their figures are shown. */
import { VfringError } from '../errors.js';

/** A figure of a program's row: one value a launch and point. */
export interface Metric {
  /** In the program's JSON. */
  readonly key: string;
  readonly title: string;
  readonly unit: 'µs' | 'MB/s' | 'messages/s' | '%' | 'ms, KiB';
  readonly better: 'less' | 'more';
}

export interface Benchmark {
  readonly name: string;
  readonly title: string;
  readonly program: string;
  readonly args: readonly string[];
  /** What tells its rows apart: sizes of messages, or a text of each row. */
  readonly points: 'bytes' | 'operation' | 'what';
  /** Sizes, where nobody has chosen others; undefined: it takes none. */
  readonly sizes: readonly number[] | undefined;
  /** The first is the one that ratios and comparisons are of; all of them have a plot and columns. */
  readonly metrics: readonly [Metric, ...Metric[]];
  /** Rows whose text begins otherwise are left out. */
  readonly only?: readonly string[];
  /** The program takes no --quick. */
  readonly unhurried?: true;
}

const KIB = 1024;
const MIB = 1024 * KIB;
const LATENCY_SIZES = [8, 64, 512, KIB, 4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB, MIB];
const COLLECTIVE_SIZES = [8, 64, KIB, 16 * KIB, 256 * KIB];

const percentile = (key: string, title: string): Metric => ({ key, title, unit: 'µs', better: 'less' });
const TIMES: readonly [Metric, ...Metric[]] = [percentile('p50_us', 'Time, p50'), percentile('p99_us', 'Time, p99'), percentile('p999_us', 'Time, p99.9')];
const MB_PER_S: Metric = { key: 'mb_per_s', title: 'Bandwidth', unit: 'MB/s', better: 'more' };
const RATE: Metric = { key: 'msg_per_s', title: 'Message rate', unit: 'messages/s', better: 'more' };

const windows = (name: string, title: string, pattern: string): Benchmark => ({
  name, title, program: 'bandwidth', args: ['--pattern', pattern], points: 'bytes', sizes: LATENCY_SIZES,
  metrics: [MB_PER_S, RATE, percentile('p50_us', 'A window of 64, p50'), percentile('p99_us', 'A window of 64, p99')],
});
const oneSided = (name: string, operation: string): Benchmark => ({
  name, title: `One-sided: ${operation.replace('_', ', ')}`, program: 'putget', args: ['--case', operation], points: 'bytes', sizes: COLLECTIVE_SIZES, metrics: TIMES,
});
const collective = (name: string): Benchmark => ({
  name, title: `Collective: ${name}, the slowest rank`, program: 'colltimes', args: ['--case', name], points: 'bytes', sizes: COLLECTIVE_SIZES, metrics: TIMES,
});

export const BENCHMARKS: readonly Benchmark[] = [
  {
    name: 'latency', title: 'Latency: half a round trip', program: 'pingpong', args: [], points: 'bytes', sizes: LATENCY_SIZES,
    metrics: [percentile('median_us', 'Half a round trip'), percentile('p50_us', 'Single round trips, p50'), percentile('p99_us', 'Single round trips, p99'), percentile('p999_us', 'Single round trips, p99.9')],
  },
  windows('bandwidth', 'Bandwidth and message rate, 64 messages under way', 'one-way'),
  windows('bibw', 'The same in both directions at once', 'both-ways'),
  windows('unexpected', 'The same where nobody waits for the messages', 'unexpected'),
  oneSided('put', 'put_flush'),
  oneSided('get', 'get_flush'),
  oneSided('accumulate', 'accumulate_flush'),
  collective('bcast'),
  collective('allreduce'),
  collective('allgather'),
  collective('alltoall'),
  { ...collective('barrier'), points: 'operation', sizes: undefined },
  {
    name: 'overlap', title: 'Overlap: the part of a message that a computation hides', program: 'overlap', args: ['--case', 'both'], points: 'bytes', sizes: COLLECTIVE_SIZES,
    metrics: [{ key: 'overlap_pct', title: 'Hidden', unit: '%', better: 'more' }],
  },
  {
    name: 'threads', title: 'Message rate with 1, 2 and 4 threads a rank, 8 B', program: 'threadrate', args: ['--sizes', '8'], points: 'operation', sizes: undefined,
    metrics: [{ key: 'per_s', title: 'Message rate', unit: 'messages/s', better: 'more' }],
  },
  {
    name: 'startup', title: 'MPI_Init and the memory of a rank', program: 'startup', args: [], points: 'what', sizes: undefined, unhurried: true,
    only: ['MPI_Init', 'first message', 'resident, after the first', 'shared, after the first', 'pinned, after the first'],
    metrics: [{ key: 'median', title: 'Median over the ranks', unit: 'ms, KiB', better: 'less' }],
  },
];

/** What is measured where nobody has chosen. */
export const USUAL = ['latency', 'bandwidth', 'allreduce', 'startup'] as const;

/** "latency,put" or "all". Throws VFRING_ERR_USAGE. */
export function chosenBenchmarks(text: string | undefined): readonly Benchmark[] {
  const names = text === undefined ? [...USUAL] : text === 'all' ? BENCHMARKS.map(({ name }) => name) : text.split(',').map((name) => name.trim());
  for (const name of names) {
    if (!BENCHMARKS.some((one) => one.name === name)) {
      throw new VfringError('VFRING_ERR_USAGE', {
        what: `there is no benchmark ${name === '' ? 'without a name' : name}`, remedy: `choose among ${BENCHMARKS.map((one) => one.name).join(', ')}, or all; vfring bench --list says what each is`,
      });
    }
  }
  return BENCHMARKS.filter(({ name }) => names.includes(name));
}

/** Undefined for one that another release had. */
export const benchmarkCalled = (name: string): Benchmark | undefined => BENCHMARKS.find((one) => one.name === name);

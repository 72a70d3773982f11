// SPDX-License-Identifier: BSD-3-Clause
/** Which launches there will be, in which order. */
import { VfringError } from '../errors.js';
import type { Benchmark } from './benchmarks.js';
import { sizeOf } from './numbers.js';
import type { Transport } from './transports.js';

export interface PlanOptions {
  readonly benchmarks: readonly Benchmark[];
  readonly transports: readonly Transport[];
  /** Of everything. */
  readonly launches: number;
  /** In place of each benchmark's own. */
  readonly sizes: readonly number[] | undefined;
  readonly quick: boolean;
}

export interface PlannedLaunch {
  readonly round: number;
  readonly benchmark: Benchmark;
  readonly transport: Transport;
  readonly argv: readonly [string, ...string[]];
}

/**
 * Round after round: in each, one launch of every benchmark over every transport, those of one benchmark one after the
 * other, so that what else the machine does hits all transports alike. Each round begins with another transport, so that
 * none always follows the same one.
 */
export function plan({ benchmarks, transports, launches, sizes, quick }: PlanOptions): PlannedLaunch[] {
  return Array.from({ length: launches }, (_unused, round) => benchmarks.flatMap((benchmark) => {
    const turn = round % Math.max(1, transports.length);
    return [...transports.slice(turn), ...transports.slice(0, turn)].map((transport) => (
      { round: round + 1, benchmark, transport, argv: transport.argv(programOf(benchmark, sizes, quick)) }));
  })).flat();
}

function programOf(benchmark: Benchmark, sizes: readonly number[] | undefined, quick: boolean): string[] {
  const chosen = benchmark.sizes === undefined ? undefined : (sizes ?? benchmark.sizes);
  return [
    benchmark.program, ...benchmark.args,
    ...(chosen === undefined ? [] : ['--sizes', chosen.join(',')]),
    ...(quick && benchmark.unhurried !== true ? ['--quick'] : []),
    // Rank 0 may run on another host, whose files are not here; its output comes here in any case.
    '--json-lines', '/dev/stdout',
  ];
}

/** "8,4K,1M" as bytes, ascending, each once. Throws VFRING_ERR_USAGE. */
export function parseSizes(text: string): number[] {
  const sizes = text.split(',').map((word) => {
    const bytes = sizeOf(word.trim());
    if (bytes === undefined || bytes === 0) {
      throw new VfringError('VFRING_ERR_USAGE', { what: `--sizes ${text}: "${word}" is no size of a message from 1 byte to 2 GiB`, remedy: 'for example --sizes 8,4K,1M' });
    }
    return bytes;
  });
  return [...new Set(sizes)].sort((a, b) => a - b);
}

/** A whole number of an option. Throws VFRING_ERR_USAGE. */
export function numberFrom(option: string, text: string, least: number, most: number): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= least && value <= most)) {
    throw new VfringError('VFRING_ERR_USAGE', { what: `${option} ${text}: a whole number from ${least} to ${most} is needed`, remedy: `for example ${option} ${least}` });
  }
  return value;
}

// SPDX-License-Identifier: BSD-3-Clause
/** What both demos show: a job over vfring, then vfring beside its peers, with a page of it. */

/** What else the machine does hits all transports alike, and the median leaves the odd launch out. */
const LAUNCHES = 3;
/** The first one is what the demo shows; the others may fail without it. */
const TRANSPORTS = ['vfring', 'tcp', 'sm'] as const;
/** Enough to see latency, rate and bandwidth on one screen. */
const SIZES = '8,1K,8K,64K,1M';

/** What `vfring bench` ends with where some launches failed: EXIT.OS. */
const FAILED_LAUNCHES = 71;

/** A job whose last lines say, by the VFs' own counters, what carried its messages. @param program the path of pingpong */
export const jobArgv = (program: string): readonly [string, ...string[]] => ['vfring', 'run', '--local', 'vf', '-n', '2', '--', program, '--quick', '--sizes', '8'];

/** @param output where the result goes: `output`.json and `output`.html */
export const benchArgv = (output: string): readonly [string, ...string[]] => ['vfring', 'bench', '--quick', '--launches', String(LAUNCHES), '--benchmarks', 'latency,bandwidth',
  '--sizes', SIZES, '--transports', TRANSPORTS.join(','), '--skip-missing', '--output', output, '--overwrite'];

/**
 * A peer that cannot be measured here has no figures, and that is all; vfring must have its own.
 *
 * @param status of `vfring bench`
 * @param json reads its result, if it wrote one
 * @returns the demo's exit status
 */
export function judge(status: number, json: () => string): number {
  if (status !== 0 && status !== FAILED_LAUNCHES) {
    return status;
  }
  const { launches } = JSON.parse(json()) as { launches: readonly { transport: string; ok: boolean }[] };
  const ours = launches.filter(({ transport }) => transport === TRANSPORTS[0]);
  return ours.length > 0 && ours.every(({ ok }) => ok) ? 0 : status === 0 ? 1 : status;
}

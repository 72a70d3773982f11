// SPDX-License-Identifier: BSD-3-Clause
/** The demo over soft VFs: a job over vfring, then vfring beside its peers, with a page of it. */
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildDir } from '../../tools/steps.js';
import { sizes } from './benchmarks.js';

/** Runs a command that has the terminal. @returns its status */
export type Run = (file: string, ...args: readonly string[]) => Promise<number>;

/** What else the machine does hits all transports alike, and the median leaves the odd launch out. */
const LAUNCHES = 3;
/** The first one is what the demo shows; the others may fail without it. */
const TRANSPORTS = ['vfring', 'tcp', 'sm'] as const;

/**
 * Ends with the verdict and the page's path. @returns the exit status
 *
 * @param say a line for people
 */
export async function runSoftDemo(run: Run, say: (line: string) => void): Promise<number> {
  const dir = join(buildDir, 'demo');
  mkdirSync(dir, { recursive: true });
  // By the VFs' own counters its last lines say what carried the messages.
  const status = await run('vfring', 'run', '--local', 'vf', '-n', '2', '--', 'pingpong', '--quick', '--sizes', '8');
  if (status !== 0) {
    return status;
  }
  say('\nthe same beside btl/tcp and shared memory');
  const measured = await run('vfring', 'bench', '--quick', '--launches', String(LAUNCHES), '--benchmarks', 'latency,bandwidth', '--sizes', sizes.rate,
    '--transports', TRANSPORTS.join(','), '--skip-missing', '--output', join(dir, 'vfring'), '--overwrite');
  return measured === 0 || measured === FAILED_LAUNCHES ? judge(measured, readFileSync(join(dir, 'vfring.json'), 'utf8')) : measured;
}

/** What `vfring bench` ends with where some launches failed: EXIT.OS. */
const FAILED_LAUNCHES = 71;

/** A peer that cannot be measured here has no figures, and that is all; vfring must have its own. */
export function judge(status: number, json: string): number {
  const { launches } = JSON.parse(json) as { launches: readonly { transport: string; ok: boolean }[] };
  const ours = launches.filter(({ transport }) => transport === TRANSPORTS[0]);
  return ours.length > 0 && ours.every(({ ok }) => ok) ? 0 : status === 0 ? 1 : status;
}

// SPDX-License-Identifier: BSD-3-Clause
/** The demo over soft VFs: a job over vfring, then vfring beside its peers, with a page of it. */
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildDir } from '../../tools/steps.js';
import { benchArgv, jobArgv, judge } from './demo-page.js';

/** Runs a command that has the terminal. @returns its status */
export type Run = (file: string, ...args: readonly string[]) => Promise<number>;

/**
 * Ends with the verdict and the page's path. @returns the exit status
 *
 * @param say a line for people
 */
export async function runSoftDemo(run: Run, say: (line: string) => void): Promise<number> {
  const dir = join(buildDir, 'demo');
  mkdirSync(dir, { recursive: true });
  const status = await run(...jobArgv('pingpong'));
  if (status !== 0) {
    return status;
  }
  say('\nthe same beside btl/tcp and shared memory');
  const output = join(dir, 'vfring');
  return judge(await run(...benchArgv(output)), () => readFileSync(`${output}.json`, 'utf8'));
}

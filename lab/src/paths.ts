// SPDX-License-Identifier: BSD-3-Clause
/** Where the lab finds the project and keeps what it makes. */
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const projectDir = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');
export const labDir = path.join(projectDir, 'lab');
/** What depends on the project's sources: cheap to make again. */
export const buildDir = path.join(projectDir, 'build', 'lab');
/** @param host name of one of several hosts */
export const consoleLogOf = (host?: string): string => path.join(buildDir, host === undefined ? 'console.log' : `console-${host}.log`);
export const consoleLog = consoleLogOf();
export const resultsDir = path.join(buildDir, 'results');

/** What depends on Debian only: dear, so it outlives a checkout. */
export function cacheBase(env: NodeJS.ProcessEnv = process.env): string {
  // The XDG base directory specification says to ignore relative paths.
  const xdg = env['XDG_CACHE_HOME'];
  const base = xdg !== undefined && path.isAbsolute(xdg) ? xdg : path.join(os.homedir(), '.cache');
  return path.join(base, 'vfring');
}

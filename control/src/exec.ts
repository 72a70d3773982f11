// SPDX-License-Identifier: BSD-3-Clause
/** Runs a program without a shell. */
import { execFile } from 'node:child_process';

export interface ExecResult {
  /** Exit status; null when a signal or the time limit ended it. */
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Never throws for a status other than 0; rejects with `code` ENOENT or EACCES
 * when the program cannot be started.
 */
export type Exec = (program: string, args: readonly string[]) => Promise<ExecResult>;

const TIMEOUT_MS = 30_000;
const MAX_OUTPUT_BYTES = 16 << 20;

/** Root's services may run with a PATH that lacks the system's own folders. */
export function searchPath(env: NodeJS.ProcessEnv = process.env): string {
  const folders = (env['PATH'] ?? '').split(':').filter((folder) => folder.startsWith('/'));
  return [...new Set([...folders, '/usr/sbin', '/usr/bin', '/sbin', '/bin'])].join(':');
}

export const exec: Exec = (program, args) =>
  new Promise((resolve, reject) => {
    const options = {
      timeout: TIMEOUT_MS,
      killSignal: 'SIGKILL' as const,
      maxBuffer: MAX_OUTPUT_BYTES,
      env: { ...process.env, PATH: searchPath(), LC_ALL: 'C' },
    };
    execFile(program, [...args], options, (error, stdout, stderr) => {
      if (error === null) {
        resolve({ status: 0, stdout, stderr });
      } else if (typeof error.code === 'number') {
        resolve({ status: error.code, stdout, stderr });
      } else if (error.killed || error.signal) {
        resolve({ status: null, stdout, stderr: `${stderr}ended by ${error.signal ?? 'a time limit'}` });
      } else {
        reject(error);
      }
    });
  });

/** What a failed program said, in one line. */
export function failureText(result: ExecResult): string {
  const said = result.stderr.trim() || result.stdout.trim();
  return said === '' ? `exit status ${result.status}` : said.replace(/\s*\n\s*/g, '; ');
}

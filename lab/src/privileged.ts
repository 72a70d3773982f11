// SPDX-License-Identifier: BSD-3-Clause
/** The one place where the lab becomes root: lab/root/root.sh, by sudo. */
import { closeSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs';
import path from 'node:path';
import { execa } from 'execa';
import type { Note } from '../../tools/steps.js';
import { LabError, EXIT_STATUS, type LabErrorCode } from './errors.js';
import { buildDir, labDir } from './paths.js';

/**
 * Mount and PID namespaces of its own, so that neither mounts nor processes
 * outlive the script.
 */
const NAMESPACES = ['unshare', '--mount', '--propagation', 'private', '--pid', '--fork', '--kill-child', '--mount-proc'];

export interface PrivilegedRun {
  args: readonly string[];
  env?: Record<string, string>;
  /** Name of the log under build/lab/. */
  logName: string;
  what: string;
  code: LabErrorCode;
  note: Note;
  signal?: AbortSignal | undefined;
}

/** Runs root.sh as root and keeps its output in a log file, the end of which is in the error if it fails. */
export async function runPrivileged(run: PrivilegedRun): Promise<void> {
  mkdirSync(buildDir, { recursive: true });
  const logFile = path.join(buildDir, run.logName);
  const log = openSync(logFile, 'w');
  const environment = Object.entries(run.env ?? {}).map(([name, value]) => `${name}=${value}`);
  const argv = [
    ...(process.getuid?.() === 0 ? [] : ['sudo', '--']),
    'env', ...environment, ...NAMESPACES, 'sh', path.join(labDir, 'root', 'root.sh'), ...run.args,
  ];
  try {
    // stdin stays an open pipe: root.sh gives up when it closes, that is when we stop or die.
    const child = execa(argv[0]!, argv.slice(1), {
      stdin: 'pipe', stdout: 'pipe', stderr: 'pipe', all: true, buffer: false, reject: false, cleanup: false,
    });
    const stop = (): void => {
      child.stdin.end();
    };
    run.signal?.addEventListener('abort', stop);
    if (run.signal?.aborted) {
      stop();
    }
    for await (const line of child.iterable({ from: 'all' })) {
      writeSync(log, `${line}\n`);
      run.note(line);
    }
    const result = await child;
    run.signal?.removeEventListener('abort', stop);
    if (run.signal?.aborted) {
      throw new LabError('VFRING_ERR_LAB_STOPPED', `${run.what} was stopped`, 'run the command again', EXIT_STATUS.interrupted);
    }
    if (result.failed) {
      const cause = result.exitCode === undefined ? result.shortMessage : `exit status ${result.exitCode}`;
      const tail = readFileSync(logFile, 'utf8').trimEnd().split('\n').slice(-25).map((line) => `  | ${line}`).join('\n');
      throw new LabError(run.code, `${run.what} failed (${cause}); the end of ${logFile}:\n${tail}`,
        process.getuid?.() === 0 ? 'mend what the log names and run again'
          : 'mend what the log names and run again; this step needs root by sudo');
    }
  } finally {
    closeSync(log);
  }
}

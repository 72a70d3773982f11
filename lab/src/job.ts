// SPDX-License-Identifier: BSD-3-Clause
/** What `npm run lab` does with a guest that runs. */
import type { Guest, Job, JobResult, Output } from './guest.js';
import { kernelFaults } from './kernel-log.js';
import type { LabOptions } from './options.js';
import { say } from './progress.js';
import { readScript, scriptArgv } from './script.js';
import { connectTerminal } from './terminal.js';

export const showPlainly: Output = (stream, chunk) => {
  process[stream].write(chunk);
};

/** A guest, or a host of a site. */
interface Runner {
  exec(job: Job): Promise<JobResult>;
}

/** The command or script of the command line. Returns its status. */
export async function runCommand(runner: Runner, options: LabOptions, onOutput: Output): Promise<number> {
  const argv = options.script === undefined ? options.argv : scriptArgv(readScript(options.script), options.argv);
  const { status } = await runner.exec({
    argv, user: options.user, collect: false, onOutput, ...(options.stdin ? { stdin: process.stdin } : {}),
  });
  return status;
}

export async function runShell(guest: Guest, user: string): Promise<number> {
  const disconnect = connectTerminal(guest.tty);
  try {
    return await guest.shell(user, {
      type: process.env['TERM'] ?? 'vt100', rows: process.stdout.rows || 24, columns: process.stdout.columns || 80,
    });
  } finally {
    disconnect();
  }
}

export function sayFaults(title: string, guest: Guest): void {
  const faults = kernelFaults(guest.consoleLog);
  if (faults.length > 0) {
    say(`the kernel of ${title} reports faults (${guest.logPath}):\n${faults.slice(0, 20).map((line) => `  | ${line}`).join('\n')}`);
  }
}

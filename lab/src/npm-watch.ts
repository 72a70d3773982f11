// SPDX-License-Identifier: BSD-3-Clause
import {existsSync, readFileSync} from 'node:fs';

const checkMs = 1000;

function statOf(pid: number): {command: string; parent: number} | undefined {
  try {
    // proc_pid_stat(5): pid (command) state ppid ...; the command may contain anything.
    const match = /^\d+ \((.*)\) \S (\d+)/s.exec(readFileSync(`/proc/${pid}/stat`, 'latin1'));
    return match ? {command: match[1]!, parent: Number(match[2])} : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Calls `gone` when the npm that runs us was killed: it passes signals on, but
 * cannot pass on SIGKILL, and its shell between us does not notice.
 */
export function watchNpm(gone: () => void): void {
  if (process.env['npm_lifecycle_event'] === undefined) {
    return;
  }
  for (let pid = process.ppid; pid > 1;) {
    const stat = statOf(pid);
    if (stat?.command.startsWith('npm')) {
      const npm = pid;
      const timer = setInterval(() => {
        if (!existsSync(`/proc/${npm}`)) {
          clearInterval(timer);
          gone();
        }
      }, checkMs);
      timer.unref();
      return;
    }
    pid = stat?.parent ?? 0;
  }
}

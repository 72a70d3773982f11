// SPDX-License-Identifier: BSD-3-Clause
/** How a command of the lab ends. */
import { CommanderError } from 'commander';
import { LabError, EXIT_STATUS } from './errors.js';
import { say } from './progress.js';

/** Sets the process's exit status to what `work` gives (0 without a number), or to that of what it throws, which is said. */
export async function exitWith(work: () => Promise<number | void>): Promise<void> {
  try {
    process.exitCode = (await work()) ?? 0;
  } catch (error) {
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? 0 : EXIT_STATUS.usage;
    } else if (error instanceof LabError) {
      say(error.text());
      process.exitCode = error.status;
    } else {
      throw error;
    }
  }
}

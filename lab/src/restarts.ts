// SPDX-License-Identifier: BSD-3-Clause
/** Guests that were started anew because the emulator failed: each is told at once, and again in the summary of a test run. */
import { isEmulatorFault } from './errors.js';
import { say } from './progress.js';

const causes: string[] = [];

/** @param cause its first line is what the summary has of it */
export function noteRestart(cause: string): void {
  causes.push(cause.split('\n', 1)[0] as string);
  say(`${cause}: starting the guest anew`);
}

/** Why guests of this process were started anew so far, one entry each. */
export function restarts(): readonly string[] {
  return causes;
}

/**
 * Starts a machine, does `work` with it, and ends it. When a guest stood still or QEMU failed, all of that is done once
 * more with another one, and noted: only for work that can be repeated, such as tests.
 */
export async function onceMore<M extends { close(): Promise<void> }, T>(start: () => Promise<M>, work: (machine: M) => Promise<T>): Promise<T> {
  for (let again = false; ; again = true) {
    const machine = await start();
    try {
      return await work(machine);
    } catch (error) {
      if (again || !isEmulatorFault(error)) {
        throw error;
      }
      noteRestart(`${error.message} (${error.remedy})`);
    } finally {
      await machine.close();
    }
  }
}

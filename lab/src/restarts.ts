// SPDX-License-Identifier: BSD-3-Clause
/** Guests that were started anew because the emulator failed: each is told at once, and again in the summary of a test run. */
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

// SPDX-License-Identifier: BSD-3-Clause
/** What passes by itself is waited for: a vfringd that is started anew, a VF whose last process just ended. */
import { setTimeout as sleep } from 'node:timers/promises';
import { causeText } from '../errors.js';

export interface Waiting {
  readonly forMs: number;
  readonly everyMs: number;
}

const PASSES = new Set(['VFRING_ERR_NO_DAEMON', 'VFRING_ERR_NO_ANSWER', 'VFRING_ERR_SHUTTING_DOWN', 'VFRING_ERR_VF_BUSY', 'VFRING_ERR_SLURM']);

/** The result of `work`, or its error when that stays, or is of the kind that does. */
export async function attempt<T>(work: () => Promise<T>, { forMs, everyMs }: Waiting, say: (line: string) => void): Promise<T> {
  const start = performance.now();
  let said = '';
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!PASSES.has((error as { code?: string }).code ?? '') || performance.now() - start >= forMs) {
        throw error;
      }
      const text = causeText(error);
      if (text !== said) {
        say(`waiting: ${text}`);
        said = text;
      }
    }
    await sleep(everyMs);
  }
}

/** Waits until `done` says so; false when the time is over. */
export async function until(done: () => Promise<boolean>, { forMs, everyMs }: Waiting): Promise<boolean> {
  const start = performance.now();
  while (!(await done())) {
    if (performance.now() - start >= forMs) {
      return false;
    }
    await sleep(everyMs);
  }
  return true;
}

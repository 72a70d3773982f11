// SPDX-License-Identifier: BSD-3-Clause
/** Waits for those who come together, so that they can be served together. */
import { performance } from 'node:perf_hooks';
import { setImmediate as turn } from 'node:timers/promises';

/**
 * As long as others come within `idleMs` of the last, more are waited for, until there are `most`.
 * The wait is a run of turns of the event loop: no timer is as short.
 */
export async function gather(count: () => number, most: number, idleMs: number): Promise<void> {
  let seen = count();
  for (let last = performance.now(); seen < most && performance.now() - last < idleMs; ) {
    await turn();
    const now = count();
    if (now > seen) {
      seen = now;
      last = performance.now();
    }
  }
}

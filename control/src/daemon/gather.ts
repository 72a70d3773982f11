// SPDX-License-Identifier: BSD-3-Clause
/** Waits for those who come together, so that they can be served together. */
import { setImmediate as turn } from 'node:timers/promises';

/** The rest of the turn that brought the first, and the turn in which its neighbour is read. */
const IDLE_TURNS = 2;

/**
 * node accepts one connection in a turn of the event loop, and reads it in the
 * next: as long as turns bring more, more are waited for, until there are `most`.
 */
export async function gather(count: () => number, most: number): Promise<void> {
  for (let idle = 0, seen = count(); idle < IDLE_TURNS && seen < most; ) {
    await turn();
    const now = count();
    idle = now > seen ? 0 : idle + 1;
    seen = now;
  }
}

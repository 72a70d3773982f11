// SPDX-License-Identifier: BSD-3-Clause
import { setTimeout as sleep } from 'node:timers/promises';

/** Waits until the check holds; vitest's own limit ends a wait in vain. */
export async function eventually(check: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await check())) {
    await sleep(10);
  }
}

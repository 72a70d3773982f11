// SPDX-License-Identifier: BSD-3-Clause
/** Runs tasks one after the other, in the order in which they were given. */
import { setImmediate as aTurn, setTimeout as sleep } from 'node:timers/promises';

export class SerialQueue {
  #tail: Promise<unknown> = Promise.resolve();
  readonly #after: () => void;
  #waiting = 0;
  #lastEnd = Number.NEGATIVE_INFINITY;

  /** @param after called after each task, whether it failed or not; must not throw */
  constructor(after: () => void = () => {}) {
    this.#after = after;
  }

  run<T>(task: () => Promise<T>): Promise<T> {
    this.#waiting++;
    const result = this.#tail.then(task);
    // One task's failure is its caller's alone.
    this.#tail = result.catch(() => {}).then(() => {
      this.#waiting--;
      this.#lastEnd = performance.now();
      this.#after();
    });
    return result;
  }

  /** Resolves when there was nothing to do for a moment, or after so long; not before what has come is seen. */
  async whenQuiet(quietMs: number, mostMs: number): Promise<void> {
    const until = performance.now() + mostMs;
    await aTurn();
    for (let now = performance.now(); now < until && (this.#waiting > 0 || now < this.#lastEnd + quietMs); now = performance.now()) {
      await sleep(quietMs);
    }
  }
}

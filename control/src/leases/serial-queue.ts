// SPDX-License-Identifier: BSD-3-Clause
/** Runs tasks one after the other, in the order in which they were given. */
export class SerialQueue {
  #tail: Promise<unknown> = Promise.resolve();
  readonly #after: () => void;

  /** @param after called after each task, whether it failed or not; must not throw */
  constructor(after: () => void = () => {}) {
    this.#after = after;
  }

  run<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(task);
    // One task's failure is its caller's alone.
    this.#tail = result.catch(() => {}).then(this.#after);
    return result;
  }
}

// SPDX-License-Identifier: BSD-3-Clause
/** Runs tasks one after the other, in the order in which they were given. */
export class SerialQueue {
  #tail: Promise<unknown> = Promise.resolve();

  run<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(task);
    // One task's failure is its caller's alone.
    this.#tail = result.catch(() => {});
    return result;
  }
}

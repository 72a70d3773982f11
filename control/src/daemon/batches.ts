// SPDX-License-Identifier: BSD-3-Clause
/** Has what comes together done together. */
import type { SerialQueue } from './serial-queue.js';

/** More would share commits that cost each of them little by then, and all would wait until the last is done. */
export const MOST_TOGETHER = 17;

/** Collects while the queue is busy, and serves when it is its turn. */
export class Batches<T> {
  readonly #queue: SerialQueue;
  readonly #serve: (items: readonly T[]) => Promise<void>;
  readonly #most: number;
  /** In the order in which they came. */
  readonly #waiting: T[] = [];

  /**
   * @param serve must not throw
   * @param most of one batch; the others are the next one's
   */
  constructor(queue: SerialQueue, serve: (items: readonly T[]) => Promise<void>, most = Number.POSITIVE_INFINITY) {
    this.#queue = queue;
    this.#serve = serve;
    this.#most = most;
  }

  /** Nobody is left for the next batch. */
  get empty(): boolean {
    return this.#waiting.length === 0;
  }

  add(item: T): void {
    this.#waiting.push(item);
    if (this.#waiting.length === 1) {
      this.#serveSoon();
    }
  }

  #serveSoon(): void {
    void this.#queue.run(async () => {
      const items = this.#waiting.splice(0, this.#most);
      if (this.#waiting.length > 0) {
        this.#serveSoon();
      }
      await this.#serve(items);
    });
  }
}

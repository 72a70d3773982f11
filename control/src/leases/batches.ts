// SPDX-License-Identifier: BSD-3-Clause
/** Has what comes together done together. */
import type { SerialQueue } from './serial-queue.js';

/** Collects while the queue is busy, and serves when it is its turn. */
export class Batches<T> {
  readonly #queue: SerialQueue;
  readonly #serve: (items: readonly T[]) => Promise<void>;
  /** In the order in which they came. */
  readonly #waiting: T[] = [];

  /** @param serve must not throw */
  constructor(queue: SerialQueue, serve: (items: readonly T[]) => Promise<void>) {
    this.#queue = queue;
    this.#serve = serve;
  }

  add(item: T): void {
    this.#waiting.push(item);
    if (this.#waiting.length === 1) {
      void this.#queue.run(() => this.#serve(this.#waiting.splice(0)));
    }
  }
}

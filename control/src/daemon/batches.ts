// SPDX-License-Identifier: BSD-3-Clause
/** Has what comes together done together. */
import { performance } from 'node:perf_hooks';
import { setImmediate as turn } from 'node:timers/promises';
import type { SerialQueue } from './serial-queue.js';

export interface BatchLimits {
  /** Of one batch; the others are the next one's. */
  readonly most: number;
  /** As long as others come within so many milliseconds of the last, more are waited for. */
  readonly idleMs: number;
}

/** Collects while the queue is busy, and serves when it is its turn. */
export class Batches<T> {
  readonly #queue: SerialQueue;
  readonly #serve: (items: readonly T[]) => Promise<void>;
  readonly #limits: BatchLimits;
  /** In the order in which they came. */
  readonly #waiting: T[] = [];

  /** @param serve must not throw */
  constructor(queue: SerialQueue, serve: (items: readonly T[]) => Promise<void>, limits: BatchLimits) {
    this.#queue = queue;
    this.#serve = serve;
    this.#limits = limits;
  }

  add(item: T): void {
    this.#waiting.push(item);
    if (this.#waiting.length === 1) {
      this.#serveSoon();
    }
  }

  #serveSoon(): void {
    void this.#queue.run(async () => {
      await this.#gather();
      const items = this.#waiting.splice(0, this.#limits.most);
      if (this.#waiting.length > 0) {
        this.#serveSoon();
      }
      await this.#serve(items);
    });
  }

  /** A run of turns of the event loop: no timer is as short. */
  async #gather(): Promise<void> {
    const { most, idleMs } = this.#limits;
    let seen = this.#waiting.length;
    for (let last = performance.now(); seen < most && performance.now() - last < idleMs; ) {
      await turn();
      if (this.#waiting.length > seen) {
        seen = this.#waiting.length;
        last = performance.now();
      }
    }
  }
}

// SPDX-License-Identifier: BSD-3-Clause
/**
 * Readers of server-sent events. There are so many at most, and each has one
 * event waiting for it at most: who reads slowly misses some, which is no loss,
 * since each event is the whole state; who reads nothing is cut off.
 */
import type { ServerResponse } from 'node:http';

export interface StreamLimits {
  readonly streams: number;
  /** A reader whose last event is still unread is cut off after so long. */
  readonly unreadMs: number;
}

export class EventStreams {
  readonly #limits: StreamLimits;
  readonly #now: () => number;
  /** With the time since when the last event is unread; undefined: it is read. */
  readonly #readers = new Map<ServerResponse, number | undefined>();
  #slow = 0;

  constructor(limits: StreamLimits, now: () => number = () => performance.now()) {
    this.#limits = limits;
    this.#now = now;
  }

  get size(): number {
    return this.#readers.size;
  }

  get full(): boolean {
    return this.size >= this.#limits.streams;
  }

  /** How many were cut off. */
  get slow(): number {
    return this.#slow;
  }

  add(response: ServerResponse): void {
    this.#readers.set(response, undefined);
    response.once('close', () => this.#readers.delete(response));
    response.on('drain', () => this.#readers.has(response) && this.#readers.set(response, undefined));
  }

  /** To everybody who has read what was sent before. */
  send(event: Buffer): void {
    for (const [response, unreadSince] of this.#readers) {
      if (unreadSince === undefined) {
        this.sendTo(response, event);
      } else if (this.#now() - unreadSince >= this.#limits.unreadMs) {
        this.#slow++;
        response.destroy();
      }
    }
  }

  sendTo(response: ServerResponse, event: Buffer): void {
    if (!response.write(event)) {
      this.#readers.set(response, this.#now());
    }
  }

  close(): void {
    for (const response of this.#readers.keys()) {
      response.destroy();
    }
  }
}

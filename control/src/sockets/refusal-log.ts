// SPDX-License-Identifier: BSD-3-Clause
/** Refused requests in the log: each user's first ones in full, the rest as a number, so that nobody can fill a disk. */
import type { Fields, Log } from '../log.js';

const PERIOD_MS = 60_000;
const IN_FULL = 20;

export class RefusalLog {
  readonly #log: Log;
  readonly #now: () => number;
  /** By uid; a user is forgotten with its period. */
  readonly #users = new Map<number, { since: number; count: number }>();

  constructor(log: Log, now: () => number = () => performance.now()) {
    this.#log = log;
    this.#now = now;
  }

  note(uid: number, fields: Fields): void {
    const now = this.#now();
    for (const [other, { since, count }] of this.#users) {
      if (now - since >= PERIOD_MS) {
        this.#users.delete(other);
        if (count > IN_FULL) {
          this.#log.warn('more requests were refused', { uid: other, count: count - IN_FULL, seconds: PERIOD_MS / 1000 });
        }
      }
    }
    const user = this.#users.get(uid) ?? { since: now, count: 0 };
    this.#users.set(uid, user);
    if (++user.count <= IN_FULL) {
      this.#log.warn('request refused', fields);
    }
  }
}

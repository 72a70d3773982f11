// SPDX-License-Identifier: BSD-3-Clause
/** What the daemon has logged lately, for the page: the same words, so many, and what comes again counted. */
import type { Fields, Level, Log } from '../log.js';
import type { PageEvent } from './view.js';

export const MOST_EVENTS = 100;
/** What is said again within the last so many is one event: ranks of a job get their leases one by one. */
const TOGETHER = 8;
const MOST_CHARACTERS = 300;

/** Of these fields only some are shown: the others tell ranks of one job apart. */
const SHOWN: Readonly<Record<string, readonly string[]>> = {
  'lease granted': ['job', 'uid'],
  'lease ended': ['job', 'uid', 'how'],
  'request refused': ['uid', 'code', 'message'],
  'process of a job told to end': ['job', 'signal'],
};

interface Entry extends PageEvent {
  at: number;
  count: number;
}

export class RecentEvents {
  /** Writes on, and remembers. */
  readonly log: Log;
  /** Oldest first. */
  readonly #events: Entry[] = [];
  readonly #now: () => number;

  constructor(log: Log, now: () => number = Date.now) {
    this.#now = now;
    const level = (of: Level) => (message: string, fields?: Fields): void => {
      log[of](message, fields);
      this.#note(of, message, fields ?? {});
    };
    this.log = { info: level('info'), warn: level('warn'), error: level('error') };
  }

  /** Newest first. */
  get events(): readonly PageEvent[] {
    return [...this.#events].reverse();
  }

  #note(level: Level, text: string, fields: Fields): void {
    const shown = SHOWN[text];
    const details = Object.entries(fields)
      .filter(([key, value]) => value !== undefined && value !== '' && (shown === undefined || shown.includes(key)))
      .map(([key, value]) => `${key} ${typeof value === 'string' ? value : JSON.stringify(value)}`)
      .join(', ')
      .slice(0, MOST_CHARACTERS);
    const known = this.#events.slice(-TOGETHER).find((event) => event.text === text && event.details === details);
    if (known !== undefined) {
      known.count++;
      known.at = this.#now();
      this.#events.splice(this.#events.indexOf(known), 1);
      this.#events.push(known);
      return;
    }
    this.#events.push({ at: this.#now(), level, text: text.slice(0, MOST_CHARACTERS), details, count: 1 });
    if (this.#events.length > MOST_EVENTS) {
      this.#events.shift();
    }
  }
}

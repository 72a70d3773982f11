// SPDX-License-Identifier: BSD-3-Clause
/** A job as leases see it. */
import type { Instant } from '../clock.js';
import type { Spread } from '../config/schema.js';
import type { JobState, JobWish } from '../ledger/records.js';
import type { WatchedProcess } from '../node/processes.js';

export interface Job extends JobWish {
  /** Its key in the ledger. */
  readonly key: number;
  /** The label that leases name. Unique for one uid only. */
  readonly id: string;
  readonly uid: number;
  readonly spread: Spread | undefined;
  /** Not by its first lease. */
  readonly made: boolean;
  readonly createdAt: number;
  state: JobState;
  openedAt: Instant | undefined;
  waitUntil: Instant | undefined;
  /** VFs that its leases hold now. */
  held: number;
  /** A process has had a lease of it to the end, and could use it. */
  used: boolean;
  /** Since when it was seen without a process, in ms since boot; undefined while it has one. */
  idleSince: number | undefined;
}

/** The jobs that leases are taken for. */
export interface Jobs {
  /** The newest run of a label. */
  find(uid: number, label: string): Job | undefined;
  /** The job that a process which names this label belongs to, made known by its first lease if nobody created it. */
  findOrAdopt(uid: number, label: string, process: Pick<WatchedProcess, 'pid' | 'startTicks'>): Job;
  /** A lease of it was refused: if it is known by that alone, it was no job. */
  retract(job: Job): void;
  byKey(key: number): Job | undefined;
  /** Every job that is queued, holds VFs or has some reserved. Oldest first. */
  active(): readonly Job[];
}

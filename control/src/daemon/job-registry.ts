// SPDX-License-Identifier: BSD-3-Clause
/**
 * The jobs that leases are taken for. What is under way is held in memory,
 * everything is in the ledger: a job that is not in memory is found there.
 */
import type { Spread } from '../config/schema.js';
import type { Ledger } from '../ledger/ledger.js';
import type { JobRecord, JobState, JobWish } from '../ledger/records.js';

export interface Job extends JobWish {
  /** Its key in the ledger. */
  readonly key: number;
  /** The label that leases name. Unique for one uid only. */
  readonly id: string;
  readonly uid: number;
  readonly spread: Spread | undefined;
  readonly createdAt: number;
  state: JobState;
  openedAt: number | undefined;
  waitUntil: number | undefined;
  /** VFs that its leases hold now. */
  held: number;
}

/** Jobs of one user that are held in memory without a VF or a reservation. */
const MAX_IDLE_PER_UID = 256;

export class JobRegistry {
  readonly #ledger: Ledger;
  readonly #now: () => number;
  /** By uid, then label, oldest first. */
  readonly #jobs = new Map<number, Map<string, Job>>();
  /** All of these, oldest first; made anew when it is asked for. */
  #active: readonly Job[] | undefined;
  /** Sets this run of the daemon apart, so that ids of an earlier one do not come back. */
  readonly #run = Date.now().toString(36);
  #next = 1;

  /** Takes up the jobs that an earlier daemon left under way. */
  constructor(ledger: Ledger, now: () => number = Date.now) {
    this.#ledger = ledger;
    this.#now = now;
    for (const record of ledger.jobsUnderWay()) {
      this.#keep(toJob(record));
    }
  }

  /** @param waitUntil the job waits for its VFs until then, in ms since 1970; undefined: it is open at once */
  create(uid: number, wish: JobWish = {}, waitUntil?: number): Job {
    return this.#add(uid, `job-${this.#run}-${this.#next++}`, wish, waitUntil);
  }

  find(uid: number, id: string): Job | undefined {
    const known = this.#jobs.get(uid)?.get(id);
    if (known !== undefined) {
      return known;
    }
    const record = this.#ledger.findJob(uid, id);
    return record && toJob(record);
  }

  /** The job of that label, made known by its first lease if nobody created it. */
  findOrAdopt(uid: number, id: string): Job {
    const known = this.#jobs.get(uid)?.get(id);
    if (known !== undefined && known.held > 0) {
      return known;
    }
    const job = this.find(uid, id);
    // The ledger forgets what has long been idle.
    if (job !== undefined && this.#ledger.job(job.key) !== undefined) {
      this.#keep(job);
      return job;
    }
    this.#jobs.get(uid)?.delete(id);
    this.#active = undefined;
    return this.#add(uid, id, {}, undefined);
  }

  byKey(key: number): Job | undefined {
    for (const jobs of this.#jobs.values()) {
      for (const job of jobs.values()) {
        if (job.key === key) {
          return job;
        }
      }
    }
    const record = this.#ledger.job(key);
    if (record === undefined) {
      return undefined;
    }
    const job = toJob(record);
    this.#keep(job);
    return job;
  }

  /** In memory: every job that is queued, holds VFs or has some reserved. Oldest first. */
  active(): readonly Job[] {
    this.#active ??= [...this.#jobs.values()].flatMap((jobs) => [...jobs.values()]).sort((a, b) => a.key - b.key);
    return this.#active;
  }

  /** True while a job waits, or has a time limit. */
  timed(): boolean {
    for (const jobs of this.#jobs.values()) {
      for (const { state, timeLimitS } of jobs.values()) {
        if (state === 'queued' || (state === 'open' && timeLimitS !== undefined)) {
          return true;
        }
      }
    }
    return false;
  }

  open(job: Job): void {
    const now = this.#now();
    this.#ledger.openJob(job.key, now);
    Object.assign(job, { state: 'open', openedAt: now, waitUntil: undefined });
  }

  end(job: Job, how: string): void {
    if (job.state !== 'ended') {
      this.#ledger.endJob(job.key, this.#now(), how);
      job.state = 'ended';
    }
  }

  #add(uid: number, id: string, wish: JobWish, waitUntil: number | undefined): Job {
    const now = this.#now();
    const state = waitUntil === undefined ? ('open' as const) : ('queued' as const);
    const record = { ...wish, uid, id, state, createdAt: now, openedAt: state === 'open' ? now : undefined, waitUntil };
    const job: Job = { ...record, spread: wish.spread, key: this.#ledger.addJob(record), held: 0 };
    this.#keep(job);
    return job;
  }

  #keep(job: Job): void {
    const jobs = this.#jobs.get(job.uid) ?? new Map<string, Job>();
    this.#jobs.set(job.uid, jobs);
    jobs.set(job.id, job);
    this.#active = undefined;
    const idle = [...jobs.values()].filter((other) => other !== job && !isBusy(other));
    for (const other of idle.slice(0, Math.max(0, idle.length - MAX_IDLE_PER_UID))) {
      jobs.delete(other.id);
    }
  }
}

/** Must stay in memory: it counts when VFs are given out. */
function isBusy(job: Job): boolean {
  return job.held > 0 || job.state === 'queued' || (job.state === 'open' && (job.vfs !== undefined || job.timeLimitS !== undefined));
}

function toJob(record: JobRecord): Job {
  const { key, id, uid, ranks, spread, vfs, memoryBytes, timeLimitS, createdAt, state, openedAt, waitUntil } = record;
  return { key, id, uid, ranks, spread, vfs, memoryBytes, timeLimitS, createdAt, state, openedAt, waitUntil, held: 0 };
}

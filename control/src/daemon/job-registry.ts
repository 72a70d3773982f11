// SPDX-License-Identifier: BSD-3-Clause
/** Jobs and their leases, of the past too. In memory; the interface is what a ledger would offer. */
import type { Spread } from '../config/schema.js';
import type { Lease } from './lease.js';

export interface Job {
  /** The label that leases name. Unique for one uid only. */
  readonly id: string;
  readonly uid: number;
  /** Processes announced by who made the job; undefined for a job that leases alone made known. */
  readonly ranks: number | undefined;
  readonly spread: Spread | undefined;
  readonly createdAt: Date;
  endedAt: Date | undefined;
  readonly leases: Lease[];
}

export interface JobStore {
  create(uid: number, options: { ranks?: number | undefined; spread?: Spread | undefined }): Job;
  find(uid: number, id: string): Job | undefined;
  /** The job of that label, made known by its first lease if nobody created it. */
  findOrAdopt(uid: number, id: string): Job;
  /** Newest first; all users' when no uid is given. */
  list(uid?: number): Job[];
  end(job: Job): void;
}

/** What one user can make the daemon remember. */
const MAX_JOBS_PER_UID = 256;
const MAX_LEASES_PER_JOB = 4096;

export class MemoryJobStore implements JobStore {
  /** By uid, then label, oldest first. */
  readonly #jobs = new Map<number, Map<string, Job>>();
  /** Sets this run of the daemon apart, so that ids of an earlier one do not come back. */
  readonly #run = Date.now().toString(36);
  #next = 1;

  create(uid: number, options: { ranks?: number | undefined; spread?: Spread | undefined } = {}): Job {
    return this.#add(uid, `job-${this.#run}-${this.#next++}`, options);
  }

  find(uid: number, id: string): Job | undefined {
    return this.#jobs.get(uid)?.get(id);
  }

  findOrAdopt(uid: number, id: string): Job {
    return this.find(uid, id) ?? this.#add(uid, id, {});
  }

  list(uid?: number): Job[] {
    const users = uid === undefined ? [...this.#jobs.values()] : [this.#jobs.get(uid) ?? new Map<string, Job>()];
    return users.flatMap((jobs) => [...jobs.values()]).sort((a, b) => b.createdAt.getTime() - a.createdAt.getTime());
  }

  end(job: Job): void {
    job.endedAt ??= new Date();
  }

  #add(uid: number, id: string, options: { ranks?: number | undefined; spread?: Spread | undefined }): Job {
    const jobs = this.#jobs.get(uid) ?? new Map<string, Job>();
    this.#jobs.set(uid, jobs);
    forgetOldest(jobs);
    const job: Job = {
      id,
      uid,
      ranks: options.ranks,
      spread: options.spread,
      createdAt: new Date(),
      endedAt: undefined,
      leases: [],
    };
    jobs.set(id, job);
    return job;
  }
}

/** A job with a lease out is never forgotten: the number of VFs bounds those. */
function forgetOldest(jobs: Map<string, Job>): void {
  for (const [id, job] of jobs) {
    if (jobs.size < MAX_JOBS_PER_UID) {
      return;
    }
    if (job.leases.every((lease) => lease.endedAt !== undefined)) {
      jobs.delete(id);
    }
  }
}

/** Adds a lease to its job; a process that leases in a loop does not grow the record for ever. */
export function recordLease(job: Job, lease: Lease): void {
  if (job.leases.length >= MAX_LEASES_PER_JOB) {
    const old = job.leases.findIndex((other) => other.endedAt !== undefined);
    if (old >= 0) {
      job.leases.splice(old, 1);
    }
  }
  job.leases.push(lease);
}

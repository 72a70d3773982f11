// SPDX-License-Identifier: BSD-3-Clause
/** VFs for several wishes at once, so that they can share the ledger's commits. */
import { pick, type Ask, type GrantContext, type Picked } from './grant.js';
import type { Job } from './job-registry.js';
import type { LeaseRequest } from './lease.js';
import type { WatchedProcess } from './processes.js';
import type { PoolEntry } from './vf-pool.js';

/** Somebody who waits for a lease. */
export interface Wish {
  readonly uid: number;
  readonly process: WatchedProcess;
  readonly request: LeaseRequest;
}

export interface PickRules {
  readonly context: GrantContext;
  /** Throws when the job takes no leases. */
  jobOf(wish: Wish): Job;
  /** Throws when quotas or reservations forbid it. `free`: VFs that nobody has been promised yet. */
  admit(uid: number, job: Job, count: number, free: number): void;
}

/**
 * As many of the wishes, from the first on, as have their VFs without further
 * ado: nobody is overtaken. Nothing is changed. What is wrong with the first
 * that is left is not told: who serves it by itself finds it again.
 */
export async function pickTogether(wishes: readonly Wish[], rules: PickRules): Promise<Picked[]> {
  const picked: Picked[] = [];
  const free = rules.context.pool.in('free');
  const siblings = new Map<Job, PoolEntry[]>();
  try {
    for (const { uid, process, request } of wishes) {
      const ask: Ask = { uid, process, request, job: rules.jobOf({ uid, process, request }) };
      rules.admit(uid, ask.job, request.count, free.length);
      const ofJob = siblings.get(ask.job) ?? [];
      const mine = await pick(ask, rules.context, free, ofJob);
      const { entries } = mine;
      ofJob.push(...entries);
      siblings.set(ask.job, ofJob);
      picked.push(mine);
      // Quotas and reservations of those who come after count these, too.
      ask.job.held += entries.length;
    }
  } catch {
    // Told when it is served by itself.
  } finally {
    picked.forEach(({ job, entries }) => (job.held -= entries.length));
  }
  return picked;
}

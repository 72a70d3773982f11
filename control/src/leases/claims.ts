// SPDX-License-Identifier: BSD-3-Clause
/**
 * Who may have how many VFs. Pure arithmetic over jobs and the number of free
 * VFs, so that it can be tested in any order of events.
 *
 * A job may have VFs reserved for it; what of them its processes do not hold is
 * kept for it. Jobs that wait are served in the order in which they came, and
 * what falls free is kept for them: nobody who asks later, with or without a
 * reservation, can overtake them, so that each gets its turn.
 */
import type { Config } from '../config/schema.js';
import { VfringError } from '../errors.js';
import type { Job } from './job.js';

export type Quotas = Config['quotas'];

/** VFs of the job's reservation that its processes do not hold. */
export function unheld(job: Job): number {
  return job.state === 'open' && job.vfs !== undefined ? Math.max(0, job.vfs - job.held) : 0;
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, n) => total + n, 0);

/** Free VFs that are kept for reservations of open jobs. */
export function reserved(jobs: readonly Job[]): number {
  return sum(jobs.map(unheld));
}

/** Free VFs that are kept for jobs that wait. */
export function queued(jobs: readonly Job[]): number {
  return sum(jobs.map((job) => (job.state === 'queued' ? (job.vfs ?? 0) : 0)));
}

/** Of the queue's head, as many as have their VFs now, oldest first. */
export function admissible(jobs: readonly Job[], free: number): Job[] {
  let left = free - reserved(jobs);
  const admitted: Job[] = [];
  for (const job of jobs) {
    if (job.state !== 'queued') {
      continue;
    }
    if ((job.vfs ?? 0) > left) {
      break;
    }
    left -= job.vfs ?? 0;
    admitted.push(job);
  }
  return admitted;
}

/** True if a new job with this reservation need not wait. */
export function fitsNow(jobs: readonly Job[], vfs: number, free: number): boolean {
  return vfs === 0 || free - reserved(jobs) - queued(jobs) >= vfs;
}

/**
 * VFs that a lease of this job may take now. Throws VFRING_ERR_JOB_VFS when
 * its own reservation is too small, whatever is free.
 */
export function leasable(job: Job, jobs: readonly Job[], count: number, free: number): number {
  if (job.vfs === undefined) {
    return Math.max(0, free - reserved(jobs) - queued(jobs));
  }
  if (job.held + count > job.vfs) {
    throw new VfringError('VFRING_ERR_JOB_VFS', { job: job.id, vfs: job.vfs, held: job.held, wanted: count });
  }
  return free;
}

/** VFs that a user has: held by its processes, or reserved for or awaited by its jobs. */
export function vfsOf(uid: number, jobs: readonly Job[]): number {
  return sum(jobs.filter((job) => job.uid === uid).map((job) => job.held + unheld(job) + (job.state === 'queued' ? (job.vfs ?? 0) : 0)));
}

/** Throws VFRING_ERR_QUOTA. `more`: VFs that a new lease without a reservation, or a new reservation, adds. */
export function checkVfQuota(uid: number, jobs: readonly Job[], more: number, quotas: Quotas): void {
  const limit = quotas.vfs_per_user;
  if (limit === undefined) {
    return;
  }
  const have = vfsOf(uid, jobs);
  if (more > 0 && have + more > limit) {
    throw new VfringError('VFRING_ERR_QUOTA', { uid, limit, what: 'VFs', have, wanted: more, field: 'vfs_per_user' });
  }
}

/** Jobs with a reservation, open or waiting. Throws VFRING_ERR_QUOTA. */
export function checkJobQuota(uid: number, jobs: readonly Job[], quotas: Quotas): void {
  const limit = quotas.jobs_per_user;
  const have = jobs.filter((job) => job.uid === uid && job.state !== 'ended' && (job.vfs !== undefined || job.timeLimitS !== undefined)).length;
  if (have >= limit) {
    throw new VfringError('VFRING_ERR_QUOTA', {
      uid, limit, what: 'jobs with a reservation or a time limit', have, wanted: 1, field: 'jobs_per_user',
    });
  }
}

/** VFs that the user may still have by the quota. */
export function quotaLeft(uid: number, jobs: readonly Job[], { vfs_per_user: limit }: Quotas): number {
  return limit === undefined ? Number.POSITIVE_INFINITY : Math.max(0, limit - vfsOf(uid, jobs));
}

/**
 * The most memory that each VF of a lease of `count` may register, and never
 * more than the policy: of the job's budget an equal share for each VF that is
 * reserved for it, or else for each rank. What a process registers for several
 * VFs counts once, and with each: so each has the share of the whole lease.
 */
export function dmaLimit(job: Job, count: number, policyBytes: number): number {
  const parts = job.vfs ?? job.ranks;
  if (job.memoryBytes === undefined || parts === undefined) {
    return policyBytes;
  }
  return Math.min(policyBytes, Math.floor((job.memoryBytes * (job.vfs === undefined ? 1 : count)) / parts));
}

// SPDX-License-Identifier: BSD-3-Clause
/**
 * The jobs that leases are taken for. What is under way is held in memory,
 * everything is in the ledger: a job that is not in memory is found there.
 */
import { later, systemClock, type Clock } from '../clock.js';
import { VfringError } from '../errors.js';
import type { Ledger } from '../ledger/ledger.js';
import type { Job, Jobs } from '../leases/job.js';
import type { JobRecord, JobWish } from '../ledger/records.js';
import type { WatchedProcess } from '../node/processes.js';

/** How a job of one run ended by itself. */
export const ENDED_BY_ITSELF = 'its processes have ended';

/** What a job's processes name. Its runs are LABEL, LABEL#2 and so on: no label has a "#". */
const labelOf = (id: string): string => id.split('#', 1)[0] as string;

function nextRun(id: string): string {
  const [label, run] = id.split('#');
  return `${label}#${Number(run ?? 1) + 1}`;
}

/** Jobs of one user that are held in memory without a VF or a reservation. */
const MAX_IDLE_PER_UID = 256;

export class JobRegistry implements Jobs {
  readonly #ledger: Ledger;
  readonly #clock: Clock;
  /** The newest run of each label, by uid, then label, oldest first. */
  readonly #jobs = new Map<number, Map<string, Job>>();
  /** All of these, oldest first; made anew when it is asked for. */
  #active: readonly Job[] | undefined;
  /** Sets this run of the daemon apart, so that ids of an earlier one do not come back. */
  readonly #run = Date.now().toString(36);
  #next = 1;

  /** Takes up the jobs that an earlier daemon left under way. */
  constructor(ledger: Ledger, clock: Clock = systemClock) {
    this.#ledger = ledger;
    this.#clock = clock;
    for (const record of ledger.jobsUnderWay()) {
      // All of them: which have processes that live is not known yet.
      this.#keep(toJob(record), Number.POSITIVE_INFINITY);
    }
  }

  /**
   * Throws VFRING_ERR_JOB_EXISTS: the user has a job of that name which has not ended.
   *
   * @param waitMs the job waits for its VFs for so long; undefined: it is open at once
   * @param name what its processes call it; without, it is made up
   */
  create(uid: number, wish: JobWish = {}, waitMs?: number, name?: string): Job {
    return this.#add(uid, name === undefined ? `job-${this.#run}-${this.#next++}` : this.#newRun(uid, name), { ...wish, made: true }, waitMs);
  }

  /** A name comes again, as when a batch job is queued anew: each time is a run of its own. */
  #newRun(uid: number, name: string): string {
    const last = this.find(uid, name);
    if (last !== undefined && last.state !== 'ended') {
      throw new VfringError('VFRING_ERR_JOB_EXISTS', { job: last.id });
    }
    return last === undefined || this.#ledger.job(last.key) === undefined ? name : nextRun(last.id);
  }

  /** The newest run of a label. */
  find(uid: number, label: string): Job | undefined {
    const known = this.#jobs.get(uid)?.get(label);
    if (known !== undefined) {
      return known;
    }
    const record = this.#ledger.findJob(uid, label);
    return record && toJob(record);
  }

  /**
   * The job that a process which names this label belongs to, made known by its
   * first lease if nobody created it. A label comes again: launchers use theirs
   * anew, and users export one. What comes when the processes of its last run
   * are gone is a new run, and a job of its own.
   */
  findOrAdopt(uid: number, label: string, process: Pick<WatchedProcess, 'pid' | 'startTicks'>): Job {
    const known = this.#jobs.get(uid)?.get(label);
    if (known !== undefined && known.held > 0) {
      return known;
    }
    const job = this.find(uid, label);
    // The ledger forgets what has long been idle.
    if (job === undefined || this.#ledger.job(job.key) === undefined) {
      return this.#add(uid, label, { oneRun: true }, undefined);
    }
    if (!this.#isPast(job, process)) {
      this.#keep(job);
      return job;
    }
    this.end(job, ENDED_BY_ITSELF);
    return this.#add(uid, nextRun(job.id), { oneRun: true, ranks: job.ranks, spread: job.spread, memoryBytes: job.memoryBytes, made: job.made }, undefined);
  }

  /** A job without processes: true if who asks now cannot be of it. */
  #isPast(job: Job, { pid, startTicks }: Pick<WatchedProcess, 'pid' | 'startTicks'>): boolean {
    if (job.oneRun !== true) {
      return false;
    }
    if (job.state === 'ended') {
      // One that somebody has made and ended is not to come to life again.
      return !job.made || this.#ledger.job(job.key)?.how === ENDED_BY_ITSELF;
    }
    // Nobody comes by the id of a job that was made for one run by accident. As to labels: processes of
    // one run meet in MPI_Init, and so have their leases at the same time; one of them may begin anew.
    return !job.made && this.#ledger.tookPart(job.key, pid, startTicks) === false;
  }

  /** A lease of it was refused. If it is known by that alone, it was no job. */
  retract(job: Job): void {
    if (!job.made && job.held === 0 && this.#ledger.dropUnusedJob(job.key)) {
      const jobs = this.#jobs.get(job.uid);
      if (jobs?.get(labelOf(job.id)) === job) {
        jobs.delete(labelOf(job.id));
      }
      if (jobs?.size === 0) {
        this.#jobs.delete(job.uid);
      }
      this.#active = undefined;
    }
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

  /** True while a job waits, has a time limit, or is about to end by itself. */
  timed(): boolean {
    for (const jobs of this.#jobs.values()) {
      for (const { state, timeLimitS, oneRun, vfs, vfNames, held } of jobs.values()) {
        if (state === 'queued' || (state === 'open' && (timeLimitS !== undefined || (held === 0 && (oneRun === true || (vfs !== undefined && vfNames === undefined)))))) {
          return true;
        }
      }
    }
    return false;
  }

  open(job: Job): void {
    const now = this.#clock();
    this.#ledger.openJob(job.key, now);
    Object.assign(job, { state: 'open', openedAt: now, waitUntil: undefined });
  }

  end(job: Job, how: string): void {
    if (job.state !== 'ended') {
      this.#ledger.endJob(job.key, this.#clock().wall, how);
      job.state = 'ended';
    }
  }

  #add(uid: number, id: string, wish: JobWish & { readonly made?: boolean }, waitMs: number | undefined): Job {
    const now = this.#clock();
    const state = waitMs === undefined ? ('open' as const) : ('queued' as const);
    const record = {
      ...wish, uid, id, state, createdAt: now.wall, openedAt: state === 'open' ? now : undefined, waitUntil: waitMs === undefined ? undefined : later(now, waitMs),
    };
    const job: Job = { ...record, spread: wish.spread, made: wish.made === true, key: this.#ledger.addJob(record), held: 0, used: false, idleSince: undefined };
    this.#keep(job);
    return job;
  }

  #keep(job: Job, most = MAX_IDLE_PER_UID): void {
    const jobs = this.#jobs.get(job.uid) ?? new Map<string, Job>();
    this.#jobs.set(job.uid, jobs);
    const label = labelOf(job.id);
    if ((jobs.get(label)?.key ?? 0) > job.key) {
      return; // An earlier run, which is over.
    }
    jobs.delete(label);
    jobs.set(label, job);
    this.#active = undefined;
    const idle = [...jobs.values()].filter((other) => other !== job && !isBusy(other));
    for (const other of idle.slice(0, Math.max(0, idle.length - most))) {
      if (other.oneRun === true) {
        // Nobody would see to it any more.
        this.end(other, ENDED_BY_ITSELF);
      }
      jobs.delete(labelOf(other.id));
    }
  }
}

/** Must stay in memory: it counts when VFs are given out. */
function isBusy(job: Job): boolean {
  return job.held > 0 || job.state === 'queued' || (job.state === 'open' && (job.vfs !== undefined || job.timeLimitS !== undefined));
}

function toJob(record: JobRecord): Job {
  const { key, id, uid, ranks, spread, vfs, memoryBytes, timeLimitS, oneRun, sharesMemory, hosts, vfNames, made = false, createdAt, state, openedAt, waitUntil, totals } = record;
  return { key, id, uid, ranks, spread, vfs, memoryBytes, timeLimitS, oneRun, sharesMemory, hosts, vfNames, made, createdAt, state, openedAt, waitUntil, held: 0, used: totals.leases > 0, idleSince: undefined };
}

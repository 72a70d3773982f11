// SPDX-License-Identifier: BSD-3-Clause
/** Jobs: made at once or when their VFs are free, ended on request or when their time is over. */
import { systemClock, type Clock } from '../clock.js';
import type { Config } from '../config/schema.js';
import { formatDuration } from '../config/units.js';
import { VfringError, badRequest } from '../errors.js';
import type { Job } from '../leases/job.js';
import type { Ledger } from '../ledger/ledger.js';
import type { JobWish } from '../ledger/records.js';
import type { Log } from '../log.js';
import { assignments, checkManaged, checkUsable, entriesOf } from '../leases/assigned.js';
import { admissible, checkJobQuota, checkVfQuota, fitsNow, queued, reserved } from '../leases/claims.js';
import { ENDED_BY_ITSELF, type JobRegistry } from './registry.js';
import type { LeaseManager } from '../leases/manager.js';
import { shortage } from '../leases/shortage.js';

export interface JobControlOptions {
  readonly manager: LeaseManager;
  readonly jobs: JobRegistry;
  readonly ledger: Ledger;
  readonly settings: { readonly config: Config };
  readonly log: Log;
  readonly clock?: Clock;
}

/** Less than this holds no ring. */
const SMALLEST_SHARE_BYTES = 4096;
const ROOT = 0;
/** A process may give its lease back and take another, as one with several MPI sessions does. */
const IDLE_MS = 30_000;
/** Of a job that vfring run has made and whose processes have not asked yet: who knows what they do first. */
const UNUSED_MS = 24 * 3600 * 1000;

export class JobControl {
  readonly #options: JobControlOptions;
  /** Ms since boot: limits do not move when somebody sets the clock. */
  readonly #now: () => number;
  /** When a job whose time is over was first told so, by its key. */
  readonly #told = new Map<number, number>();

  constructor(options: JobControlOptions) {
    this.#options = options;
    const clock = options.clock ?? systemClock;
    this.#now = () => clock().boot;
    options.manager.onChange(() => this.#admit());
  }

  /**
   * Makes a job. With `vfs` these are reserved for it; when they are not free
   * it waits for `waitS` seconds, or is refused at once. Throws
   * VFRING_ERR_QUOTA, VFRING_ERR_NO_FREE_VF, VFRING_ERR_BAD_REQUEST,
   * VFRING_ERR_JOB_EXISTS.
   */
  create(uid: number, wish: JobWish, waitS = 0, name?: string): Promise<Job> {
    return this.#options.manager.exclusively(() => {
      if (uid !== ROOT) {
        checkManaged(this.#options.settings.config, undefined, name ?? `of uid ${uid}`);
      }
      return this.#create(uid, wish, waitS, name);
    });
  }

  /**
   * Makes a job that a resource manager has given VFs, named by their device
   * nodes. Asked for again it is the same job. An open job that has one of them
   * is one whose end the manager's epilog did not tell: it ends. Throws
   * VFRING_ERR_NO_SUCH_VF, VFRING_ERR_VF_BUSY, VFRING_ERR_VF_UNHEALTHY,
   * VFRING_ERR_PF_DOWN, and what create() throws.
   */
  assign(uid: number, wish: JobWish, devices: readonly string[], name: string | undefined): Promise<Job> {
    const { manager, jobs, log } = this.#options;
    return manager.exclusively(() => {
      const entries = entriesOf([...new Set(devices)], manager.pool);
      const vfNames = entries.map(({ vf }) => vf.name);
      const known = name === undefined ? undefined : jobs.find(uid, name);
      if (known?.state === 'open' && known.vfNames?.join() === vfNames.join()) {
        return known;
      }
      const assigned = assignments(jobs.active());
      const over = new Set([...vfNames.map((vf) => assigned.get(vf)), known].filter((job) => job !== undefined && job.state !== 'ended')) as Set<Job>;
      for (const job of over) {
        jobs.end(job, `its VFs were assigned to job ${name ?? 'without a name'}`);
        log.warn('a job ended because its VFs are another\'s', { job: job.id, uid: job.uid, to: name, vfs: vfNames.join(',') });
      }
      checkUsable(entries);
      return this.#create(uid, { ...wish, vfs: entries.length, vfNames }, 0, name);
    });
  }

  #create(uid: number, wish: JobWish, waitS: number, name: string | undefined): Job {
    const { manager, jobs, log, settings } = this.#options;
    const { quotas } = settings.config;
    if (manager.closing) {
      throw new VfringError('VFRING_ERR_SHUTTING_DOWN', {});
    }
    const checked = this.#check(wish);
    const active = jobs.active();
    const vfs = checked.vfs ?? 0;
    if (uid !== ROOT) {
      checkVfQuota(uid, active, vfs, quotas);
      if (vfs > 0 || checked.timeLimitS !== undefined) {
        checkJobQuota(uid, active, quotas);
      }
    }
    const free = manager.pool.count('free');
    const fits = fitsNow(active, vfs, free);
    const total = manager.pool.entries.length;
    if (!fits && (waitS === 0 || vfs > total)) {
      const kept = Math.min(free, reserved(active) + queued(active));
      throw shortage(manager.pool, undefined, { wanted: vfs, linked: free - kept, down: [], kept });
    }
    const job = jobs.create(uid, checked, fits ? undefined : waitS * 1000, name);
    log.info('job created', { job: job.id, uid, ranks: job.ranks, vfs: job.vfs, state: job.state, ...(job.vfNames && { assigned: job.vfNames.join(',') }) });
    return job;
  }

  /** It takes no more leases. With `kill` its processes are told to end, and killed if they do not. */
  end(job: Job, how: string, kill = false): Promise<void> {
    return this.#options.manager.exclusively(() => {
      this.#options.jobs.end(job, how);
      this.#options.log.info('job ended', { job: job.id, uid: job.uid, how });
      if (kill) {
        this.#told.set(job.key, this.#now());
        this.#signal(job.key, 'SIGTERM');
      }
      this.#admitNow();
    });
  }

  /** False: no tick will find anything to do until a job is made or ended. */
  get timed(): boolean {
    return this.#told.size > 0 || this.#options.jobs.timed();
  }

  /** Ends what is over: waits in vain, jobs past their time, runs whose processes are gone. Called every second or so. */
  tick(): Promise<void> {
    this.#noteIdle();
    const due = this.#options.jobs.active().some((job) => this.#isOver(job)) || this.#told.size > 0;
    return due ? this.#options.manager.exclusively(() => this.#expire()) : Promise.resolve();
  }

  #check(wish: JobWish): JobWish {
    const parts = wish.vfs ?? wish.ranks;
    if (wish.memoryBytes !== undefined) {
      if (parts === undefined) {
        throw badRequest('a job with a memory budget needs the number of its VFs or of its ranks', 'give vfs or ranks as well: the budget is shared equally');
      }
      if (wish.memoryBytes / parts < SMALLEST_SHARE_BYTES) {
        throw badRequest(`a budget of ${wish.memoryBytes} bytes for ${parts} VFs leaves less than ${SMALLEST_SHARE_BYTES} bytes for each`, 'raise memory_bytes');
      }
    }
    const max = this.#options.settings.config.jobs.time_limit_max;
    if (max !== undefined && wish.timeLimitS !== undefined && wish.timeLimitS > max) {
      throw badRequest(`a time limit of ${formatDuration(wish.timeLimitS)} is more than this node allows`, `at most ${formatDuration(max)} (jobs: time_limit_max:)`);
    }
    return { ...wish, timeLimitS: wish.timeLimitS ?? max };
  }

  /** VFs may have fallen free: who waits longest is first. */
  #admit(): void {
    if (this.#options.jobs.active().some((job) => job.state === 'queued')) {
      void this.#options.manager.exclusively(() => this.#admitNow());
    }
  }

  #admitNow(): void {
    const { manager, jobs, log } = this.#options;
    for (const job of admissible(jobs.active(), manager.pool.count('free'))) {
      jobs.open(job);
      log.info('job has its VFs', { job: job.id, uid: job.uid, vfs: job.vfs });
    }
  }

  #noteIdle(): void {
    for (const job of this.#options.jobs.active()) {
      job.idleSince = job.held > 0 ? undefined : (job.idleSince ?? this.#now());
    }
  }

  #isOver(job: Job): boolean {
    return this.#howOver(job) !== undefined;
  }

  #howOver(job: Job): string | undefined {
    const now = this.#now();
    if (job.state === 'queued') {
      return job.waitUntil !== undefined && now >= job.waitUntil.boot ? 'no VFs in time' : undefined;
    }
    if (job.state !== 'open') {
      return undefined;
    }
    // Slurm's own limit may have been extended since.
    if (job.vfNames === undefined && job.timeLimitS !== undefined && job.openedAt !== undefined && now >= job.openedAt.boot + job.timeLimitS * 1000) {
      return 'time limit';
    }
    const idleMs = job.held === 0 && job.idleSince !== undefined ? now - job.idleSince : 0;
    // What a resource manager has assigned, it ends.
    if (job.vfs !== undefined && job.vfNames === undefined && idleMs >= this.#options.settings.config.jobs.unused_after * 1000) {
      return 'no process used its VFs';
    }
    if (job.oneRun !== true) {
      return undefined;
    }
    return idleMs >= IDLE_MS && (idleMs >= UNUSED_MS || !job.made || job.used) ? ENDED_BY_ITSELF : undefined;
  }

  #expire(): void {
    const { jobs, log, manager, settings } = this.#options;
    for (const job of jobs.active()) {
      const how = this.#howOver(job);
      if (how === undefined) {
        continue;
      }
      jobs.end(job, how);
      log.info('job ended', { job: job.id, uid: job.uid, how, processes: job.held });
      if (job.held > 0) {
        this.#told.set(job.key, this.#now());
        this.#signal(job.key, 'SIGTERM');
      }
    }
    for (const [key, since] of this.#told) {
      if (!manager.leases().some((lease) => lease.job.key === key)) {
        this.#told.delete(key);
      } else if (this.#now() >= since + settings.config.jobs.kill_after * 1000) {
        this.#signal(key, 'SIGKILL');
      }
    }
    this.#admitNow();
  }

  #signal(key: number, signal: 'SIGTERM' | 'SIGKILL'): void {
    for (const lease of this.#options.manager.leases().filter(({ job }) => job.key === key)) {
      const sent = lease.process.signal(signal);
      this.#options.log.info('process of a job told to end', { job: lease.job.id, pid: lease.pid, signal, sent });
    }
  }
}

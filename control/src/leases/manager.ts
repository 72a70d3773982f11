// SPDX-License-Identifier: BSD-3-Clause
/**
 * Gives VFs to processes and takes them back. Everything that changes a VF
 * runs through one queue, so that requests are served in the order they came
 * and no two changes meet.
 */
import { systemClock, type Clock } from '../clock.js';
import type { Config } from '../config/schema.js';
import { VfringError, causeText } from '../errors.js';
import type { Ledger } from '../ledger/ledger.js';
import type { LeaseReport, LeaseVfRecord, VfReading } from '../ledger/records.js';
import type { Log } from '../log.js';
import type { OpenedVfs, PlannedStep, Provider } from '../providers/provider.js';
import { assignments, checkManaged } from './assigned.js';
import { Batches } from './batches.js';
import { checkVfQuota, leasable, queued, quotaLeft, reserved } from './claims.js';
import { grant, type GrantContext, type Granted, type Wish } from './grant.js';
import type { Jobs } from './job.js';
import { endTogether, takeTogether, writeEnd, type EndContext, type Ending, type Taking } from './ends.js';
import { heldVfs, leaseId, type Lease, type LeaseEnd, type LeaseRequest, type LeasedVf } from './lease.js';
import type { Prlimit } from '../node/memlock.js';
import type { Numa } from '../node/numa.js';
import type { Processes, WatchedProcess } from '../node/processes.js';
import { revive, sortRemains } from './recover.js';
import { SerialQueue } from './serial-queue.js';
import { shortage } from './shortage.js';
import { openLease } from './open.js';
import { LeaseTally } from './tally.js';
import { Upkeep, type PfTrouble } from './upkeep.js';
import { VfKeeper } from './keeper.js';
import { VfPool, type PoolEntry } from './pool.js';

/** What a new configuration replaces. */
export interface Settings {
  config: Config;
  provider: Provider;
}

export interface LeaseManagerOptions {
  readonly settings: Settings;
  readonly jobs: Jobs;
  readonly ledger: Ledger;
  readonly prlimit: Prlimit;
  readonly numa: Numa;
  readonly log: Log;
  readonly clock?: Clock;
}

/** Somebody whose lease is to end. */
interface Leaving {
  readonly how: LeaseEnd;
  readonly find: () => Lease;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Wrap-free readings: a gap of so many sampling periods is still sure to hold one wrap at most. */
const SAFE_PERIODS = 3;
/** Ranks of a job ask within less of each other. */
const QUIET_MS = 5;

export class LeaseManager {
  readonly pool: VfPool;
  readonly tally = new LeaseTally();
  readonly #options: LeaseManagerOptions;
  readonly #clock: Clock;
  readonly #keeper: VfKeeper;
  readonly #upkeep: Upkeep;
  readonly #queue = new SerialQueue(() => this.#worked());
  readonly #leases = new Map<string, Lease>();
  readonly #ends = new Batches<Leaving>(this.#queue, (leaving) => this.#endAll(leaving));
  #changed: () => void = () => {};
  #worked: () => void = () => {};
  #closing = false;

  constructor(options: LeaseManagerOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.pool = new VfPool(this.#clock);
    this.#keeper = new VfKeeper(this.pool, options.settings, options.log, (lease, leased, vf) => options.ledger.rebindVf(lease.key, lease.vfs.indexOf(leased), vf));
    this.#upkeep = new Upkeep({
      pool: this.pool, keeper: this.#keeper, settings: options.settings, queue: this.#queue, log: options.log,
      leases: () => this.leases(), take: (vfs) => this.#takeNamed(vfs, 'ended by the administrator'), closing: () => this.#closing,
    });
  }

  /** Called whenever VFs may have fallen free. */
  onChange(callback: () => void): void {
    this.#changed = callback;
  }

  /** Called after each step that may have changed leases, VFs or jobs. */
  onStep(callback: () => void): void {
    this.#worked = callback;
  }

  /** Takes up what an earlier daemon left, provisions the VFs, and puts them right. */
  start(processes: Processes): Promise<void> {
    const { ledger, jobs, log, settings: { provider } } = this.#options;
    return this.#queue.run(async () => {
      const { survivors, over } = sortRemains(ledger, processes);
      const inUse = new Set(survivors.flatMap(({ vfs }) => vfs.map(({ vf }) => vf.name)));
      await this.#upkeep.begin(inUse);
      for (const survivor of survivors) {
        const revived = revive(survivor, { pool: this.pool, jobs, ledger, now: this.#clock(), wrapMs: provider.sampleEveryMs * SAFE_PERIODS, log });
        if (revived === undefined) {
          survivor.process.close();
          ledger.endLease(survivor.record.id, 'VF lost', this.#clock(), unknown(survivor.record.vfs));
          log.error('a lease is lost: its VFs are no more what they were', { lease: survivor.record.id, pid: survivor.record.pid });
          continue;
        }
        this.#register(revived.lease, revived.entries);
        for (const entry of revived.entries) {
          await this.#keeper.watch(entry);
          await this.#keeper.mend(entry);
        }
        log.info('lease taken over from an earlier vfringd', { lease: revived.lease.id, uid: revived.lease.uid, pid: revived.lease.pid });
      }
      for (const entry of this.pool.entries) {
        if (entry.state !== 'leased') {
          await this.#keeper.look(entry);
        }
      }
      // Their nodes are back now, whoever had them.
      for (const { record, how } of over) {
        ledger.endLease(record.id, how, this.#clock(), unknown(record.vfs));
        log.info('lease of an earlier vfringd ended', { lease: record.id, how, uid: record.uid, pid: record.pid });
      }
    });
  }

  /**
   * Leases `request.count` VFs to a process, all of them or none. The handle
   * is the manager's from here on, also when it throws. Throws VFRING_ERR_* of
   * docs/lease-protocol.md.
   */
  async lease(uid: number, process: WatchedProcess, request: LeaseRequest): Promise<Lease> {
    try {
      return await this.#queue.run(() => this.#grant({ uid, process, request }));
    } catch (error) {
      this.tally.refused++;
      process.close();
      throw error;
    }
  }

  /** See open.ts. */ readonly open = (lease: Lease): Promise<OpenedVfs | undefined> => openLease(lease, this.#options.settings.provider, () => this.#leases.get(lease.id) === lease);
  /** Gives a lease back. Only the process that took it can. */
  release(pid: number, id: string, how: LeaseEnd = 'released', report?: LeaseReport): Promise<void> {
    return this.#endSoon(how, () => {
      const lease = this.#held(id);
      // As long as its pidfd has not ended, the pid is that process's alone.
      if (lease.pid !== pid || (how !== 'not delivered' && lease.process.ended())) {
        throw new VfringError('VFRING_ERR_NOT_OWNER', { lease: id });
      }
      lease.report = report;
      return lease;
    });
  }

  /** What the process that took the lease says of its VFs so far. */
  report(pid: number, id: string, report: LeaseReport): Promise<void> {
    return this.#queue.run(async () => {
      const lease = this.show(pid, id);
      this.#options.ledger.reportVfs(lease.key, report);
      this.tally.hear(lease, report.vfs);
    });
  }

  /** The lease, as it is now. Only the process that took it may ask. */
  show(pid: number, id: string): Lease {
    const lease = this.#held(id);
    if (lease.pid !== pid || lease.process.ended()) {
      throw new VfringError('VFRING_ERR_NOT_OWNER', { lease: id });
    }
    return lease;
  }

  /**
   * Takes a lease away, or one VF of it, whatever its process does. With its last VF a lease ends; with another one it goes
   * on. For root; rights are the caller's to check. Throws VFRING_ERR_NO_SUCH_LEASE, VFRING_ERR_NO_SUCH_LEASE_VF.
   *
   * @param name of the VF; undefined: all of them
   */
  async revoke(id: string, name?: string): Promise<void> {
    if (name === undefined) {
      return await this.#endSoon('ended by the administrator', () => this.#held(id));
    }
    await this.#keeper.quiet([this.#vfOf(this.#held(id), name)]);
    await this.#queue.run(async () => {
      const lease = this.#held(id);
      await this.#take([{ lease, leased: this.#vfOf(lease, name) }], 'ended by the administrator');
    });
  }

  #vfOf(lease: Lease, name: string): LeasedVf {
    const held = heldVfs(lease);
    const found = held.find(({ vf }) => vf.name === name);
    if (found === undefined) {
      throw new VfringError('VFRING_ERR_NO_SUCH_LEASE_VF', { lease: lease.id, vf: name, held: held.map(({ vf }) => vf.name).join(', ') });
    }
    return found;
  }

  /**
   * No more leases.
   *
   * @param leases keep: those of living processes go on, for the next daemon to
   * take over. end: every VF is taken back.
   */
  stop(leases: 'keep' | 'end'): Promise<void> {
    this.#closing = true;
    return this.#queue.run(async () => {
      await this.#reapEnded();
      await this.#count();
      if (leases === 'end') {
        await this.#end(this.leases(), 'daemon stopped');
      } else {
        for (const lease of this.leases()) {
          this.#options.log.info('lease goes on without vfringd', { lease: lease.id, uid: lease.uid, pid: lease.pid });
          lease.process.close();
        }
      }
    });
  }

  /** Reads the counters of leased VFs before their registers wrap. */
  async sample(): Promise<void> {
    const leased = this.pool.in('leased').flatMap((entry) => entry.leased ?? []);
    const seen = await Promise.all(leased.map((vf) => this.#keeper.observe(vf)));
    if (leased.length > 0) {
      await this.#queue.run(async () => {
        // What ended meanwhile has its last reading; a reading that is older than the last is none.
        leased.forEach((vf, i) => seen[i] && this.#keeper.account(vf, seen[i]));
        this.#noteReadings();
      });
    }
  }

  /** Asks again for VFs that something still drives. */
  drain(): Promise<void> {
    return this.pool.count('draining') === 0 ? Promise.resolve() : this.#queue.run(() => this.#drain());
  }

  /** Looks at every VF; provisions anew what is gone or, asked to look `closely`, what is set otherwise. */
  async reconcile(closely = false): Promise<void> {
    await this.#upkeep.reconcile(closely);
    this.#changed();
  }

  /** What provisioning would change on this node now, and whom it would disturb. Reads only. */
  plan(): Promise<readonly PlannedStep[]> {
    return this.#upkeep.plan();
  }

  /** Makes the node what a new configuration says: see Upkeep. */
  async reprovision(next: Settings, force: boolean): Promise<readonly PlannedStep[]> {
    const steps = await this.#upkeep.reprovision(next, force);
    this.#changed();
    return steps;
  }

  /** PFs of the configuration that give no VFs now. */
  get troubles(): readonly PfTrouble[] {
    return this.#upkeep.troubles;
  }

  /** Runs between two changes, so that what it sees and does is one step. */
  exclusively<T>(task: () => Promise<T> | T): Promise<T> {
    return this.#queue.run(async () => task());
  }

  /** Resolves when nobody has waited for a lease for a moment, or after so long: for work that can wait. */
  whenQuiet(mostMs: number): Promise<void> {
    return this.#queue.whenQuiet(QUIET_MS, mostMs);
  }

  /** NUMA nodes where the process of a lease may run now; undefined when it has ended, or they are not known. */
  nodesOf(key: number): readonly number[] | undefined {
    const lease = this.#leases.get(leaseId(key));
    const nodes = lease && this.#options.numa.nodesOf(lease.pid);
    // Only a process that still lives is sure to be the one that was looked at.
    return lease?.process.ended() === false ? nodes : undefined;
  }

  leases(): Lease[] {
    return [...this.#leases.values()];
  }

  get closing(): boolean {
    return this.#closing;
  }

  get #context(): GrantContext {
    const { ledger, prlimit, numa, log, settings: { provider, config: { limits, spread, rails, numa: numaPolicy } } } = this.#options;
    return { ledger, prlimit, numa, log, provider, limits, spread, rails, numaPolicy, pool: this.pool, assigned: assignments(this.#options.jobs.active()), keeper: this.#keeper, clock: this.#clock };
  }

  /** Throws when the job takes no leases. */
  #jobOf({ uid, process, request }: Wish): Lease['job'] {
    if (this.#closing) {
      throw new VfringError('VFRING_ERR_SHUTTING_DOWN', {});
    }
    const { jobs, settings } = this.#options;
    if (settings.config.managed_by !== undefined) {
      checkManaged(settings.config, jobs.find(uid, request.job), request.job);
    }
    const job = jobs.findOrAdopt(uid, request.job, process);
    if (job.state !== 'open') {
      const [what, remedy] = job.state === 'ended'
        ? [`job ${job.id} has ended and takes no more leases`, 'start a new job (vfring run makes one), or unset VFRING_JOB']
        : [`job ${job.id} still waits for its VFs`, `wait until it is open: vfring job ${job.id}`];
      throw new VfringError('VFRING_ERR_BAD_REQUEST', { what, remedy });
    }
    return job;
  }

  async #grant(wish: Wish): Promise<Lease> {
    const job = this.#jobOf(wish);
    const attempt = async (): Promise<Granted> => {
      const left = this.#admit(wish.uid, job, wish.request.count);
      return await grant({ ...wish, job, left }, this.#context);
    };
    // A job that ended this instant may not have been noticed yet.
    const again = async (error: unknown): Promise<Granted> => {
      if (!(await this.#reapEnded())) {
        throw error;
      }
      return await attempt();
    };
    const granted = await attempt().catch(again).catch((error: unknown) => {
      this.#forget(job);
      throw error;
    });
    const { lease, entries, nodes } = granted;
    this.#register(lease, entries);
    this.tally.granted++;
    this.#options.log.info('lease granted', {
      lease: lease.id, uid: lease.uid, pid: lease.pid, job: lease.job.id, rank: lease.rank,
      vfs: lease.vfs.map(({ vf }) => vf.name).join(','), memlock_bytes: lease.memlockBytes,
      ...(nodes && { numa: nodes.join(','), vf_numa: lease.vfs.map(({ vf }) => vf.numa).join(',') }),
    });
    return lease;
  }

  #forget(job: Lease['job']): void {
    try {
      this.#options.jobs.retract(job);
    } catch (error) {
      this.#options.log.error('a job that came to nothing is still in the ledger', { job: job.id, cause: causeText(error) });
    }
  }

  /** VFs that the job may take now. Throws when quotas, its reservation or those of others leave too few. */
  #admit(uid: number, job: Lease['job'], count: number): number {
    const free = this.pool.count('free');
    const active = this.#options.jobs.active();
    const { quotas } = this.#options.settings.config;
    checkVfQuota(uid, active, job.vfs === undefined ? count : 0, quotas);
    const mine = leasable(job, active, count, free);
    if (mine < count) {
      const kept = job.vfs === undefined ? Math.min(free, reserved(active) + queued(active)) : 0;
      if (kept > 0) {
        throw shortage(this.pool, job, { wanted: count, linked: free - kept, down: [], kept });
      }
    }
    return job.vfs === undefined ? Math.min(mine, quotaLeft(uid, active, quotas)) : Math.min(mine, job.vfs - job.held);
  }

  #register(lease: Lease, entries: readonly PoolEntry[]): void {
    const { log } = this.#options;
    lease.process.onEnd(() => {
      this.#endSoon('process ended', () => lease).catch((error: unknown) => log.error('lease not ended', { lease: lease.id, cause: causeText(error) }));
    });
    this.#leases.set(lease.id, lease);
    const held = heldVfs(lease);
    lease.job.held += held.length;
    lease.job.idleSince = undefined;
    entries.forEach((entry, i) => this.pool.setLeased(entry, lease, held[i] as LeasedVf));
  }

  /** The lease of that name. Throws when there is none. */
  #held(id: string): Lease {
    const lease = this.#leases.get(id);
    if (lease === undefined) {
      throw new VfringError('VFRING_ERR_NO_SUCH_LEASE', { lease: id });
    }
    return lease;
  }

  /**
   * Ends a lease together with all others whose end comes while something else
   * is being done. `find` is asked when it is its turn, and throws if the lease
   * is not to be ended.
   */
  async #endSoon(how: LeaseEnd, find: () => Lease): Promise<void> {
    // The last close of a VF resets it. What it has carried can be read after that, and nobody else waits for it.
    const wait = this.#keeper.quiet(heldVfs(find()));
    if (wait !== undefined) {
      await wait;
    }
    await new Promise<void>((resolve, reject) => this.#ends.add({ how, find, resolve, reject }));
  }

  async #endAll(leaving: readonly Leaving[]): Promise<void> {
    const endings: Ending[] = [];
    const served: Leaving[] = [];
    for (const each of leaving) {
      try {
        const lease = each.find();
        if (this.#leases.delete(lease.id)) {
          endings.push({ lease, how: each.how });
        }
        served.push(each);
      } catch (error) {
        each.reject(error);
      }
    }
    try {
      await this.#finish(endings);
      served.forEach(({ resolve }) => resolve());
    } catch (error) {
      served.forEach(({ reject }) => reject(error));
    }
  }

  async #end(leases: readonly Lease[], how: LeaseEnd): Promise<void> {
    await this.#finish(leases.filter(({ id }) => this.#leases.delete(id)).map((lease) => ({ lease, how })));
  }

  /** The VFs of these names, whose leases go on with what they have left, if anything. */
  async #takeNamed(names: ReadonlySet<string>, how: LeaseEnd): Promise<void> {
    await this.#take(this.leases().flatMap((lease) => heldVfs(lease).filter(({ vf }) => names.has(vf.name)).map((leased) => ({ lease, leased }))), how);
  }

  async #take(takings: readonly Taking[], how: LeaseEnd): Promise<void> {
    const whole = new Set(takings.map(({ lease }) => lease).filter((lease) => heldVfs(lease).every((held) => takings.some(({ leased }) => leased === held))));
    await this.#end([...whole], how);
    const rest = takings.filter(({ lease }) => !whole.has(lease));
    if (rest.length > 0) {
      await takeTogether(rest, how, this.#endContext);
      this.#changed();
    }
  }

  get #endContext(): EndContext {
    const { ledger, prlimit, log } = this.#options;
    return { pool: this.pool, keeper: this.#keeper, ledger, prlimit, log, clock: this.#clock };
  }

  /** Their leases are no more in the list. */
  async #finish(endings: readonly Ending[]): Promise<void> {
    if (endings.length === 0) {
      return;
    }
    await endTogether(endings, this.#leases, this.#endContext);
    this.tally.note(endings);
    this.#changed();
  }

  async #count(): Promise<void> {
    for (const { leased } of this.pool.in('leased')) {
      if (leased !== undefined) {
        await this.#keeper.count(leased);
      }
    }
    this.#noteReadings();
  }

  #noteReadings(): void {
    const { ledger, log } = this.#options;
    try {
      ledger.sample(this.leases().map((lease) => ({ id: lease.key, readings: lease.vfs })), this.#clock());
    } catch (error) {
      log.error('readings of the counters are not in the ledger', { cause: causeText(error) });
    }
  }

  async #drain(): Promise<void> {
    const { ledger, log } = this.#options;
    await this.#keeper.drain((lease, leased) => {
      writeEnd([lease], log, () => ledger.addLate(lease.key, lease.vfs.indexOf(leased), leased));
    });
    this.#changed();
  }

  /** Ends leases whose process is gone but not yet reported; true if anything came free. */
  async #reapEnded(): Promise<boolean> {
    const before = this.pool.count('free');
    await this.#end(this.leases().filter(({ process }) => process.ended()), 'process ended');
    await this.#drain();
    return this.pool.count('free') > before;
  }
}

/** What is left to say of a lease whose end nobody saw. */
function unknown(vfs: readonly LeaseVfRecord[]): VfReading[] {
  return vfs.map(({ last, traffic, peakBytes, takenAt }) => ({ last, traffic: takenAt === undefined ? null : traffic, peakBytes }));
}

// SPDX-License-Identifier: BSD-3-Clause
/**
 * Gives VFs to processes and takes them back. Everything that changes a VF
 * runs through one queue, so that requests are served in the order they came
 * and no two changes meet.
 */
import type { Config } from '../config/schema.js';
import { VfringError, causeText } from '../errors.js';
import { RLIMIT_MEMLOCK } from '../libc.js';
import type { Log } from '../log.js';
import { NO_TRAFFIC, type Provider } from '../providers/provider.js';
import { recordLease, type Job, type JobStore } from './job-registry.js';
import type { Lease, LeaseEnd, LeaseRequest, LeasedVf } from './lease.js';
import { raiseMemlock, type Prlimit } from './memlock.js';
import type { WatchedProcess } from './processes.js';
import { SerialQueue } from './serial-queue.js';
import { VfKeeper } from './vf-keeper.js';
import { VfPool, type PoolEntry } from './vf-pool.js';

export interface LeaseManagerOptions {
  readonly provider: Provider;
  readonly spread: Config['spread'];
  readonly limits: Config['limits'];
  readonly jobs: JobStore;
  readonly prlimit: Prlimit;
  readonly log: Log;
}

export class LeaseManager {
  readonly pool = new VfPool();
  readonly #options: LeaseManagerOptions;
  readonly #keeper: VfKeeper;
  readonly #queue = new SerialQueue();
  readonly #leases = new Map<string, Lease>();
  #nextLease = 1;
  #closing = false;

  constructor(options: LeaseManagerOptions) {
    this.#options = options;
    this.#keeper = new VfKeeper(this.pool, options.provider, options.log);
  }

  /** Provisions the VFs and puts right what an earlier daemon left behind. */
  start(): Promise<void> {
    return this.#queue.run(async () => {
      this.pool.update(await this.#options.provider.provision(new Set()));
      for (const entry of this.pool.entries) {
        await this.#keeper.look(entry);
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
      return await this.#queue.run(() => this.#grant(uid, process, request));
    } catch (error) {
      process.close();
      throw error;
    }
  }

  /** Gives a lease back. Only the process that took it can. */
  release(pid: number, id: string, how: LeaseEnd = 'released'): Promise<void> {
    return this.#queue.run(async () => {
      const lease = this.#leases.get(id);
      if (lease === undefined) {
        throw new VfringError('VFRING_ERR_NO_SUCH_LEASE', { lease: id });
      }
      // As long as its pidfd has not ended, the pid is that process's alone.
      if (lease.pid !== pid || (how === 'released' && lease.process.ended())) {
        throw new VfringError('VFRING_ERR_NOT_OWNER', { lease: id });
      }
      await this.#end(lease, how);
    });
  }

  /** No more leases; every VF back. */
  stop(): Promise<void> {
    this.#closing = true;
    return this.#queue.run(async () => {
      for (const lease of [...this.#leases.values()]) {
        await this.#end(lease, 'daemon stopped');
      }
    });
  }

  /** Reads the counters of leased VFs before their registers wrap. */
  sample(): Promise<void> {
    return this.#queue.run(async () => {
      for (const { leased } of this.pool.in('leased')) {
        if (leased !== undefined) {
          await this.#keeper.count(leased);
        }
      }
    });
  }

  /** Asks again for VFs that something still drives. */
  drain(): Promise<void> {
    return this.#queue.run(() => this.#keeper.drain());
  }

  /** Looks at every VF that is not leased; provisions anew what is gone. */
  reconcile(): Promise<void> {
    return this.#queue.run(async () => {
      if (this.#closing) {
        return;
      }
      const look = async (): Promise<void> => {
        for (const entry of [...this.pool.in('free'), ...this.pool.in('unhealthy')]) {
          await this.#keeper.look(entry);
        }
      };
      await look();
      if (this.pool.count('unhealthy') > 0) {
        try {
          this.pool.update(await this.#options.provider.provision(this.pool.busyNames()));
          this.#keeper.content();
        } catch (error) {
          this.#keeper.complain(causeText(error));
        }
        await look();
      }
    });
  }

  leases(): Lease[] {
    return [...this.#leases.values()];
  }

  async #grant(uid: number, process: WatchedProcess, request: LeaseRequest): Promise<Lease> {
    if (this.#closing) {
      throw new VfringError('VFRING_ERR_SHUTTING_DOWN', {});
    }
    const job = this.#options.jobs.findOrAdopt(uid, request.job);
    if (job.endedAt !== undefined) {
      throw new VfringError('VFRING_ERR_BAD_REQUEST', {
        what: `job ${job.id} has ended and takes no more leases`,
        remedy: 'start a new job (vfring run makes one), or unset VFRING_JOB',
      });
    }
    let entries: PoolEntry[];
    try {
      entries = await this.#handOver(uid, job, request);
    } catch (error) {
      // A job that ended this instant may not have been noticed yet.
      if (!(await this.#reapEnded())) {
        throw error;
      }
      entries = await this.#handOver(uid, job, request);
    }
    try {
      return await this.#register(uid, process, request, job, entries);
    } catch (error) {
      await this.#keeper.giveUp(entries);
      throw error;
    }
  }

  /** Picks the VFs and gives their nodes to `uid`: all that were asked for, or an error. */
  async #handOver(uid: number, job: Job, request: LeaseRequest): Promise<PoolEntry[]> {
    const { provider, limits } = this.#options;
    const spread = job.spread ?? this.#options.spread;
    const candidates = new Set(this.pool.in('free'));
    const picked: PoolEntry[] = [];
    const down: PoolEntry[] = [];
    let refused: unknown;

    while (picked.length < request.count) {
      const entry = this.pool.choose(candidates, picked, spread, { uid, id: job.id, rank: request.rank });
      if (entry === undefined) {
        break;
      }
      candidates.delete(entry);
      if (!(await this.#keeper.look(entry))) {
        continue;
      }
      if (!entry.linkUp) {
        down.push(entry);
        continue;
      }
      try {
        await provider.grant(entry.vf, uid, limits.dma_per_vf);
        picked.push(entry);
      } catch (error) {
        refused ??= error;
      }
    }
    if (picked.length === request.count) {
      return picked;
    }
    await this.#keeper.giveUp(picked);
    throw refused ?? this.#shortage(request.count, picked.length, down);
  }

  #shortage(wanted: number, linked: number, down: readonly PoolEntry[]): VfringError {
    if (linked + down.length >= wanted) {
      const pfs = [...new Set(down.map((entry) => entry.vf.pf))];
      return new VfringError('VFRING_ERR_PF_DOWN', {
        free: linked + down.length,
        pfs: pfs.join(', '),
        first: pfs[0] ?? '',
      });
    }
    const total = this.pool.entries.length;
    const free = this.pool.count('free');
    const other = [
      [this.pool.count('draining'), 'still driven by a process that outlived its lease'],
      [this.pool.count('unhealthy'), 'unhealthy'],
    ] as const;
    const also = other.flatMap(([count, what]) => (count > 0 ? [`${count} ${what}`] : []));
    const plain =
      free === 0 && also.length === 0
        ? `all ${total} VFs of this node are leased`
        : `${free} of ${total} VFs of this node are free, ${wanted} asked for`;
    const what = also.length === 0 ? plain : `${plain} (${also.join(', ')})`;
    return new VfringError('VFRING_ERR_NO_FREE_VF', { what });
  }

  async #register(
    uid: number,
    process: WatchedProcess,
    request: LeaseRequest,
    job: Job,
    entries: readonly PoolEntry[],
  ): Promise<Lease> {
    const { limits, prlimit, log } = this.#options;
    const vfs: LeasedVf[] = [];
    for (const { vf } of entries) {
      const last = await this.#keeper.counters(vf);
      vfs.push({ vf, last, traffic: last && NO_TRAFFIC });
    }
    const memlock = raiseMemlock(process.pid, limits.memlock, prlimit);
    // The limit was set by pid: only now is it sure that it was this process's.
    if (process.ended()) {
      throw new VfringError('VFRING_ERR_BAD_REQUEST', {
        what: `process ${process.pid} ended before its lease was made`,
        remedy: 'nothing is left to do: the VFs are free again',
      });
    }
    const lease: Lease = {
      id: `l-${this.#nextLease++}`,
      uid,
      pid: process.pid,
      ...request,
      vfs,
      grantedAt: new Date(),
      process,
      memlockBytes: memlock.reported,
      memlockBefore: memlock.before,
      endedAt: undefined,
      how: undefined,
    };
    process.onEnd(() => {
      this.#queue
        .run(() => this.#end(lease, 'process ended'))
        .catch((error: unknown) => log.error('lease not ended', { lease: lease.id, cause: causeText(error) }));
    });
    this.#leases.set(lease.id, lease);
    entries.forEach((entry, i) => this.pool.setLeased(entry, lease, vfs[i] as LeasedVf));
    recordLease(job, lease);
    log.info('lease granted', {
      lease: lease.id,
      uid,
      pid: lease.pid,
      job: job.id,
      rank: request.rank,
      vfs: vfs.map(({ vf }) => vf.name).join(','),
      memlock_bytes: memlock.reported,
    });
    return lease;
  }

  async #end(lease: Lease, how: LeaseEnd): Promise<void> {
    if (!this.#leases.delete(lease.id)) {
      return;
    }
    for (const entry of this.pool.entries) {
      if (entry.lease === lease && entry.leased !== undefined) {
        if (!(await this.#keeper.count(entry.leased))) {
          // What is known is not all: better no figure than a wrong one.
          entry.leased.traffic = null;
        }
        await this.#keeper.takeBack(entry);
      }
    }
    this.#restoreMemlock(lease);
    lease.process.close();
    lease.endedAt = new Date();
    lease.how = how;
    this.#options.log.info('lease ended', {
      lease: lease.id,
      how,
      uid: lease.uid,
      pid: lease.pid,
      job: lease.job,
      rank: lease.rank,
      vfs: lease.vfs.map(({ vf }) => vf.name).join(','),
      traffic: lease.vfs.map(({ traffic }) => traffic),
    });
  }

  #restoreMemlock(lease: Lease): void {
    const before = lease.memlockBefore;
    if (before === undefined || lease.process.ended()) {
      return;
    }
    const other = [...this.#leases.values()].find(({ pid }) => pid === lease.pid);
    if (other !== undefined) {
      other.memlockBefore = before;
      return;
    }
    try {
      this.#options.prlimit(lease.pid, RLIMIT_MEMLOCK, before);
    } catch (error) {
      this.#options.log.warn('RLIMIT_MEMLOCK is not put back', { pid: lease.pid, cause: causeText(error) });
    }
  }

  /** Ends leases whose process is gone but not yet reported; true if anything came free. */
  async #reapEnded(): Promise<boolean> {
    const before = this.pool.count('free');
    for (const lease of [...this.#leases.values()]) {
      if (lease.process.ended()) {
        await this.#end(lease, 'process ended');
      }
    }
    await this.#keeper.drain();
    return this.pool.count('free') > before;
  }

}

// SPDX-License-Identifier: BSD-3-Clause
/** What is done to one VF of the pool: looked at, taken back, drained, counted. */
import { causeText } from '../errors.js';
import type { Log } from '../log.js';
import { addCounters, countersBetween, type Vf, type VfCounters } from '../model/vf.js';
import { type Provider } from '../providers/provider.js';
import type { Lease, LeasedVf } from './lease.js';
import type { PoolEntry, VfPool } from './pool.js';

export class VfKeeper {
  readonly #pool: VfPool;
  readonly #settings: { readonly provider: Provider };
  readonly #log: Log;
  #lastComplaint = '';

  constructor(pool: VfPool, settings: { readonly provider: Provider }, log: Log) {
    this.#pool = pool;
    this.#settings = settings;
    this.#log = log;
  }

  get #provider(): Provider {
    return this.#settings.provider;
  }

  /** The lease of the VF is over. */
  async takeBack(entry: PoolEntry): Promise<void> {
    try {
      if ((await this.#provider.takeBack(entry.vf, true)) === 'free') {
        await this.#setFree(entry);
      } else {
        this.#pool.setDraining(entry, 'a process still drives it after its lease ended', true);
        this.#log.warn('VF is still driven after its lease ended', { vf: entry.vf.name, lease: entry.lease?.id });
      }
    } catch (error) {
      this.#sick(entry, causeText(error));
    }
  }

  /** Nodes that were given to a user for a lease that did not come about. */
  async giveUp(entries: readonly PoolEntry[]): Promise<void> {
    for (const entry of entries) {
      await this.takeBack(entry);
    }
  }

  /** Asks again for VFs that something still drives. */
  async drain(late: (lease: Lease, leased: LeasedVf) => void): Promise<void> {
    for (const entry of this.#pool.in('draining')) {
      try {
        if (entry.leased !== undefined && entry.lease !== undefined && (await this.count(entry.leased))) {
          late(entry.lease, entry.leased);
        }
        if ((await this.#provider.takeBack(entry.vf, entry.force)) === 'free') {
          this.#log.info('VF is free at last', { vf: entry.vf.name, lease: entry.lease?.id });
          await this.#setFree(entry);
        }
      } catch (error) {
        this.#sick(entry, causeText(error));
      }
    }
  }

  /** Brings the state of a VF that is not leased up to date; true if it can be leased. */
  async look(entry: PoolEntry): Promise<boolean> {
    const health = await this.#provider.health(entry.vf);
    entry.linkDown = health.linkDown;
    if (health.device === 'gone') {
      this.#sick(entry, health.detail ?? 'the device is gone');
      return false;
    }
    try {
      if (health.device === 'open') {
        this.#log.warn('VF is driven by a process without a lease', { vf: entry.vf.name });
        this.#pool.setDraining(entry, 'a process without a lease drives it', false);
        await this.#provider.takeBack(entry.vf, false);
        return false;
      }
      if (!health.owned) {
        this.#log.warn('VF belonged to somebody without a lease: taken back', { vf: entry.vf.name });
        await this.#provider.takeBack(entry.vf, true);
      }
    } catch (error) {
      this.#sick(entry, causeText(error));
      return false;
    }
    if (entry.state !== 'free') {
      await this.#setFree(entry);
    }
    return true;
  }

  /** A quick look at a VF that is free by the book, before it is given away. */
  async glance(entry: PoolEntry): Promise<boolean> {
    const health = await this.#provider.ready(entry.vf);
    if (health.device !== 'free' || !health.owned) {
      return this.look(entry);
    }
    entry.linkDown = health.linkDown;
    return true;
  }

  async #setFree(entry: PoolEntry): Promise<void> {
    this.#pool.setFree(entry);
    entry.idle = this.#provider.countersStandStill ? ((await this.counters(entry.vf)) ?? undefined) : undefined;
  }

  #sick(entry: PoolEntry, reason: string): void {
    if (entry.state !== 'unhealthy' || entry.reason !== reason) {
      this.#log.error('VF is unhealthy', { vf: entry.vf.name, cause: reason });
    }
    this.#pool.setUnhealthy(entry, reason);
  }

  /** Adds what a leased VF has carried since the last reading. False: the counters cannot be read. */
  async count(leased: LeasedVf): Promise<boolean> {
    await this.#measure(leased);
    const now = leased.last && (await this.counters(leased.vf));
    if (now === null || leased.last === null || leased.traffic === null) {
      return false;
    }
    leased.traffic = addCounters(leased.traffic, countersBetween(leased.last, now, this.#provider.counterBits));
    leased.last = now;
    return true;
  }

  async #measure(leased: LeasedVf): Promise<void> {
    try {
      const memory = await this.#provider.memory(leased.vf);
      leased.liveBytes = memory?.liveBytes ?? null;
      leased.peakBytes = memory && Math.max(leased.peakBytes ?? 0, memory.peakBytes);
    } catch (error) {
      leased.liveBytes = null;
      this.complain(`the memory of VF ${leased.vf.name} cannot be read: ${causeText(error)}`);
    }
  }

  /** A VF under lease whose node somebody changed is its user's alone again. */
  async keepOwner(entry: PoolEntry, uid: number): Promise<void> {
    try {
      const before = await this.#provider.keepOwner(entry.vf, uid);
      if (before !== undefined) {
        const was = `uid ${before.uid}, mode 0${before.mode.toString(8)}`;
        this.#log.warn('somebody changed the node of a VF under lease: mended', { vf: entry.vf.name, was, lease: entry.lease?.id, uid });
      }
    } catch (error) {
      this.complain(`the node of VF ${entry.vf.name} cannot be kept: ${causeText(error)}`);
    }
  }

  /** The VF's registers now; null when they cannot be read, which is logged. */
  async counters(vf: Vf): Promise<VfCounters | null> {
    try {
      return await this.#provider.counters(vf);
    } catch (error) {
      this.complain(`the counters of VF ${vf.name} cannot be read: ${causeText(error)}`);
      return null;
    }
  }

  /** What would come back at every round is logged once. */
  complain(what: string): void {
    if (what !== this.#lastComplaint) {
      this.#lastComplaint = what;
      this.#log.warn(what);
    }
  }

  /** What was wrong is no more: the same trouble would be news again. */
  content(): void {
    this.#lastComplaint = '';
  }
}

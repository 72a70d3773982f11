// SPDX-License-Identifier: BSD-3-Clause
/** What is done to one VF of the pool: looked at, taken back, drained, counted. */
import { causeText } from '../errors.js';
import type { Log } from '../log.js';
import { addCounters, countersBetween, type Provider, type Vf, type VfCounters } from '../providers/provider.js';
import type { LeasedVf } from './lease.js';
import type { PoolEntry, VfPool } from './vf-pool.js';

export class VfKeeper {
  readonly #pool: VfPool;
  readonly #provider: Provider;
  readonly #log: Log;
  #lastComplaint = '';

  constructor(pool: VfPool, provider: Provider, log: Log) {
    this.#pool = pool;
    this.#provider = provider;
    this.#log = log;
  }

  /** The lease of the VF is over. */
  async takeBack(entry: PoolEntry): Promise<void> {
    try {
      if ((await this.#provider.takeBack(entry.vf, true)) === 'free') {
        this.#pool.setFree(entry);
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
  async drain(): Promise<void> {
    for (const entry of this.#pool.in('draining')) {
      try {
        if (entry.leased !== undefined) {
          await this.count(entry.leased);
        }
        if ((await this.#provider.takeBack(entry.vf, entry.force)) === 'free') {
          this.#log.info('VF is free at last', { vf: entry.vf.name, lease: entry.lease?.id });
          this.#pool.setFree(entry);
        }
      } catch (error) {
        this.#sick(entry, causeText(error));
      }
    }
  }

  /** Brings the state of a VF that is not leased up to date; true if it can be leased. */
  async look(entry: PoolEntry): Promise<boolean> {
    const health = await this.#provider.health(entry.vf);
    entry.linkUp = health.linkUp;
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
      this.#pool.setFree(entry);
    }
    return true;
  }

  #sick(entry: PoolEntry, reason: string): void {
    if (entry.state !== 'unhealthy' || entry.reason !== reason) {
      this.#log.error('VF is unhealthy', { vf: entry.vf.name, cause: reason });
    }
    this.#pool.setUnhealthy(entry, reason);
  }

  /** Adds what a leased VF has carried since the last reading. False: the counters cannot be read. */
  async count(leased: LeasedVf): Promise<boolean> {
    const now = leased.last && (await this.counters(leased.vf));
    if (now === null || leased.last === null || leased.traffic === null) {
      return false;
    }
    leased.traffic = addCounters(leased.traffic, countersBetween(leased.last, now, this.#provider.counterBits));
    leased.last = now;
    return true;
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

// SPDX-License-Identifier: BSD-3-Clause
/** What is done to one VF of the pool: looked at, taken back, drained, counted. */
import { causeText } from '../errors.js';
import type { Log } from '../log.js';
import { addCounters, countersBetween, type Vf, type VfCounters } from '../model/vf.js';
import type { Provider, VfMemory } from '../providers/provider.js';
import type { Lease, LeasedVf } from './lease.js';
import type { PoolEntry, VfPool } from './pool.js';

/** What was seen of a leased VF. */
export interface Observation {
  /** The reading that was the last one then. */
  readonly since: VfCounters | null;
  readonly memory: VfMemory | null;
  /** Null: they cannot be read. */
  readonly counters: VfCounters | null;
}

/** Writes down that a VF of a lease is at another node now. */
export type Rebind = (lease: Lease, leased: LeasedVf, vf: Vf) => void;

export class VfKeeper {
  readonly #pool: VfPool;
  readonly #settings: { readonly provider: Provider };
  readonly #log: Log;
  readonly #rebind: Rebind;
  /** What was last said of each matter. */
  readonly #complaints = new Map<string, string>();

  constructor(pool: VfPool, settings: { readonly provider: Provider }, log: Log, rebind: Rebind) {
    this.#pool = pool;
    this.#rebind = rebind;
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

  /** The same of one VF of several: if its process still drives it, it is let know. */
  async takeAway(entry: PoolEntry): Promise<void> {
    await this.takeBack(entry);
    if (entry.state === 'draining') {
      await this.#provider.tell(entry.vf).catch((error: unknown) => {
        this.#log.warn('the process that drives a VF cannot be told that it is not its own any more', { vf: entry.vf.name, lease: entry.lease?.id, cause: causeText(error) });
      });
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

  /**
   * Looks at a VF, and notes what it sees. True: mend() has something to do.
   * Changes no state, so that it need not be in the queue.
   */
  async watch(entry: PoolEntry): Promise<boolean> {
    const { state, lease, vf } = entry;
    const health = await (state === 'free' ? this.#provider.ready(vf) : this.#provider.health(vf));
    if (entry.state !== state || entry.lease !== lease) {
      return false; // It has changed hands meanwhile.
    }
    entry.linkDown = health.linkDown;
    if (state === 'leased') {
      entry.reason = health.device === 'gone' ? (health.detail ?? 'the device is gone') : undefined;
      // Whose the node is, is looked at and put right in one.
      return health.device !== 'gone' || (await this.#isRebound(entry));
    }
    return state === 'free' ? health.device !== 'free' || !health.owned : state === 'unhealthy';
  }

  /** Of a leased VF that is gone. Why it cannot be given to its process again although it is back, is told. */
  async #isRebound(entry: PoolEntry): Promise<boolean> {
    const { lease, vf } = entry;
    const about = `return of ${vf.name}`;
    let rebound: Vf | undefined;
    try {
      rebound = await this.#provider.rebound?.(vf);
      this.#complaints.delete(about);
    } catch (error) {
      this.complain(about, `VF ${vf.name} was bound anew, and is not given to its process again: ${causeText(error)}`);
      return false;
    }
    if (entry.state !== 'leased' || entry.lease !== lease || entry.vf !== vf) {
      return false; // It has changed hands meanwhile.
    }
    entry.rebound = rebound;
    return rebound !== undefined;
  }

  /** Puts right what a look showed, if it is still so. In the queue. */
  async mend(entry: PoolEntry): Promise<void> {
    if (entry.state === 'leased' && entry.lease !== undefined && entry.leased !== undefined) {
      await (entry.rebound === undefined ? this.keepOwner(entry, entry.lease) : this.#giveAgain(entry, entry.rebound, entry.lease, entry.leased));
    } else if (entry.state === 'free') {
      await this.glance(entry);
    } else if (entry.state === 'unhealthy') {
      await this.look(entry);
    }
  }

  /** Brings the state of a VF that is not leased up to date; true if it can be leased. */
  async look(entry: PoolEntry): Promise<boolean> {
    const health = await this.#provider.health(entry.vf);
    entry.linkDown = health.linkDown;
    if (entry.unset !== undefined || health.device === 'gone') {
      this.#sick(entry, entry.unset ?? health.detail ?? 'the device is gone');
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

  /** Nobody has it any more. What could not be set up while somebody had it is still nobody's to be given. */
  async #setFree(entry: PoolEntry): Promise<void> {
    if (entry.unset !== undefined) {
      this.#sick(entry, entry.unset);
      return;
    }
    this.#pool.setFree(entry);
    entry.idle = this.#provider.countersStandStill ? ((await this.counters(entry.vf)) ?? undefined) : undefined;
  }

  #sick(entry: PoolEntry, reason: string): void {
    if (entry.state !== 'unhealthy' || entry.reason !== reason) {
      this.#log.error('VF is unhealthy', { vf: entry.vf.name, cause: reason });
    }
    this.#pool.setUnhealthy(entry, reason);
  }

  /** Reads what a leased VF has; nothing is changed, so that it need not be in the queue. */
  async observe({ vf, last }: LeasedVf): Promise<Observation> {
    return { since: last, memory: await this.#memory(vf), counters: last && (await this.counters(vf)) };
  }

  /** Adds what a VF has carried since the last reading. False: it cannot be known. */
  account(leased: LeasedVf, { since, memory, counters }: Observation): boolean {
    if (since !== leased.last) {
      return true; // A later reading is there already.
    }
    leased.liveBytes = memory?.liveBytes ?? null;
    leased.peakBytes = memory && Math.max(leased.peakBytes ?? 0, memory.peakBytes);
    if (counters === null || leased.last === null || leased.traffic === null) {
      return false;
    }
    leased.traffic = addCounters(leased.traffic, countersBetween(leased.last, counters, this.#provider.counterBits));
    leased.last = counters;
    return true;
  }

  /** Both at once. */
  async count(leased: LeasedVf): Promise<boolean> {
    return this.account(leased, await this.observe(leased));
  }

  /** Resolves when the VFs can be read, as far as that goes. Undefined: they can. */
  quiet(vfs: readonly LeasedVf[]): Promise<unknown> | undefined {
    const waits = vfs.flatMap(({ vf }) => this.#provider.quiet(vf) ?? []);
    return waits.length === 0 ? undefined : Promise.all(waits);
  }

  #memory(vf: Vf): Promise<VfMemory | null> {
    return this.#read('memory', vf, () => this.#provider.memory(vf));
  }

  /** A VF under lease whose node somebody changed is its user's alone again. */
  async keepOwner(entry: PoolEntry, { uid, dmaLimitBytes }: Lease): Promise<void> {
    try {
      const before = await this.#provider.keepOwner(entry.vf, uid, dmaLimitBytes);
      if (before !== undefined) {
        const was = `uid ${before.uid}, mode 0${before.mode.toString(8)}`;
        this.#log.warn('somebody changed the node of a VF under lease: mended', { vf: entry.vf.name, was, lease: entry.lease?.id, uid });
      }
    } catch (error) {
      this.complain(`node of ${entry.vf.name}`, `the node of VF ${entry.vf.name} cannot be kept: ${causeText(error)}`);
    }
  }

  /**
   * A leased VF that was unbound and bound anew is its process's again. It is written down first: if nothing comes of the rest, the
   * next look, or the next daemon, finds a node that is not its user's.
   */
  async #giveAgain(entry: PoolEntry, vf: Vf, lease: Lease, leased: LeasedVf): Promise<void> {
    entry.rebound = undefined;
    if (lease.process.ended()) {
      return;
    }
    try {
      this.#rebind(lease, leased, vf);
      leased.vf = vf;
      this.#pool.rebind(entry, vf);
      await this.#provider.grant(vf, lease.uid, lease.dmaLimitBytes);
      this.#log.info('a VF that was bound anew under its lease is its process\'s again', { vf: vf.name, device: vf.device, lease: lease.id, uid: lease.uid, pid: lease.pid });
    } catch (error) {
      this.complain(`return of ${vf.name}`, `VF ${vf.name} was bound anew, and is not its process's again yet: ${causeText(error)}`);
    }
  }

  /** The VF's registers now; null when they cannot be read, which is logged. */
  counters(vf: Vf): Promise<VfCounters | null> {
    return this.#read('counters', vf, () => this.#provider.counters(vf));
  }

  async #read<T>(what: string, vf: Vf, read: () => Promise<T>): Promise<T | null> {
    const about = `${what} of ${vf.name}`;
    try {
      const value = await read();
      this.#complaints.delete(about);
      return value;
    } catch (error) {
      this.complain(about, `the ${what} of VF ${vf.name} cannot be read: ${causeText(error)}`);
      return null;
    }
  }

  /** What would come back at every round is logged once. `about`: the matter, as "counters of vf0". */
  complain(about: string, what: string): void {
    if (this.#complaints.get(about) !== what) {
      this.#complaints.set(about, what);
      this.#log.warn(what);
    }
  }

  /** A round went well: whatever is wrong after it is news again. */
  content(): void {
    this.#complaints.delete('provision');
    this.#complaints.delete('hand over');
  }
}

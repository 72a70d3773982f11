// SPDX-License-Identifier: BSD-3-Clause
/** The VFs of this node, what state each is in, and which one is next. */
import { systemClock, type Clock } from '../clock.js';
import type { Spread } from '../config/schema.js';
import type { Vf, VfCounters } from '../model/vf.js';
import type { LinkDown } from '../providers/provider.js';
import type { Lease, LeasedVf } from './lease.js';

/**
 * free: can be leased. leased: belongs to a process. draining: its lease is
 * over, but something still drives it. unhealthy: cannot be handed over.
 */
export type PoolState = 'free' | 'leased' | 'draining' | 'unhealthy';

export interface PoolEntry {
  vf: Vf;
  /** What provisioning has made of it while it was in use: so it is once nobody uses it. */
  next: Vf | undefined;
  state: PoolState;
  /** Of a leased one that was unbound: bound anew, and not yet given to its process again. */
  rebound: Vf | undefined;
  /** Why it is draining or unhealthy, for people. */
  reason: string | undefined;
  /** The lease it belongs to, or whose end it still waits for. */
  lease: Lease | undefined;
  leased: LeasedVf | undefined;
  /** A draining VF whose lease is over may be cut off; one found so at the start may finish. */
  force: boolean;
  /** Undefined: it had its link when it was last looked at. */
  linkDown: LinkDown | undefined;
  /** Why provisioning could not set it up; undefined: it could. */
  unset: string | undefined;
  /** When it last fell free of a process, by the boot clock. Undefined: not since this daemon began. */
  back: number | undefined;
  /** The registers of a free VF, read when it fell free, where they stand still until somebody drives it. */
  idle: VfCounters | undefined;
}

/** For whom a VF is chosen. */
export interface Choice {
  /** VFs that the same wish has already. */
  readonly picked: readonly PoolEntry[];
  readonly spread: Spread;
  readonly job: { readonly key: number; readonly rank: number };
  /** Of a VF from the process; only the nearest are looked at. Undefined: all are as near. */
  readonly distance: ((vf: Vf) => number) | undefined;
}

export class VfPool {
  #entries: PoolEntry[] = [];
  /** In the order of the configuration. */
  #pfs: readonly string[] = [];

  readonly #clock: Clock;

  constructor(clock: Clock = systemClock) {
    this.#clock = clock;
  }

  get entries(): readonly PoolEntry[] {
    return this.#entries;
  }

  count(state: PoolState): number {
    let count = 0;
    for (const entry of this.#entries) {
      count += entry.state === state ? 1 : 0;
    }
    return count;
  }

  in(state: PoolState): PoolEntry[] {
    return this.#entries.filter((entry) => entry.state === state);
  }

  /** How long ago, in ms, the VF with that MAC address last fell free of a process; undefined: nothing is known of that. */
  backSince(mac: string): number | undefined {
    const at = this.#entries.find(({ vf }) => vf.mac === mac)?.back;
    return at === undefined ? undefined : this.#clock().boot - at;
  }

  /** Names of VFs that provisioning must not touch. */
  busyNames(): Set<string> {
    const busy = this.#entries.filter((entry) => entry.state === 'leased' || entry.state === 'draining');
    return new Set(busy.map((entry) => entry.vf.name));
  }

  /** Names of VFs that are in any other state. */
  namesBut(state: PoolState): Set<string> {
    return new Set(this.#entries.filter((entry) => entry.state !== state).map((entry) => entry.vf.name));
  }

  /**
   * Takes over what provisioning returned; VFs in use stay as they are, even if they are no more in the list.
   *
   * @param sick why it could not set VFs up, by their names
   * @param keepMissing others that are no more in the list stay, too: their PF may come back
   */
  update(vfs: readonly Vf[], { sick, keepMissing = false }: { readonly sick?: ReadonlyMap<string, string>; readonly keepMissing?: boolean } = {}): void {
    const old = new Map(this.#entries.map((entry) => [entry.vf.name, entry]));
    const next = vfs.map((vf) => {
      const entry = old.get(vf.name) ?? newEntry(vf);
      old.delete(vf.name);
      entry.unset = sick?.get(vf.name);
      if (entry.state === 'free' || entry.state === 'unhealthy') {
        entry.vf = vf;
      } else {
        entry.next = vf;
      }
      return entry;
    });
    const kept = [...old.values()].filter((entry) => keepMissing || entry.state === 'leased' || entry.state === 'draining');
    this.#entries = [...next, ...kept];
    this.#pfs = [...new Set(this.#entries.map((entry) => entry.vf.pf))];
  }

  setFree(entry: PoolEntry): void {
    this.#set(entry, 'free', undefined, undefined, undefined, false);
    entry.idle = undefined;
  }

  setUnhealthy(entry: PoolEntry, reason: string): void {
    this.#set(entry, 'unhealthy', reason, undefined, undefined, false);
  }

  setLeased(entry: PoolEntry, lease: Lease, leased: LeasedVf): void {
    this.#set(entry, 'leased', undefined, lease, leased, false);
  }

  /** A leased VF is at another node from here on. */
  rebind(entry: PoolEntry, vf: Vf): void {
    entry.vf = vf;
    entry.next = entry.next && { ...entry.next, device: vf.device };
    entry.rebound = entry.reason = undefined;
  }

  /** Keeps its lease, if it has one, so that what it still carries is counted there. */
  setDraining(entry: PoolEntry, reason: string, force: boolean): void {
    this.#set(entry, 'draining', reason, entry.lease, entry.leased, force);
  }

  #set(entry: PoolEntry, state: PoolState, reason: string | undefined, lease: Lease | undefined, leased: LeasedVf | undefined, force: boolean): void {
    if (entry.next !== undefined && (state === 'free' || state === 'unhealthy')) {
      entry.vf = entry.next;
      entry.next = undefined;
    }
    if (state === 'free' && (entry.state === 'leased' || entry.state === 'draining')) {
      entry.back = this.#clock().boot;
    }
    entry.state = state;
    entry.rebound = undefined;
    entry.reason = reason;
    entry.lease = lease;
    entry.leased = leased;
    entry.force = force;
  }

  /**
   * The best of the candidates, or undefined when there is none.
   *
   * pack: the first. pf: the PF that carries fewest VFs of this job (those in
   * `picked` included), and among equals the one at the rank's place in the
   * round, so that rank i starts at PF i whichever rank asks first.
   *
   * The VFs of one wish are of different PFs, as far as there are so many: two of
   * one port carry no more than one. The rest is said of the PFs that are left.
   *
   * A job stays on one network as long as VFs of that are free: those of another
   * segment or VLAN do not reach its others. It is the first network of the
   * configuration that has a free VF, which is the same on nodes that are alike.
   *
   * @param candidates in the order of the pool, which is that of the configuration
   */
  choose(candidates: readonly PoolEntry[], { picked, spread, job, distance }: Choice): PoolEntry | undefined {
    const anchor = this.#entries.find((entry) => entry.lease?.job.key === job.key) ?? picked[0] ?? candidates[0];
    const others = picked.length === 0 ? candidates : candidates.filter(({ vf }) => picked.every((entry) => entry.vf.pf !== vf.pf));
    const apart = others.length > 0 ? others : candidates;
    const together = anchor === undefined ? apart : apart.filter(({ vf }) => onOneNetwork(vf, anchor.vf));
    const among = together.length > 0 ? together : apart;
    const [first] = among;
    const pfs = this.#pfs.filter((pf) => this.#entries.some(({ vf }) => vf.pf === pf && first !== undefined && onOneNetwork(vf, first.vf)));
    return spread === 'pack' || pfs.length < 2 ? nearest(among, distance, () => 0) : nearest(among, distance, this.#round(pfs, picked, job));
  }

  /** The same VFs in the order of the configuration. */
  inOrder(picked: readonly PoolEntry[]): readonly PoolEntry[] {
    return picked.length < 2 ? picked : this.#entries.filter((entry) => picked.includes(entry));
  }

  /** How far each PF is from its turn for the next VF of the job. */
  #round(pfs: readonly string[], picked: readonly PoolEntry[], { key, rank }: Choice['job']): (vf: Vf) => number {
    const load = new Map(pfs.map((pf) => [pf, 0]));
    for (const entry of this.#entries) {
      if (entry.lease?.job.key === key || picked.includes(entry)) {
        load.set(entry.vf.pf, (load.get(entry.vf.pf) ?? 0) + 1);
      }
    }
    const place = new Map(pfs.map((pf, i) => [pf, (((i - rank) % pfs.length) + pfs.length) % pfs.length]));
    return ({ pf }) => (load.get(pf) ?? 0) * pfs.length + (place.get(pf) ?? 0);
  }
}

export const onOneNetwork = (a: Vf, b: Vf): boolean => a.segment === b.segment && a.vlan === b.vlan;

/** The first of those with the least distance that has the least rank among them. */
function nearest(entries: readonly PoolEntry[], distance: ((vf: Vf) => number) | undefined, rank: (vf: Vf) => number): PoolEntry | undefined {
  let best: { readonly entry: PoolEntry; readonly away: number; readonly place: number } | undefined;
  for (const entry of entries) {
    const away = distance?.(entry.vf) ?? 0;
    const place = rank(entry.vf);
    if (best === undefined || away < best.away || (away === best.away && place < best.place)) {
      best = { entry, away, place };
    }
  }
  return best?.entry;
}

function newEntry(vf: Vf): PoolEntry {
  return {
    vf,
    next: undefined,
    state: 'unhealthy',
    rebound: undefined,
    reason: 'not looked at yet',
    lease: undefined,
    leased: undefined,
    force: false,
    linkDown: { cause: 'it has not been looked at yet', remedy: 'wait a moment' },
    unset: undefined,
    back: undefined,
    idle: undefined,
  };
}

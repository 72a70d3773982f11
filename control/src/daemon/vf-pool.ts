// SPDX-License-Identifier: BSD-3-Clause
/** The VFs of this node, what state each is in, and which one is next. */
import type { Spread } from '../config/schema.js';
import type { Vf, VfCounters } from '../providers/provider.js';
import type { Lease, LeasedVf } from './lease.js';

/**
 * free: can be leased. leased: belongs to a process. draining: its lease is
 * over, but something still drives it. unhealthy: cannot be handed over.
 */
export type PoolState = 'free' | 'leased' | 'draining' | 'unhealthy';

export interface PoolEntry {
  vf: Vf;
  state: PoolState;
  /** Why it is draining or unhealthy, for people. */
  reason: string | undefined;
  /** The lease it belongs to, or whose end it still waits for. */
  lease: Lease | undefined;
  leased: LeasedVf | undefined;
  /** A draining VF whose lease is over may be cut off; one found so at the start may finish. */
  force: boolean;
  linkUp: boolean;
  /** The registers of a free VF, read when it fell free: nobody drives it, so they stand still. */
  idle: VfCounters | undefined;
}

export class VfPool {
  #entries: PoolEntry[] = [];

  get entries(): readonly PoolEntry[] {
    return this.#entries;
  }

  count(state: PoolState): number {
    return this.#entries.filter((entry) => entry.state === state).length;
  }

  in(state: PoolState): PoolEntry[] {
    return this.#entries.filter((entry) => entry.state === state);
  }

  /** Names of VFs that provisioning must not touch. */
  busyNames(): Set<string> {
    const busy = this.#entries.filter((entry) => entry.state === 'leased' || entry.state === 'draining');
    return new Set(busy.map((entry) => entry.vf.name));
  }

  /** Takes over what provisioning returned; VFs in use stay as they are, even if they are no more in the list. */
  update(vfs: readonly Vf[]): void {
    const old = new Map(this.#entries.map((entry) => [entry.vf.name, entry]));
    const next = vfs.map((vf) => {
      const entry = old.get(vf.name) ?? newEntry(vf);
      old.delete(vf.name);
      if (entry.state === 'free' || entry.state === 'unhealthy') {
        entry.vf = vf;
      }
      return entry;
    });
    const kept = [...old.values()].filter((entry) => entry.state === 'leased' || entry.state === 'draining');
    this.#entries = [...next, ...kept];
  }

  setFree(entry: PoolEntry): void {
    Object.assign(entry, { state: 'free', reason: undefined, lease: undefined, leased: undefined, force: false, idle: undefined });
  }

  setUnhealthy(entry: PoolEntry, reason: string): void {
    Object.assign(entry, { state: 'unhealthy', reason, lease: undefined, leased: undefined, force: false });
  }

  setLeased(entry: PoolEntry, lease: Lease, leased: LeasedVf): void {
    Object.assign(entry, { state: 'leased', reason: undefined, lease, leased, force: false });
  }

  /** Keeps its lease, if it has one, so that what it still carries is counted there. */
  setDraining(entry: PoolEntry, reason: string, force: boolean): void {
    Object.assign(entry, { state: 'draining', reason, force });
  }

  /**
   * The best of the candidates, or undefined when there is none.
   *
   * pack: the first in the order of the configuration. pf: the PF that carries
   * fewest VFs of this job (those in `picked` included), and among equals the
   * one at the rank's place in the round, so that rank i starts at PF i
   * whichever rank asks first.
   *
   * @param distance of a VF from the process; only the nearest are looked at
   */
  choose(
    candidates: ReadonlySet<PoolEntry>,
    picked: readonly PoolEntry[],
    spread: Spread,
    job: { readonly key: number; readonly rank: number },
    distance: (vf: Vf) => number = () => 0,
  ): PoolEntry | undefined {
    const inOrder = nearest(this.#entries.filter((entry) => candidates.has(entry)), distance);
    const pfs = [...new Set(this.#entries.map((entry) => entry.vf.pf))];
    if (spread === 'pack' || pfs.length < 2) {
      return inOrder[0];
    }
    const load = new Map(pfs.map((pf) => [pf, 0]));
    for (const entry of this.#entries) {
      if (entry.lease?.job.key === job.key || picked.includes(entry)) {
        load.set(entry.vf.pf, (load.get(entry.vf.pf) ?? 0) + 1);
      }
    }
    const place = new Map(pfs.map((pf, i) => [pf, (((i - job.rank) % pfs.length) + pfs.length) % pfs.length]));
    let best: PoolEntry | undefined;
    const rank = ({ vf }: PoolEntry): number => (load.get(vf.pf) ?? 0) * pfs.length + (place.get(vf.pf) ?? 0);
    for (const entry of inOrder) {
      if (best === undefined || rank(entry) < rank(best)) {
        best = entry;
      }
    }
    return best;
  }
}

/** In the same order. */
function nearest(entries: readonly PoolEntry[], distance: (vf: Vf) => number): PoolEntry[] {
  const distances = entries.map(({ vf }) => distance(vf));
  const least = Math.min(...distances);
  return entries.filter((_entry, i) => distances[i] === least);
}

function newEntry(vf: Vf): PoolEntry {
  return {
    vf,
    state: 'unhealthy',
    reason: 'not looked at yet',
    lease: undefined,
    leased: undefined,
    force: false,
    linkUp: false,
    idle: undefined,
  };
}

// SPDX-License-Identifier: BSD-3-Clause
/** The last hour of the node, in memory: so many samples, and none more. */
import { queued } from '../leases/claims.js';
import type { Job } from '../leases/job.js';
import type { PoolEntry } from '../leases/pool.js';
import type { VfCounters } from '../model/vf.js';
import type { PageHistory, PageSample } from './view.js';

export const SAMPLE_EVERY_MS = 10_000;
export const MOST_SAMPLES = 360;

export interface Seen {
  /** By the clock that people read, and by one that nobody sets. */
  readonly wallMs: number;
  readonly steadyMs: number;
  readonly entries: readonly PoolEntry[];
  readonly jobs: readonly Job[];
  /** Of each VF so far; it never goes down. */
  readonly totals: ReadonlyMap<string, VfCounters>;
}

interface PfBytes {
  tx: number;
  rx: number;
}

export class History {
  readonly #samples: PageSample[] = [];
  #before: { readonly steadyMs: number; readonly bytes: ReadonlyMap<string, PfBytes> } | undefined;

  get last(): PageSample | null {
    return this.#samples.at(-1) ?? null;
  }

  get view(): PageHistory {
    return { every_s: SAMPLE_EVERY_MS / 1000, most: MOST_SAMPLES, samples: this.#samples };
  }

  add({ wallMs, steadyMs, entries, jobs, totals }: Seen): void {
    const bytes = byPf(entries, totals);
    const before = this.#before;
    this.#before = { steadyMs, bytes };
    const seconds = before === undefined ? 0 : (steadyMs - before.steadyMs) / 1000;
    const rate = (pf: string, now: PfBytes, key: keyof PfBytes): number => {
      const then = before?.bytes.get(pf)?.[key];
      // A PF with fewer VFs than before has carried less in all.
      return then === undefined || seconds <= 0 ? 0 : Math.round(Math.max(0, now[key] - then) / seconds);
    };
    const count = (...states: PoolEntry['state'][]): number => entries.filter(({ state }) => states.includes(state)).length;
    this.#samples.push({
      at: wallMs,
      leased: count('leased'),
      sick: count('draining', 'unhealthy'),
      free: count('free'),
      queued: queued(jobs),
      registered_bytes: entries.reduce((sum, { leased }) => sum + (leased?.liveBytes ?? 0), 0),
      pfs: Object.fromEntries([...bytes].map(([pf, now]) => [pf, { tx: rate(pf, now, 'tx'), rx: rate(pf, now, 'rx') }])),
    });
    if (this.#samples.length > MOST_SAMPLES) {
      this.#samples.shift();
    }
  }
}

function byPf(entries: readonly PoolEntry[], totals: ReadonlyMap<string, VfCounters>): Map<string, PfBytes> {
  const pfs = new Map<string, PfBytes>();
  for (const { vf } of entries) {
    const sum = pfs.get(vf.pf) ?? { tx: 0, rx: 0 };
    sum.tx += totals.get(vf.name)?.txBytes ?? 0;
    sum.rx += totals.get(vf.name)?.rxBytes ?? 0;
    pfs.set(vf.pf, sum);
  }
  return pfs;
}

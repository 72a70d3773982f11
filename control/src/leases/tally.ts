// SPDX-License-Identifier: BSD-3-Clause
/** What was counted of leases since the daemon started, for the metrics. */
import type { Ending } from './ends.js';
import type { Lease, LeaseEnd } from './lease.js';
import type { VfReport } from '../ledger/records.js';

export interface VfTally {
  readonly retransmitted: number;
  readonly asides: number;
}

const NOTHING: VfTally = { retransmitted: 0, asides: 0 };

export class LeaseTally {
  granted = 0;
  refused = 0;
  readonly ended = new Map<LeaseEnd, number>();
  /** What processes said when they gave their VFs back. */
  retransmitted = 0;
  fallbacks = 0;
  /** What they said of each VF so far, by name. It never goes down. */
  readonly #vfs = new Map<string, VfTally>();
  /** What of that is of a lease that goes on. */
  readonly #heard = new WeakMap<Lease, Map<string, VfTally>>();

  note(endings: readonly Ending[]): void {
    for (const { lease, how } of endings) {
      this.ended.set(how, (this.ended.get(how) ?? 0) + 1);
      this.retransmitted = sum(this.retransmitted, lease.report?.retransmitted ?? 0);
      this.fallbacks = sum(this.fallbacks, lease.report?.fallbacks ?? 0);
      this.hear(lease, lease.report?.vfs);
    }
  }

  /** A process has said how its VFs have done since it has them. What it says of others is not heard. */
  hear(lease: Lease, said: readonly VfReport[] = []): void {
    const heard = this.#heard.get(lease) ?? new Map<string, VfTally>();
    this.#heard.set(lease, heard);
    for (const { vf: { name } } of lease.vfs) {
      const now = said.find((vf) => vf.name === name);
      if (now !== undefined) {
        const before = heard.get(name) ?? NOTHING;
        const all = this.ofVf(name);
        const more = (key: keyof VfTally): number => Math.max(0, now[key] - before[key]);
        this.#vfs.set(name, { retransmitted: sum(all.retransmitted, more('retransmitted')), asides: sum(all.asides, more('asides')) });
        heard.set(name, { retransmitted: Math.max(before.retransmitted, now.retransmitted), asides: Math.max(before.asides, now.asides) });
      }
    }
  }

  ofVf(name: string): VfTally {
    return this.#vfs.get(name) ?? NOTHING;
  }
}

/** Anybody may say any number. */
const sum = (a: number, b: number): number => Math.min(a + b, Number.MAX_SAFE_INTEGER);

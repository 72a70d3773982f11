// SPDX-License-Identifier: BSD-3-Clause
/** What was counted of leases since the daemon started, for the metrics. */
import type { Ending } from './ends.js';
import type { Lease, LeaseEnd } from './lease.js';

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
  /** The same of each VF, by name. */
  readonly vfs = new Map<string, VfTally>();

  note(endings: readonly Ending[]): void {
    for (const { lease, how } of endings) {
      this.ended.set(how, (this.ended.get(how) ?? 0) + 1);
      this.retransmitted += lease.report?.retransmitted ?? 0;
      this.fallbacks += lease.report?.fallbacks ?? 0;
      for (const { name, retransmitted, asides } of (lease.report ?? lease.told)?.vfs ?? []) {
        const before = this.vfs.get(name) ?? NOTHING;
        this.vfs.set(name, { retransmitted: before.retransmitted + retransmitted, asides: before.asides + asides });
      }
    }
  }

  /** Of a VF, with what the process that has it has said so far. */
  ofVf(name: string, lease: Pick<Lease, 'told'> | undefined): VfTally {
    const { retransmitted, asides } = this.vfs.get(name) ?? NOTHING;
    const now = lease?.told?.vfs?.find((vf) => vf.name === name) ?? NOTHING;
    return { retransmitted: retransmitted + now.retransmitted, asides: asides + now.asides };
  }
}

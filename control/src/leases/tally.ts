// SPDX-License-Identifier: BSD-3-Clause
/** What was counted of leases since the daemon started, for the metrics. */
import type { Ending } from './ends.js';
import type { LeaseEnd } from './lease.js';

export class LeaseTally {
  granted = 0;
  refused = 0;
  readonly ended = new Map<LeaseEnd, number>();
  /** What processes said when they gave their VFs back. */
  retransmitted = 0;
  fallbacks = 0;

  note(endings: readonly Ending[]): void {
    for (const { lease, how } of endings) {
      this.ended.set(how, (this.ended.get(how) ?? 0) + 1);
      this.retransmitted += lease.report?.retransmitted ?? 0;
      this.fallbacks += lease.report?.fallbacks ?? 0;
    }
  }
}

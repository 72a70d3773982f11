// SPDX-License-Identifier: BSD-3-Clause
/** Jobs and their traffic, for people. */
import type { JobView, LeaseView } from '../api/views.js';
import { formatSize } from '../config/units.js';

export interface JobTotals {
  /** Processes that had at least one VF. */
  readonly processes: number;
  /** VFs whose counters could not be read. */
  readonly unknown: number;
}

export function jobTotals(job: JobView): JobTotals {
  return {
    processes: new Set(job.leases.map((lease) => lease.pid)).size,
    unknown: job.leases.flatMap((lease) => lease.vfs).filter((vf) => vf.traffic === null).length,
  };
}

/** A line a rank and VF: what it carried by the VF's own counters. */
export function jobLines(job: JobView): string[] {
  const leases = [...job.leases].sort((a, b) => a.rank - b.rank || a.granted_at.localeCompare(b.granted_at));
  return leases.flatMap(leaseLines);
}

function leaseLines(lease: LeaseView): string[] {
  const held = lease.state === 'held' ? ' (still held)' : '';
  return lease.vfs.map((vf) => {
    const way =
      vf.traffic === null
        ? 'its counters cannot be read'
        : `out ${frames(vf.traffic.tx_frames, vf.traffic.tx_bytes)}, in ${frames(vf.traffic.rx_frames, vf.traffic.rx_bytes)}`;
    return `rank ${lease.rank}: VF ${vf.name} of PF ${vf.pf}: ${way}${held}`;
  });
}

function frames(count: number, bytes: number): string {
  return `${count} frames ${formatSize(bytes)}`;
}

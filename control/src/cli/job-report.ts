// SPDX-License-Identifier: BSD-3-Clause
/** Jobs and their traffic, for people. */
import type { JobView, LeaseView } from '../api/views.js';
import { formatSize } from '../config/units.js';
import type { HostReport } from './run-job.js';

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
  return linesOf([{ host: undefined, job, error: undefined }]);
}

/** The same of a run over several hosts, in the order of the ranks; and what is not known. */
export function reportLines(id: string, reports: readonly HostReport[]): string[] {
  const unknown = reports.flatMap(({ host, error }) => (error === undefined ? [] : [`what the VFs of job ${id}${host === undefined ? '' : ` on ${host}`} carried is not known: ${error.message}`]));
  return [...linesOf(reports), ...unknown];
}

function linesOf(reports: readonly HostReport[]): string[] {
  const leases = reports.flatMap(({ host, job }) => (job?.leases ?? []).map((lease) => ({ host, lease })));
  leases.sort(({ lease: a }, { lease: b }) => a.rank - b.rank || a.granted_at.localeCompare(b.granted_at));
  return leases.flatMap(({ host, lease }) => leaseLines(lease, host));
}

function leaseLines(lease: LeaseView, host: string | undefined): string[] {
  const held = lease.state === 'held' ? ' (still held)' : '';
  return lease.vfs.map((vf) => {
    const way =
      vf.traffic === null
        ? 'its counters cannot be read'
        : `out ${frames(vf.traffic.tx_frames, vf.traffic.tx_bytes)}, in ${frames(vf.traffic.rx_frames, vf.traffic.rx_bytes)}`;
    return `rank ${lease.rank}${host === undefined ? '' : ` on ${host}`}: VF ${vf.name} of PF ${vf.pf}: ${way}${held}`;
  });
}

function frames(count: number, bytes: number): string {
  return `${count} frames ${formatSize(bytes)}`;
}

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

/** Ranks with fewer VFs than each should have had, for people. Those that were taken away count: they were had. */
export function ranksWithFewer(job: JobView, rails: number): string[] {
  const had = new Map<number, { readonly rank: number; vfs: number }>();
  for (const { pid, rank, vfs } of job.leases) {
    const seen = had.get(pid) ?? { rank, vfs: 0 };
    seen.vfs += vfs.length;
    had.set(pid, seen);
  }
  return [...had.values()].filter(({ vfs }) => vfs < rails).map(({ rank, vfs }) => `rank ${rank} had ${vfs}`);
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
  return lease.vfs.map((vf, i) => {
    const rail = lease.vfs.length > 1 ? `rail ${i}, ` : '';
    const way =
      vf.traffic === null
        ? 'its counters cannot be read'
        : `out ${frames(vf.traffic.tx_frames, vf.traffic.tx_bytes)}, in ${frames(vf.traffic.rx_frames, vf.traffic.rx_bytes)}`;
    return `rank ${lease.rank}${host === undefined ? '' : ` on ${host}`}: ${rail}VF ${vf.name} of PF ${vf.pf}: ${way}${fate(vf)}${vf.taken_at === null ? held : ''}`;
  });
}

/** What became of a VF, and what its process said of it. */
export function fate(vf: LeaseView['vfs'][number]): string {
  return [
    vf.retransmitted_frames !== null && vf.retransmitted_frames > 0 && `${vf.retransmitted_frames} frames sent again`,
    vf.asides !== null && vf.asides > 0 && `set aside ${vf.asides === 1 ? 'once' : `${vf.asides} times`}${vf.aside_why === null ? '' : `, last for: ${vf.aside_why}`}`,
    vf.taken_at !== null && `taken away at ${vf.taken_at} (${vf.taken_how ?? 'unknown why'})`,
  ].filter((part) => part !== false).map((part) => `; ${part}`).join('');
}

function frames(count: number, bytes: number): string {
  return `${count} frames ${formatSize(bytes)}`;
}

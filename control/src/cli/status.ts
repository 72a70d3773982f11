// SPDX-License-Identifier: BSD-3-Clause
/** `vfring status` and `vfring job`, for people. */
import type { JobView, StatusView, VfView } from '../api/views.js';
import { jobLines } from './job-report.js';

export function statusText(status: StatusView): string {
  const count = (state: string): number => status.vfs.filter((vf) => vf.state === state).length;
  const head =
    `vfringd ${status.pid}, provider ${status.provider}: ${status.vfs.length} VFs, ${count('free')} free, ` +
    `${count('leased')} leased, ${count('draining')} draining, ${count('unhealthy')} unhealthy`;
  const rows = status.vfs.map((vf) => [
    vf.name,
    vf.pf,
    vf.state,
    vf.link_up ? 'up' : 'down',
    vf.mac,
    String(vf.mtu),
    vf.device,
    remark(vf),
  ]);
  return [head, ...table([['VF', 'PF', 'STATE', 'LINK', 'MAC', 'MTU', 'DEVICE', ''], ...rows])].join('\n');
}

function remark(vf: VfView): string {
  const lease = vf.lease && `job ${vf.lease.job} rank ${vf.lease.rank} (pid ${vf.lease.pid}, uid ${vf.lease.uid})`;
  return [lease, vf.reason].filter(Boolean).join(': ');
}

export function jobsText(jobs: readonly JobView[]): string {
  if (jobs.length === 0) {
    return 'no jobs';
  }
  const rows = jobs.map((job) => [
    job.id,
    String(job.uid),
    job.state,
    String(job.ranks ?? '-'),
    `${job.leases.filter((lease) => lease.state === 'held').length}/${job.leases.length}`,
    job.created_at,
  ]);
  return table([['JOB', 'UID', 'STATE', 'RANKS', 'LEASES HELD', 'CREATED'], ...rows]).join('\n');
}

export function jobText(job: JobView): string {
  const head = `job ${job.id} of uid ${job.uid}: ${job.state}, ${job.ranks ?? 'unknown number of'} ranks`;
  return [head, ...jobLines(job)].join('\n');
}

function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_unused, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) => row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join('  ').trimEnd());
}

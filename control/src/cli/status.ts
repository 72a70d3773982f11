// SPDX-License-Identifier: BSD-3-Clause
/** `vfring status` and `vfring job`, for people. */
import type { JobView, LeaseView, StatusView, UsageView, VfView } from '../api/views.js';
import { formatDuration, formatSize } from '../config/units.js';
import { UNKNOWN_NODE, isNear } from '../numa-nodes.js';
import { jobLines } from './job-report.js';
import { table } from './output.js';

export function statusText(status: StatusView): string {
  const count = (state: string): number => status.vfs.filter((vf) => vf.state === state).length;
  const head =
    `vfringd ${status.pid}, provider ${status.provider}: ${status.vfs.length} VFs, ${count('free')} free, ` +
    `${count('leased')} leased, ${count('draining')} draining, ${count('unhealthy')} unhealthy`;
  const soft = status.vfs.some(({ model }) => model !== null);
  const rows = status.vfs.map((vf) => [
    vf.name,
    vf.pf,
    ...(soft ? [vf.model ?? '-'] : []),
    vf.state,
    vf.link_up ? 'up' : 'down',
    vf.mac,
    String(vf.mtu),
    vlanText(vf.vlan),
    vf.segment || '-',
    vf.device,
    remark(vf),
  ]);
  const kept = status.reserved_vfs + status.queued_vfs;
  const reserved = kept === 0 ? [] : [`${status.reserved_vfs} free VFs are reserved by jobs, jobs wait for ${status.queued_vfs}`];
  const troubles = status.troubles.flatMap(({ pf, message, remedy }) => [`PF ${pf} gives no VFs: ${message}`, `  remedy: ${remedy}`]);
  const page = status.http?.trouble ? [status.http.trouble.message, `  remedy: ${status.http.trouble.remedy}`] : [];
  return [head, ...troubles, ...page, ...reserved, ...table([['VF', 'PF', ...(soft ? ['MODEL'] : []), 'STATE', 'LINK', 'MAC', 'MTU', 'VLAN', 'SEGMENT', 'DEVICE', ''], ...rows])].join('\n');
}

const vlanText = (vlan: number): string => (vlan === 0 ? '-' : String(vlan));

function remark(vf: VfView): string {
  const lease = vf.lease && `job ${vf.lease.job} rank ${vf.lease.rank}${vf.lease.rail > 0 || vf.lease.rails > 1 ? ` rail ${vf.lease.rail}` : ''} (pid ${vf.lease.pid}, uid ${vf.lease.uid})`;
  return [lease, vf.reason].filter(Boolean).join(': ');
}

/** PFs with what their VFs are at. */
export function pfText(status: StatusView): string {
  const pfs = [...new Set(status.vfs.map((vf) => vf.pf))];
  const rows = pfs.map((pf) => {
    const vfs = status.vfs.filter((vf) => vf.pf === pf);
    const count = (state: string): string => String(vfs.filter((vf) => vf.state === state).length);
    const numa = [...new Set(vfs.map((vf) => vf.numa))].join(',');
    const link = vfs.some((vf) => vf.link_up) ? 'up' : 'down';
    const each = (text: (vf: VfView) => string): string => [...new Set(vfs.map(text))].join(',');
    return [pf, link, numa, String(vfs[0]?.mtu ?? 0), each(({ vlan }) => vlanText(vlan)), each(({ segment }) => segment || '-'), String(vfs.length), count('free'), count('leased'), count('draining'), count('unhealthy')];
  });
  return table([['PF', 'LINK', 'NUMA', 'MTU', 'VLAN', 'SEGMENT', 'VFS', 'FREE', 'LEASED', 'DRAINING', 'UNHEALTHY'], ...rows]).join('\n');
}

export function leasesText(leases: readonly LeaseView[]): string {
  if (leases.length === 0) {
    return 'no leases';
  }
  const rows = leases.map((lease) => [
    lease.id, lease.vfs.map((vf) => (vf.taken_at === null ? vf.name : `${vf.name} (taken)`)).join(','), lease.job, String(lease.rank), String(lease.uid), String(lease.pid),
    numaText(lease), lease.granted_at, lease.ended_at ?? '-', lease.how ?? 'held',
  ]);
  return table([['LEASE', 'VFS', 'JOB', 'RANK', 'UID', 'PID', 'NUMA', 'GRANTED', 'ENDED', 'HOW'], ...rows]).join('\n');
}

/** NUMA nodes of the VFs, and of the process where one of them is far from it. */
function numaText({ vfs, numa_nodes: nodes }: LeaseView): string {
  const far = nodes !== null && vfs.some((vf) => !isNear(vf.numa, nodes));
  const numas = [...new Set(vfs.map((vf) => (vf.numa === UNKNOWN_NODE ? '-' : String(vf.numa))))].join(',');
  return far ? `${numas} (far: process on ${nodes.join(',')})` : numas;
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
    String(job.vfs ?? '-'),
    `${job.leases.filter((lease) => lease.state === 'held').length}/${job.leases.length}`,
    job.created_at,
  ]);
  return table([['JOB', 'UID', 'STATE', 'RANKS', 'VFS', 'LEASES HELD', 'CREATED'], ...rows]).join('\n');
}

/** What users had since a moment: by day, and each job that is remembered. */
export interface History {
  readonly since: string;
  readonly days: readonly UsageView[];
  readonly jobs: readonly JobView[];
}

const usageRow = (head: readonly string[], { leases, vf_seconds: seconds, traffic, retransmitted_frames: again }: JobView['totals']): string[] => [
  ...head, String(leases), seconds === 0 ? '-' : formatDuration(Math.max(1, Math.round(seconds))), formatSize(traffic.tx_bytes), formatSize(traffic.rx_bytes), String(again),
];

export function historyText({ since, days, jobs }: History): string {
  const byDay = days.map(({ day, uid, jobs: count, totals }) => usageRow([day, String(uid), String(count)], totals));
  const byJob = jobs.map((job) => usageRow([job.id, String(job.uid), job.how === null ? job.state : `${job.state} (${job.how})`, job.created_at, job.ended_at ?? '-'], job.totals));
  const carried = ['LEASES', 'VF TIME', 'OUT', 'IN', 'SENT AGAIN'];
  return [
    `by day (UTC), of the leases that ended since ${since}:`,
    ...(byDay.length === 0 ? ['  none'] : table([['DAY', 'UID', 'JOBS', ...carried], ...byDay])),
    '',
    `jobs that were under way since then${jobs.length === 0 ? ': none that is remembered' : ', of their ended leases:'}`,
    ...(byJob.length === 0 ? [] : table([['JOB', 'UID', 'STATE', 'CREATED', 'ENDED', ...carried], ...byJob])),
  ].join('\n');
}

export function jobText(job: JobView): string {
  const head = `job ${job.id} of uid ${job.uid}: ${job.state}${job.how === null ? '' : ` (${job.how})`}, ${job.ranks ?? 'unknown number of'} ranks`;
  const wishes = [
    job.shares_memory && 'all on this node and over shared memory, no VF is leased',
    job.vfs !== null && `${job.vfs} VFs reserved`,
    job.memory_bytes !== null && `${formatSize(job.memory_bytes)} to register`,
    job.time_limit_s !== null && `ends after ${formatDuration(job.time_limit_s)}`,
    job.wait_until !== null && `waits for its VFs until ${job.wait_until}`,
  ].filter((wish) => wish !== false);
  const { totals } = job;
  const total = totals.leases === 0 ? [] : [
    `in all ${totals.leases} leases, ${formatDuration(Math.round(totals.vf_seconds))} of VFs, out ${formatSize(totals.traffic.tx_bytes)}, ` +
      `in ${formatSize(totals.traffic.rx_bytes)}${totals.uncounted_vfs > 0 ? `, ${totals.uncounted_vfs} VFs not counted` : ''}` +
      `${totals.peak_bytes > 0 ? `, at most ${formatSize(totals.peak_bytes)} registered with a VF` : ''}` +
      `${totals.reports > 0 ? `, ${totals.retransmitted_frames} frames sent again, ${totals.fallbacks} processes reached otherwise` : ''}`,
  ];
  return [head, ...(wishes.length > 0 ? [wishes.join(', ')] : []), ...jobLines(job), ...total].join('\n');
}

// SPDX-License-Identifier: BSD-3-Clause
/** Metrics in Prometheus' text format 0.0.4. Counters of VFs go on over leases, and never go down. */
import { queued, reserved } from '../leases/claims.js';
import type { PoolEntry, PoolState } from '../leases/pool.js';
import type { ApiContext } from './routes.js';
import type { VfCounters } from '../model/vf.js';
import type { PageStatus } from './views.js';

type Labels = Readonly<Record<string, string | number>>;
type Sample = readonly [labels: Labels, value: number];

const STATES: readonly PoolState[] = ['free', 'leased', 'draining', 'unhealthy'];

export function metricsText(context: Pick<ApiContext, 'manager' | 'jobs' | 'ledger'>, page: PageStatus | undefined): string {
  const { manager, jobs, ledger } = context;
  const { entries } = manager.pool;
  const active = jobs.active();
  const leased = entries.filter((entry) => entry.lease !== undefined && entry.leased !== undefined);
  const totals = ledger.vfTotals();
  const sizes = ledger.sizes();
  const carried = (key: keyof VfCounters): Sample[] =>
    entries.map((entry) => [vfLabels(entry), (totals.get(entry.vf.name)?.[key] ?? 0)]);
  const said = entries.map((entry) => [vfLabels(entry), manager.tally.ofVf(entry.vf.name)] as const);
  return [
    metric('vfring_up_seconds', 'gauge', 'Time since vfringd started', [[{}, process.uptime()]]),
    metric('vfring_vfs', 'gauge', 'VFs by state', STATES.map((state) => [{ state }, manager.pool.count(state)])),
    metric('vfring_pf_trouble', 'gauge', '1 for a PF of the configuration that gives no VFs', manager.troubles.map(({ pf, code }) => [{ pf, code }, 1])),
    metric('vfring_vf_state', 'gauge', '1 for the state that a VF is in', entries.map((entry) => [{ ...vfLabels(entry), state: entry.state }, 1])),
    metric('vfring_vf_link_up', 'gauge', '1 when the VF had its link when last looked at', entries.map((entry) => [vfLabels(entry), entry.linkDown === undefined ? 1 : 0])),
    metric('vfring_vf_transmit_frames_total', 'counter', 'Frames sent under leases', carried('txFrames')),
    metric('vfring_vf_transmit_bytes_total', 'counter', 'Bytes sent under leases', carried('txBytes')),
    metric('vfring_vf_receive_frames_total', 'counter', 'Frames received under leases', carried('rxFrames')),
    metric('vfring_vf_receive_bytes_total', 'counter', 'Bytes received under leases', carried('rxBytes')),
    metric('vfring_vf_retransmitted_frames_total', 'counter', 'Frames sent again because they went by this VF, as processes said when one of theirs was set aside and at the end',
      said.map(([labels, { retransmitted }]) => [labels, retransmitted])),
    metric('vfring_vf_asides_total', 'counter', 'Times that a process set the VF aside because it carried nothing', said.map(([labels, { asides }]) => [labels, asides])),
    metric('vfring_lease_info', 'gauge', '1 for every VF under lease', leased.map((entry) => [leaseLabels(entry), 1])),
    metric('vfring_lease_registered_bytes', 'gauge', 'Memory registered now', known(leased, (entry) => entry.leased?.liveBytes)),
    metric('vfring_lease_registered_peak_bytes', 'gauge', 'Memory registered at most', known(leased, (entry) => entry.leased?.peakBytes)),
    metric('vfring_lease_limit_bytes', 'gauge', 'Most memory that may be registered', known(leased, (entry) => entry.lease?.dmaLimitBytes)),
    metric('vfring_leases_granted_total', 'counter', 'Leases given since vfringd started', [[{}, manager.tally.granted]]),
    metric('vfring_leases_refused_total', 'counter', 'Requests for a lease that were refused', [[{}, manager.tally.refused]]),
    metric('vfring_leases_ended_total', 'counter', 'Leases ended, by reason', [...manager.tally.ended].map(([reason, count]) => [{ reason }, count])),
    metric('vfring_retransmitted_frames_total', 'counter', 'Frames that processes sent again, as they said when they gave their VFs back', [[{}, manager.tally.retransmitted]]),
    metric('vfring_fallbacks_total', 'counter', 'Processes that others reached by another transport, as these said when they gave their VFs back', [[{}, manager.tally.fallbacks]]),
    metric('vfring_jobs', 'gauge', 'Jobs under way', (['queued', 'open'] as const).map((state) => [{ state }, active.filter((job) => job.state === state).length])),
    metric('vfring_reserved_vfs', 'gauge', 'Free VFs kept for open jobs', [[{}, reserved(active)]]),
    metric('vfring_queued_vfs', 'gauge', 'VFs that jobs wait for', [[{}, queued(active)]]),
    metric('vfring_ledger_rows', 'gauge', 'Rows of the ledger', [[{ table: 'jobs' }, sizes.jobs], [{ table: 'leases' }, sizes.leases]]),
    metric('vfring_resident_bytes', 'gauge', 'Resident memory of vfringd', [[{}, process.memoryUsage.rss()]]),
    ...(page === undefined ? [] : pageMetrics(page)),
  ].join('');
}

function pageMetrics({ serving, load }: PageStatus): string[] {
  return [
    metric('vfring_http_serving', 'gauge', '1 while the page is served', [[{}, serving ? 1 : 0]]),
    metric('vfring_http_connections', 'gauge', 'Connections to the page', [[{}, load.connections]]),
    metric('vfring_http_streams', 'gauge', 'Readers that watch the page', [[{}, load.streams]]),
    metric('vfring_http_dropped_total', 'counter', 'Connections and streams of the page that were too many', [[{}, load.dropped]]),
    metric('vfring_http_refused_total', 'counter', 'Requests to the page that were refused', [[{}, load.refused]]),
    metric('vfring_http_slow_total', 'counter', 'Readers of the page that were cut off because they read nothing', [[{}, load.slow]]),
  ];
}

function known(entries: readonly PoolEntry[], value: (entry: PoolEntry) => number | null | undefined): Sample[] {
  return entries.flatMap((entry) => {
    const number = value(entry);
    return number === null || number === undefined ? [] : [[leaseLabels(entry), number] as const];
  });
}

function vfLabels({ vf }: PoolEntry): Labels {
  return { pf: vf.pf, vf: vf.name, numa: vf.numa };
}

function leaseLabels(entry: PoolEntry): Labels {
  const { lease } = entry;
  return { ...vfLabels(entry), job: lease?.job.id ?? '', uid: lease?.uid ?? '', rank: lease?.rank ?? '' };
}

function metric(name: string, type: 'gauge' | 'counter', help: string, samples: readonly Sample[]): string {
  const lines = samples.map(([labels, value]) => `${name}${labelText(labels)} ${value}\n`);
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join('')}`;
}

function labelText(labels: Labels): string {
  const pairs = Object.entries(labels).map(([key, value]) => `${key}="${String(value).replace(/[\\"\n]/g, (c) => (c === '\n' ? '\\n' : `\\${c}`))}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

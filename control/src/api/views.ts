// SPDX-License-Identifier: BSD-3-Clause
/** What the daemon knows, as the API says it. */
import type * as z from 'zod';
import type { Config } from '../config/schema.js';
import type { ErrorReport } from '../errors.js';
import { queued, reserved } from '../leases/claims.js';
import type { Job } from '../leases/job.js';
import { heldVfs, leaseId } from '../leases/lease.js';
import type { PoolEntry } from '../leases/pool.js';
import type { PfTrouble } from '../leases/upkeep.js';
import type { JobRecord, JobTotals, LeaseRecord, UsageRecord } from '../ledger/records.js';
import type * as schemas from './schemas.js';
import type { VfCounters, VfKind } from '../model/vf.js';

export type TrafficView = z.output<typeof schemas.trafficSchema>;
export type LeaseView = z.output<typeof schemas.leaseSchema>;
export type JobView = z.output<typeof schemas.jobSchema>;
export type JobsView = z.output<typeof schemas.jobsSchema>;
/** A user's day. */
export type UsageView = z.output<typeof schemas.usageSchema>['days'][number];
export type VfView = z.output<typeof schemas.vfSchema>;
export type StatusView = z.output<typeof schemas.statusSchema>;
export type PlanView = z.output<typeof schemas.planSchema>;
export type NewJobView = z.output<typeof schemas.newJobSchema>;

/** Of the page over HTTP, which runs in a thread of its own. */
export interface PageStatus {
  readonly listen: string;
  readonly serving: boolean;
  readonly load: {
    readonly connections: number;
    readonly streams: number;
    /** Connections and streams that were too many, since it began to listen. */
    readonly dropped: number;
    /** Requests that were refused: method, Host, Origin, token. */
    readonly refused: number;
    /** Streams that were cut off because nobody read them. */
    readonly slow: number;
  };
  /** Why it does not serve. */
  readonly trouble: ErrorReport | undefined;
}

const iso = (ms: number): string => new Date(ms).toISOString();
const isoOr = (ms: number | undefined): string | null => (ms === undefined ? null : iso(ms));

export function vfView(entry: PoolEntry, seesAll: boolean, viewer: number): VfView {
  const { vf, state, lease, leased } = entry;
  return {
    name: vf.name,
    kind: vf.kind,
    pf: vf.pf,
    device: vf.device,
    mac: vf.mac,
    mtu: vf.mtu,
    model: vf.model ?? null,
    numa: vf.numa,
    segment: vf.segment,
    vlan: vf.vlan,
    state,
    link_up: entry.linkDown === undefined,
    reason: entry.reason ?? entry.linkDown?.cause ?? null,
    lease:
      lease !== undefined && (seesAll || viewer === lease.uid)
        ? {
            id: lease.id,
            job: lease.job.id,
            uid: lease.uid,
            pid: lease.pid,
            rank: lease.rank,
            rail: leased === undefined ? 0 : lease.vfs.indexOf(leased),
            rails: heldVfs(lease).length,
            live_bytes: leased?.liveBytes ?? null,
            peak_bytes: leased?.peakBytes ?? null,
            limit_bytes: lease.dmaLimitBytes,
            traffic: leased?.traffic ? trafficView(leased.traffic) : null,
          }
        : null,
  };
}

export interface StatusSource {
  readonly provider: VfKind;
  readonly config: Config;
  readonly startedAt: number;
  readonly entries: readonly PoolEntry[];
  readonly jobs: readonly Job[];
  readonly troubles: readonly PfTrouble[];
  readonly page: PageStatus | undefined;
}

export function statusView(source: StatusSource, seesAll: boolean, viewer: number): StatusView {
  const { limits, quotas, jobs, spread, rails, numa } = source.config;
  return {
    version: 1,
    pid: process.pid,
    provider: source.provider,
    spread,
    rails,
    numa,
    started_at: iso(source.startedAt),
    policy: {
      dma_per_vf_bytes: limits.dma_per_vf,
      memlock_bytes: limits.memlock === 'unlimited' ? -1 : limits.memlock,
      vfs_per_user: quotas.vfs_per_user ?? null,
      jobs_per_user: quotas.jobs_per_user,
      time_limit_max_s: jobs.time_limit_max ?? null,
    },
    reserved_vfs: reserved(source.jobs),
    queued_vfs: queued(source.jobs),
    troubles: [...source.troubles],
    http: source.page === undefined ? null : { listen: source.page.listen, serving: source.page.serving, ...source.page.load, trouble: source.page.trouble ?? null },
    vfs: source.entries.map((entry) => vfView(entry, seesAll, viewer)),
  };
}

/** Of a lease by its key: where its process may run now. */
export type NodesOf = (key: number) => readonly number[] | undefined;

/** What the page says of a job, too. */
export function jobHead({ id, uid, state, how, ranks, vfs, hosts }: JobRecord): Pick<JobView, 'id' | 'uid' | 'state' | 'how' | 'ranks' | 'vfs' | 'hosts'> {
  return { id, uid, state, how: how ?? null, ranks: ranks ?? null, vfs: vfs ?? null, hosts: hosts === undefined ? null : [...hosts] };
}

export function jobView(job: JobRecord, leases: readonly LeaseView[]): JobView {
  return {
    ...jobHead(job),
    spread: job.spread ?? null,
    assigned_vfs: job.vfNames === undefined ? null : [...job.vfNames],
    memory_bytes: job.memoryBytes ?? null,
    time_limit_s: job.timeLimitS ?? null,
    shares_memory: job.sharesMemory === true,
    created_at: iso(job.createdAt),
    opened_at: isoOr(job.openedAt?.wall),
    wait_until: isoOr(job.waitUntil?.wall),
    ended_at: isoOr(job.endedAt),
    totals: totalsView(job.totals),
    leases: [...leases],
  };
}

function totalsView(totals: JobTotals): JobView['totals'] {
  return {
    leases: totals.leases,
    vf_seconds: totals.vfMs / 1000,
    traffic: trafficView(totals.traffic),
    uncounted_vfs: totals.uncounted,
    peak_bytes: totals.peakBytes,
    reports: totals.reports,
    retransmitted_frames: totals.retransmitted,
    fallbacks: totals.fallbacks,
  };
}

export function usageView({ dayMs, uid, jobs, totals }: UsageRecord): UsageView {
  return { day: iso(dayMs).slice(0, 'YYYY-MM-DD'.length), uid, jobs, totals: totalsView(totals) };
}

export function leaseView(lease: LeaseRecord, job: string, nodesOf: NodesOf): LeaseView {
  const nodes = lease.state === 'ended' ? undefined : nodesOf(lease.id);
  return {
    id: leaseId(lease.id),
    job,
    uid: lease.uid,
    pid: lease.pid,
    rank: lease.rank,
    ranks: lease.ranks,
    state: lease.state === 'ended' ? 'ended' : 'held',
    how: lease.state === 'ended' ? (lease.how ?? null) : null,
    granted_at: iso(lease.grantedAt.wall),
    ended_at: isoOr(lease.endedAt),
    memlock_bytes: lease.memlockBytes,
    numa_nodes: nodes === undefined ? null : [...nodes],
    dma_limit_bytes: lease.dmaLimitBytes,
    vfs: lease.vfs.map(({ vf, generation, traffic, peakBytes, takenAt, takenHow, report }) => ({
      name: vf.name,
      pf: vf.pf,
      device: vf.device,
      mac: vf.mac,
      numa: vf.numa,
      segment: vf.segment,
      vlan: vf.vlan,
      generation,
      traffic: traffic && trafficView(traffic),
      peak_bytes: peakBytes,
      taken_at: isoOr(takenAt?.wall),
      taken_how: takenHow ?? null,
      retransmitted_frames: report?.retransmitted ?? null,
      aside: report?.aside === true,
      asides: report?.asides ?? null,
      aside_why: report?.why ?? null,
    })),
  };
}

export function trafficView(traffic: VfCounters): TrafficView {
  return {
    tx_frames: traffic.txFrames,
    tx_bytes: traffic.txBytes,
    rx_frames: traffic.rxFrames,
    rx_bytes: traffic.rxBytes,
  };
}

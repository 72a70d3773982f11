// SPDX-License-Identifier: BSD-3-Clause
/** What the daemon knows, as the API says it. */
import type * as z from 'zod';
import type { Config } from '../config/schema.js';
import { queued, reserved } from '../leases/claims.js';
import type { Job } from '../leases/job.js';
import { heldVfs, leaseId } from '../leases/lease.js';
import type { PoolEntry } from '../leases/pool.js';
import type { PfTrouble } from '../leases/upkeep.js';
import type { JobRecord, LeaseRecord } from '../ledger/records.js';
import type * as schemas from './schemas.js';
import type { VfCounters, VfKind } from '../model/vf.js';

export type TrafficView = z.output<typeof schemas.trafficSchema>;
export type LeaseView = z.output<typeof schemas.leaseSchema>;
export type JobView = z.output<typeof schemas.jobSchema>;
export type VfView = z.output<typeof schemas.vfSchema>;
export type StatusView = z.output<typeof schemas.statusSchema>;
export type PlanView = z.output<typeof schemas.planSchema>;
export type NewJobView = z.output<typeof schemas.newJobSchema>;

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
    vfs: source.entries.map((entry) => vfView(entry, seesAll, viewer)),
  };
}

/** Of a lease by its key: where its process may run now. */
export type NodesOf = (key: number) => readonly number[] | undefined;

export function jobView(job: JobRecord, leases: readonly LeaseRecord[], nodesOf: NodesOf): JobView {
  return {
    id: job.id,
    uid: job.uid,
    state: job.state,
    how: job.how ?? null,
    ranks: job.ranks ?? null,
    spread: job.spread ?? null,
    vfs: job.vfs ?? null,
    assigned_vfs: job.vfNames === undefined ? null : [...job.vfNames],
    memory_bytes: job.memoryBytes ?? null,
    time_limit_s: job.timeLimitS ?? null,
    shares_memory: job.sharesMemory === true,
    hosts: job.hosts === undefined ? null : [...job.hosts],
    created_at: iso(job.createdAt),
    opened_at: isoOr(job.openedAt?.wall),
    wait_until: isoOr(job.waitUntil?.wall),
    ended_at: isoOr(job.endedAt),
    totals: {
      leases: job.totals.leases,
      vf_seconds: job.totals.vfMs / 1000,
      traffic: trafficView(job.totals.traffic),
      uncounted_vfs: job.totals.uncounted,
      peak_bytes: job.totals.peakBytes,
      reports: job.totals.reports,
      retransmitted_frames: job.totals.retransmitted,
      fallbacks: job.totals.fallbacks,
    },
    leases: leases.map((lease) => leaseView(lease, job.id, nodesOf)),
  };
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
      asides: report?.asides ?? null,
      aside_why: report?.why ?? null,
    })),
  };
}

function trafficView(traffic: VfCounters): TrafficView {
  return {
    tx_frames: traffic.txFrames,
    tx_bytes: traffic.txBytes,
    rx_frames: traffic.rxFrames,
    rx_bytes: traffic.rxBytes,
  };
}

// SPDX-License-Identifier: BSD-3-Clause
/** What the API says, as types for both ends. Times are ISO 8601, sizes bytes. */
import type { Spread } from '../config/schema.js';
import type { Job } from '../daemon/job-registry.js';
import type { Lease, LeasedVf } from '../daemon/lease.js';
import type { PoolEntry, PoolState } from '../daemon/vf-pool.js';
import type { VfCounters, VfKind } from '../providers/provider.js';

export interface TrafficView {
  readonly tx_frames: number;
  readonly tx_bytes: number;
  readonly rx_frames: number;
  readonly rx_bytes: number;
}

export interface LeaseView {
  readonly id: string;
  readonly job: string;
  readonly uid: number;
  readonly pid: number;
  readonly rank: number;
  readonly ranks: number;
  readonly state: 'held' | 'ended';
  /** Why it ended. */
  readonly how: string | null;
  readonly granted_at: string;
  readonly ended_at: string | null;
  readonly memlock_bytes: number | null;
  readonly vfs: readonly {
    readonly name: string;
    readonly pf: string;
    readonly device: string;
    readonly mac: string;
    /** By the VF's own counters; null when they cannot be read. */
    readonly traffic: TrafficView | null;
  }[];
}

export interface JobView {
  readonly id: string;
  readonly uid: number;
  readonly state: 'open' | 'ended';
  readonly ranks: number | null;
  readonly spread: Spread | null;
  readonly created_at: string;
  readonly ended_at: string | null;
  readonly leases: readonly LeaseView[];
}

export interface VfView {
  readonly name: string;
  readonly kind: VfKind;
  readonly pf: string;
  readonly device: string;
  readonly mac: string;
  readonly mtu: number;
  readonly numa: number;
  readonly state: PoolState;
  /** When it was last looked at. */
  readonly link_up: boolean;
  readonly reason: string | null;
  /** To its own user and to root only. */
  readonly lease: { readonly id: string; readonly job: string; readonly uid: number; readonly pid: number; readonly rank: number } | null;
}

export interface StatusView {
  readonly version: 1;
  readonly pid: number;
  readonly provider: VfKind;
  readonly spread: Spread;
  readonly started_at: string;
  readonly vfs: readonly VfView[];
}

const ROOT = 0;

/** A user sees its own; root sees all. */
export function maySee(viewer: number, owner: number): boolean {
  return viewer === ROOT || viewer === owner;
}

export function vfView(entry: PoolEntry, viewer: number): VfView {
  const { vf, state, lease } = entry;
  return {
    name: vf.name,
    kind: vf.kind,
    pf: vf.pf,
    device: vf.device,
    mac: vf.mac,
    mtu: vf.mtu,
    numa: vf.numa,
    state,
    link_up: entry.linkUp,
    reason: entry.reason ?? null,
    lease:
      lease !== undefined && maySee(viewer, lease.uid)
        ? { id: lease.id, job: lease.job, uid: lease.uid, pid: lease.pid, rank: lease.rank }
        : null,
  };
}

export function jobView(job: Job): JobView {
  return {
    id: job.id,
    uid: job.uid,
    state: job.endedAt === undefined ? 'open' : 'ended',
    ranks: job.ranks ?? null,
    spread: job.spread ?? null,
    created_at: job.createdAt.toISOString(),
    ended_at: job.endedAt?.toISOString() ?? null,
    leases: job.leases.map(leaseView),
  };
}

function leaseView(lease: Lease): LeaseView {
  return {
    id: lease.id,
    job: lease.job,
    uid: lease.uid,
    pid: lease.pid,
    rank: lease.rank,
    ranks: lease.ranks,
    state: lease.endedAt === undefined ? 'held' : 'ended',
    how: lease.how ?? null,
    granted_at: lease.grantedAt.toISOString(),
    ended_at: lease.endedAt?.toISOString() ?? null,
    memlock_bytes: lease.memlockBytes,
    vfs: lease.vfs.map(({ vf, traffic }: LeasedVf) => ({
      name: vf.name,
      pf: vf.pf,
      device: vf.device,
      mac: vf.mac,
      traffic: traffic && trafficView(traffic),
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

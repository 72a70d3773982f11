// SPDX-License-Identifier: BSD-3-Clause
/** What a lease is. Only the lease manager changes one. */
import type { Instant } from '../clock.js';
import type { Rlimit } from '../libc.js';
import type { Vf, VfCounters } from '../model/vf.js';
import type { WatchedProcess } from '../node/processes.js';
import type { LeaseReport } from '../ledger/records.js';
import type { Job } from './job.js';

/** Why a lease ended. */
export type LeaseEnd =
  | 'released'
  | 'process ended'
  | 'not delivered'
  /** By its devices cgroup. */
  | 'kept from its process'
  | 'daemon stopped'
  | 'daemon ended while granting'
  | 'VF lost'
  | 'machine restarted'
  | 'ended by the administrator';

export interface LeasedVf {
  /** As it was leased, but for its node where it was bound anew since. */
  vf: Vf;
  /** Which lease of the VF this is, counted from 1: a clean-up for another one must not touch it. */
  readonly generation: number;
  /** Registers at the last reading; null when they cannot be read. */
  last: VfCounters | null;
  /** What the VF has carried since the lease began; null when unknown. */
  traffic: VfCounters | null;
  /** Registered memory now and at most, in bytes; null where it is not known. */
  liveBytes: number | null;
  peakBytes: number | null;
  /** Since when it is the lease's no more, which goes on with its others; undefined: it is. */
  takenAt: Instant | undefined;
  /** Why it was taken. */
  takenHow: LeaseEnd | undefined;
}

/** VFs that the lease has still. */
export const heldVfs = ({ vfs }: Pick<Lease, 'vfs'>): LeasedVf[] => vfs.filter(({ takenAt }) => takenAt === undefined);

export interface Lease {
  /** Its key in the ledger; `id` is "l-<key>". */
  readonly key: number;
  readonly id: string;
  readonly uid: number;
  readonly pid: number;
  readonly job: Job;
  readonly rank: number;
  readonly ranks: number;
  readonly vfs: readonly LeasedVf[];
  readonly process: WatchedProcess;
  readonly dmaLimitBytes: number;
  /** Bytes, -1 unlimited, null: left as it was. */
  readonly memlockBytes: number | null;
  /** What the process says of how it used its VFs, once it has given them back. */
  report?: LeaseReport | undefined;
  /** What to put back when the process gives its last lease back. */
  memlockBefore: Rlimit | undefined;
}

/** What a process asks for; `job` names one of its own uid's jobs. */
export interface LeaseRequest {
  /** VFs without which it does not work. */
  readonly count: number;
  /** VFs that it can use; undefined: `count`. */
  readonly most?: number | undefined;
  /** Processes of its job on this node; undefined: as many as `ranks`. */
  readonly localRanks?: number | undefined;
  readonly job: string;
  readonly rank: number;
  readonly ranks: number;
  /** Names of VFs that are of no use to the process. */
  readonly except?: readonly string[];
}

export const leaseId = (key: number): string => `l-${key}`;

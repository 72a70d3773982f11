// SPDX-License-Identifier: BSD-3-Clause
/** What a lease is. Only the lease manager changes one. */
import type { Vf, VfCounters } from '../providers/provider.js';
import type { Rlimit } from '../libc.js';
import type { WatchedProcess } from './processes.js';

/** Why a lease ended. */
export type LeaseEnd = 'released' | 'process ended' | 'not delivered' | 'daemon stopped';

export interface LeasedVf {
  readonly vf: Vf;
  /** Registers at the last reading; null when they cannot be read. */
  last: VfCounters | null;
  /** What the VF has carried since the lease began; null when unknown. */
  traffic: VfCounters | null;
}

export interface Lease {
  readonly id: string;
  readonly uid: number;
  readonly pid: number;
  readonly job: string;
  readonly rank: number;
  readonly ranks: number;
  readonly vfs: readonly LeasedVf[];
  readonly grantedAt: Date;
  readonly process: WatchedProcess;
  /** Bytes, -1 unlimited, null: left as it was. */
  readonly memlockBytes: number | null;
  /** What to put back when the process gives its last lease back. */
  memlockBefore: Rlimit | undefined;
  endedAt: Date | undefined;
  how: LeaseEnd | undefined;
}

/** What a process asks for; `job` names one of its own uid's jobs. */
export interface LeaseRequest {
  readonly count: number;
  readonly job: string;
  readonly rank: number;
  readonly ranks: number;
}

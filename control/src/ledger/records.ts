// SPDX-License-Identifier: BSD-3-Clause
/** What the ledger keeps. Times without a clock of their own are ms since 1970, sizes bytes. */
import type { Instant } from '../clock.js';
import type { Spread } from '../config/schema.js';
import type { Rlimit } from '../libc.js';
import type { Vf, VfCounters } from '../model/vf.js';

/** queued: waits for VFs. open: takes leases. ended: takes no more. */
export type JobState = 'queued' | 'open' | 'ended';

/** What whoever makes a job asks for. Undefined: not limited beyond the policy. */
export interface JobWish {
  /** Processes announced. */
  readonly ranks?: number | undefined;
  readonly spread?: Spread | undefined;
  /** VFs reserved for it; without, its leases take what is free. */
  readonly vfs?: number | undefined;
  /** Exactly these VFs, which a resource manager has assigned to it. The manager ends it, too. */
  readonly vfNames?: readonly string[] | undefined;
  /** Budget of registered memory for all its VFs together. */
  readonly memoryBytes?: number | undefined;
  /** From the moment that it may take leases. */
  readonly timeLimitS?: number | undefined;
  /** It is of one run of a program, and ends when its last process has. */
  readonly oneRun?: boolean | undefined;
  /** All its processes are on this node and share memory: none of them leases a VF. */
  readonly sharesMemory?: boolean | undefined;
  /** Nodes that its processes run on, this one included; undefined: not known. */
  readonly hosts?: readonly string[] | undefined;
}

export interface NewJob extends JobWish {
  readonly uid: number;
  readonly id: string;
  /** Somebody has made it; else its first lease has. */
  readonly made?: boolean | undefined;
  readonly state: JobState;
  readonly createdAt: number;
  readonly openedAt: Instant | undefined;
  /** Of a queued job: when it is refused. */
  readonly waitUntil: Instant | undefined;
}

/** What a job's ended leases had, together. */
export interface JobTotals {
  readonly leases: number;
  /** VFs times how long each was held. */
  readonly vfMs: number;
  readonly traffic: VfCounters;
  /** VFs whose counters could not be read, and whose traffic is not in the total. */
  readonly uncounted: number;
  /** Most that one of its VFs had registered. */
  readonly peakBytes: number;
  /** Of its leases, those whose process said how it used them; what these said together. */
  readonly reports: number;
  readonly retransmitted: number;
  readonly fallbacks: number;
}

export interface JobRecord extends NewJob {
  readonly key: number;
  readonly endedAt: number | undefined;
  readonly how: string | undefined;
  readonly totals: JobTotals;
}

/** Which jobs are asked for; undefined: whichever. */
export interface JobFilter {
  readonly uid?: number | undefined;
  /** Under way at this moment or after. */
  readonly sinceMs?: number | undefined;
  /** Made before the job with this key. */
  readonly before?: number | undefined;
}

/** What the leases of one user had together that ended on one day. It outlives the rows of its leases and jobs. */
export interface UsageRecord {
  /** Its beginning, in UTC. */
  readonly dayMs: number;
  readonly uid: number;
  /** Whose first lease ended on that day. */
  readonly jobs: number;
  readonly totals: JobTotals;
}

/**
 * granting: written down, its VFs are being handed over. held: its process
 * has it. ending: its VFs are being taken back.
 */
export type LeaseState = 'granting' | 'held' | 'ending' | 'ended';

export interface NewLease {
  readonly jobKey: number;
  readonly uid: number;
  readonly pid: number;
  /** Start time of the process in clock ticks since boot. */
  readonly startTicks: number;
  readonly rank: number;
  readonly ranks: number;
  readonly grantedAt: Instant;
  readonly dmaLimitBytes: number;
  readonly vfs: readonly NewLeaseVf[];
}

export interface NewLeaseVf {
  readonly vf: Vf;
  /** Its registers; null when they cannot be read. */
  readonly last: VfCounters | null;
}

export interface BegunLease {
  readonly id: number;
  /** Of each VF: which of its leases this is. */
  readonly generations: readonly number[];
}

export interface HeldLease {
  readonly id: number;
  /** As set for its process; -1 unlimited, null untouched. */
  readonly memlockBytes: number | null;
  /** What it was before. */
  readonly memlockBefore: Rlimit | undefined;
}

export interface LeaseVfRecord {
  readonly vf: Vf;
  readonly generation: number;
  readonly last: VfCounters | null;
  readonly traffic: VfCounters | null;
  readonly peakBytes: number | null;
  /** When it was taken from the lease, which goes on with its others; undefined: it was not. */
  readonly takenAt: Instant | undefined;
  readonly takenHow: string | undefined;
  /** What its process said of it last. */
  readonly report: Omit<VfReport, 'name'> | undefined;
}

export interface LeaseRecord extends Omit<NewLease, 'vfs'> {
  readonly id: number;
  readonly state: LeaseState;
  readonly how: string | undefined;
  readonly endedAt: number | undefined;
  readonly sampledAt: Instant | undefined;
  readonly memlockBytes: number | null;
  readonly memlockBefore: Rlimit | undefined;
  readonly vfs: readonly LeaseVfRecord[];
}

/** What is known of a lease's VF, by its place in the lease. */
export interface VfReading {
  readonly last: VfCounters | null;
  readonly traffic: VfCounters | null;
  readonly peakBytes: number | null;
}

/** Ends of leases that no process has ever used: they are none of a job's totals. */
export const NEVER_USED: ReadonlySet<string> = new Set(['not delivered', 'kept from its process']);

/** What only a process knows: nobody can check it. */
export interface LeaseReport {
  /** Frames that it sent again. */
  readonly retransmitted: number;
  /** Processes that it reached by another transport, or not at all. */
  readonly fallbacks: number;
  /** Of its VFs, one by one, as far as it says so. */
  readonly vfs?: readonly VfReport[] | undefined;
}

export interface VfReport {
  readonly name: string;
  /** Frames that were sent again because they went by this VF. */
  readonly retransmitted: number;
  /** How often the VF was set aside because it carried nothing, and why the last time. */
  readonly asides: number;
  readonly why?: string | undefined;
  /** It is now, of a lease that goes on. */
  readonly aside?: boolean | undefined;
}

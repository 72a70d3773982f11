// SPDX-License-Identifier: BSD-3-Clause
/**
 * What an earlier daemon left under way, by its ledger: leases whose processes
 * live on are taken over, everything else is brought to its end.
 */
import type { Instant } from '../clock.js';
import type { Ledger } from '../ledger/ledger.js';
import type { LeaseRecord, LeaseVfRecord } from '../ledger/records.js';
import type { Log } from '../log.js';
import type { Vf } from '../model/vf.js';
import type { Jobs } from './job.js';
import { heldVfs, leaseId, type Lease, type LeaseEnd, type LeasedVf } from './lease.js';
import type { Processes, WatchedProcess } from '../node/processes.js';
import type { PoolEntry, VfPool } from './pool.js';

export interface Survivor {
  readonly record: LeaseRecord;
  /** Those that are still its own. */
  readonly vfs: readonly LeaseVfRecord[];
  readonly process: WatchedProcess;
}

export interface Remains {
  /** Their processes live and have their VFs. */
  readonly survivors: readonly Survivor[];
  /** Nobody has them any more. */
  readonly over: readonly { readonly record: LeaseRecord; readonly how: LeaseEnd }[];
}

/** Sorts what the ledger says is under way. Nothing is changed. */
export function sortRemains(ledger: Ledger, processes: Processes): Remains {
  const survivors: Survivor[] = [];
  const over: { record: LeaseRecord; how: LeaseEnd }[] = [];
  for (const record of ledger.openLeases()) {
    // Where another lease of the VF came after, it is not this one's to keep.
    const own = record.vfs.filter(({ takenAt, generation, vf }) => takenAt === undefined && generation === ledger.generation(vf.name));
    if (ledger.rebooted) {
      over.push({ record, how: 'machine restarted' });
    } else if (record.state === 'granting') {
      over.push({ record, how: 'daemon ended while granting' });
    } else if (record.state === 'ending') {
      over.push({ record, how: (record.how ?? 'process ended') as LeaseEnd });
    } else if (own.length === 0) {
      over.push({ record, how: 'VF lost' });
    } else {
      const process = processes.adopt(record.pid, record.startTicks);
      if (process === undefined) {
        over.push({ record, how: 'process ended' });
      } else {
        survivors.push({ record, vfs: own, process });
      }
    }
  }
  return { survivors, over };
}

export interface ReviveContext {
  readonly pool: VfPool;
  readonly jobs: Jobs;
  readonly ledger: Ledger;
  readonly now: Instant;
  /** A gap in the readings that no wrap fits into twice. */
  readonly wrapMs: number;
  readonly log: Log;
}

/**
 * The lease as it goes on, with those of its VFs that are what they were; it is
 * written down that the others are not its own any more. Undefined when none is.
 * Counters may have wrapped unseen while nobody read them.
 */
export function revive({ record, vfs, process }: Survivor, { pool, jobs, ledger, now, wrapMs, log }: ReviveContext): { lease: Lease; entries: PoolEntry[] } | undefined {
  const job = jobs.byKey(record.jobKey);
  const entryOf = ({ vf }: LeaseVfRecord): PoolEntry | undefined => pool.entries.find((entry) => entry.vf.name === vf.name && (entry.vf.device === vf.device || mayBeRebound(entry.vf, vf)));
  const entries = vfs.flatMap((held) => entryOf(held) ?? []);
  if (job === undefined || entries.length === 0) {
    return undefined;
  }
  const lost = record.vfs.filter((held) => held.takenAt === undefined && (!vfs.includes(held) || entryOf(held) === undefined));
  if (lost.length > 0) {
    ledger.together(() => lost.forEach((held) => ledger.takeVf(record.id, record.vfs.indexOf(held), 'VF lost', now, { ...held, traffic: null })));
    log.error('a lease goes on without some of its VFs: they are no more what they were', { lease: leaseId(record.id), pid: record.pid, vfs: lost.map(({ vf }) => vf.name).join(',') });
  }
  const gapMs = now.boot - (record.sampledAt?.boot ?? Number.NEGATIVE_INFINITY);
  const counted = gapMs <= wrapMs;
  if (!counted) {
    log.warn('the traffic of a lease is not known: its counters were not read in between', { lease: leaseId(record.id), gap_ms: gapMs });
  }
  const lease: Lease = {
    key: record.id, id: leaseId(record.id), uid: record.uid, pid: record.pid, job, rank: record.rank, ranks: record.ranks,
    vfs: record.vfs.map((held): LeasedVf => {
      const { vf, generation, last, traffic, peakBytes, takenAt, takenHow } = held;
      const readable = counted || takenAt !== undefined;
      const left = lost.includes(held) ? { takenAt: now, takenHow: 'VF lost' as const, traffic: null } : { takenAt, takenHow: takenHow as LeaseEnd | undefined, traffic: readable ? traffic : null };
      return { vf, generation, last: readable ? last : null, liveBytes: null, peakBytes, ...left };
    }),
    process, dmaLimitBytes: record.dmaLimitBytes,
    memlockBytes: record.memlockBytes, memlockBefore: record.memlockBefore,
  };
  entries.forEach((entry) => {
    const held = heldVfs(lease).find(({ vf }) => vf.name === entry.vf.name);
    if (held !== undefined && held.vf.device !== entry.vf.device) {
      // Whether it is given to its process again a look decides, as when it is bound anew under a daemon.
      entry.next = entry.vf;
      entry.vf = held.vf;
    }
  });
  return { lease, entries };
}

/** A function of the bus that was unbound meanwhile, bound anew or not. */
const mayBeRebound = (now: Vf, then: Vf): boolean => now.kind === 'sriov' && then.kind === 'sriov' && now.backend !== 'vfio' && then.backend !== 'vfio';

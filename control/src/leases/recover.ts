// SPDX-License-Identifier: BSD-3-Clause
/**
 * What an earlier daemon left under way, by its ledger: leases whose processes
 * live on are taken over, everything else is brought to its end.
 */
import type { Instant } from '../clock.js';
import type { Ledger } from '../ledger/ledger.js';
import type { LeaseRecord } from '../ledger/records.js';
import type { Log } from '../log.js';
import type { Jobs } from './job.js';
import { leaseId, type Lease, type LeaseEnd } from './lease.js';
import type { Processes, WatchedProcess } from '../node/processes.js';
import type { PoolEntry, VfPool } from './pool.js';

export interface Survivor {
  readonly record: LeaseRecord;
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
    if (ledger.rebooted) {
      over.push({ record, how: 'machine restarted' });
    } else if (record.state === 'granting') {
      over.push({ record, how: 'daemon ended while granting' });
    } else if (record.state === 'ending') {
      over.push({ record, how: (record.how ?? 'process ended') as LeaseEnd });
    } else if (record.vfs.some((vf) => vf.generation !== ledger.generation(vf.vf.name))) {
      // Another lease of the VF came after: it is not this one's to keep.
      over.push({ record, how: 'VF lost' });
    } else {
      const process = processes.adopt(record.pid, record.startTicks);
      if (process === undefined) {
        over.push({ record, how: 'process ended' });
      } else {
        survivors.push({ record, process });
      }
    }
  }
  return { survivors, over };
}

/**
 * The lease as it goes on, or undefined when one of its VFs is no more what it
 * was. Counters may have wrapped unseen while nobody read them.
 *
 * @param wrapMs a gap in the readings that no wrap fits into twice
 */
export function revive({ record, process }: Survivor, pool: VfPool, jobs: Jobs, now: Instant, wrapMs: number, log: Log): { lease: Lease; entries: PoolEntry[] } | undefined {
  const job = jobs.byKey(record.jobKey);
  const entries = record.vfs.flatMap(({ vf }) => pool.entries.filter((entry) => entry.vf.name === vf.name && entry.vf.device === vf.device));
  if (job === undefined || entries.length !== record.vfs.length) {
    return undefined;
  }
  const gapMs = now.boot - (record.sampledAt?.boot ?? Number.NEGATIVE_INFINITY);
  const counted = gapMs <= wrapMs;
  if (!counted) {
    log.warn('the traffic of a lease is not known: its counters were not read in between', { lease: leaseId(record.id), gap_ms: gapMs });
  }
  const lease: Lease = {
    key: record.id, id: leaseId(record.id), uid: record.uid, pid: record.pid, job, rank: record.rank, ranks: record.ranks,
    vfs: record.vfs.map(({ vf, generation, last, traffic, peakBytes }) => ({
      vf, generation, last: counted ? last : null, traffic: counted ? traffic : null, liveBytes: null, peakBytes,
    })),
    process, dmaLimitBytes: record.dmaLimitBytes,
    memlockBytes: record.memlockBytes, memlockBefore: record.memlockBefore,
  };
  return { lease, entries };
}

// SPDX-License-Identifier: BSD-3-Clause
/**
 * How leases end, or lose one of their VFs: it is written down that they do, their VFs are taken back,
 * the limits of their processes are put back, and what they carried is written
 * down. Leases that end together, as those of a job do, share the commits.
 */
import type { Clock } from '../clock.js';
import { causeText } from '../errors.js';
import type { Ledger } from '../ledger/ledger.js';
import { NEVER_USED } from '../ledger/records.js';
import type { Log } from '../log.js';
import { heldVfs, type Lease, type LeaseEnd, type LeasedVf } from './lease.js';
import { restoreMemlock, type Prlimit } from '../node/memlock.js';
import type { VfKeeper } from './keeper.js';
import type { VfPool } from './pool.js';

export interface Ending {
  readonly lease: Lease;
  readonly how: LeaseEnd;
}

export interface EndContext {
  readonly pool: VfPool;
  readonly keeper: VfKeeper;
  readonly ledger: Ledger;
  readonly prlimit: Prlimit;
  readonly log: Log;
  readonly clock: Clock;
}

/** A VF that a lease loses, which goes on with its others. */
export interface Taking {
  readonly lease: Lease;
  readonly leased: LeasedVf;
}

/** None of them is the last VF of its lease. */
export async function takeTogether(takings: readonly Taking[], how: LeaseEnd, context: EndContext): Promise<void> {
  const { ledger, log, clock, pool, keeper } = context;
  const now = clock();
  for (const { leased } of takings) {
    await read(leased, context);
  }
  // From here on it is not the lease's, also for the next daemon.
  writeEnd([...new Set(takings.map(({ lease }) => lease))], log, () =>
    ledger.together(() => takings.forEach(({ lease, leased }) => ledger.takeVf(lease.key, lease.vfs.indexOf(leased), how, now, leased))));
  for (const { lease, leased } of takings) {
    Object.assign(leased, { takenAt: now, takenHow: how });
    lease.job.held--;
    const entry = pool.entries.find((other) => other.leased === leased);
    if (entry !== undefined) {
      await keeper.takeAway(entry);
    }
    log.info('VF taken from a lease', { lease: lease.id, vf: leased.vf.name, how, uid: lease.uid, pid: lease.pid, job: lease.job.id, left: heldVfs(lease).length, traffic: leased.traffic });
  }
}

/** @param held the leases that go on */
export async function endTogether(endings: readonly Ending[], held: ReadonlyMap<string, Lease>, context: EndContext): Promise<void> {
  const { ledger, log, clock } = context;
  const leases = endings.map(({ lease }) => lease);
  const write = (step: (ending: Ending) => void): void => writeEnd(leases, log, () => ledger.together(() => endings.forEach(step)));
  write(({ lease, how }) => ledger.endingLease(lease.key, how));
  for (const lease of leases) {
    await takeBack(lease, context);
    restoreLimit(lease, held, context);
    lease.process.close();
    lease.job.held -= heldVfs(lease).length;
  }
  const now = clock();
  write(({ lease, how }) => ledger.endLease(lease.key, how, now, lease.vfs, lease.report));
  for (const { lease, how } of endings) {
    lease.job.used ||= !NEVER_USED.has(how);
    log.info('lease ended', {
      lease: lease.id, how, uid: lease.uid, pid: lease.pid, job: lease.job.id, rank: lease.rank,
      vfs: lease.vfs.map(({ vf }) => vf.name).join(','),
      traffic: lease.vfs.map(({ traffic }) => traffic),
      peak_bytes: lease.vfs.map(({ peakBytes }) => peakBytes),
    });
  }
}

/** A ledger that cannot be written is no reason to leave VFs with somebody. The next start finds the end by itself. */
export function writeEnd(leases: readonly Lease[], log: Log, step: () => void): void {
  try {
    step();
  } catch (error) {
    for (const lease of leases) {
      log.error('the end of a lease is not in the ledger', { lease: lease.id, cause: causeText(error) });
    }
  }
}

async function takeBack(lease: Lease, context: EndContext): Promise<void> {
  for (const entry of context.pool.entries) {
    if (entry.lease === lease && entry.leased !== undefined) {
      await read(entry.leased, context);
      await context.keeper.takeBack(entry);
    }
  }
}

async function read(leased: LeasedVf, { keeper }: EndContext): Promise<void> {
  if (!(await keeper.count(leased))) {
    // What is known is not all: better no figure than a wrong one.
    leased.traffic = null;
  }
}

function restoreLimit(lease: Lease, held: ReadonlyMap<string, Lease>, { ledger, prlimit, log }: EndContext): void {
  const before = lease.memlockBefore;
  if (before === undefined || lease.process.ended()) {
    return;
  }
  const other = [...held.values()].find(({ pid }) => pid === lease.pid);
  if (other !== undefined) {
    other.memlockBefore = before;
    writeEnd([other], log, () => ledger.moveMemlock(other.key, before));
    return;
  }
  try {
    restoreMemlock(lease.pid, before, prlimit);
  } catch (error) {
    log.warn('RLIMIT_MEMLOCK is not put back', { pid: lease.pid, cause: causeText(error) });
  }
}

// SPDX-License-Identifier: BSD-3-Clause
/**
 * How a lease comes about: VFs are picked, written down, handed over, and the
 * process's limit is raised. Whatever fails, all of it is undone.
 */
import type { Config } from '../config/schema.js';
import { VfringError, causeText } from '../errors.js';
import type { Ledger } from '../ledger/ledger.js';
import { RLIMIT_MEMLOCK } from '../libc.js';
import type { Log } from '../log.js';
import { NO_TRAFFIC, type Provider } from '../providers/provider.js';
import { dmaLimit } from './claims.js';
import type { Job } from './job-registry.js';
import { leaseId, type Lease, type LeaseRequest, type LeasedVf } from './lease.js';
import { raiseMemlock, type Prlimit } from './memlock.js';
import type { WatchedProcess } from './processes.js';
import { shortage } from './shortage.js';
import type { VfKeeper } from './vf-keeper.js';
import type { PoolEntry, VfPool } from './vf-pool.js';

export interface GrantContext {
  readonly pool: VfPool;
  readonly keeper: VfKeeper;
  readonly provider: Provider;
  readonly ledger: Ledger;
  readonly prlimit: Prlimit;
  readonly limits: Config['limits'];
  readonly spread: Config['spread'];
  readonly log: Log;
}

/** All VFs that were asked for, or an error with nothing changed. */
export async function grant(
  uid: number,
  process: WatchedProcess,
  request: LeaseRequest,
  job: Job,
  context: GrantContext,
): Promise<{ lease: Lease; entries: readonly PoolEntry[] }> {
  const { keeper, ledger, provider } = context;
  const limitBytes = dmaLimit(job, context.limits.dma_per_vf);
  const barred = new Set<PoolEntry>();
  let refused: unknown;
  for (;;) {
    const entries = await pick(job, request, barred, context, refused);
    // Before anything is touched: whatever happens now, the next daemon knows.
    const { id, generations } = ledger.beginLease({
      jobKey: job.key, uid, pid: process.pid, startTicks: process.startTicks, rank: request.rank, ranks: request.ranks,
      grantedAt: Date.now(), dmaLimitBytes: limitBytes, vfs: entries.map(({ vf }) => vf),
    });
    const given: PoolEntry[] = [];
    try {
      for (const entry of entries) {
        try {
          await provider.grant(entry.vf, uid, limitBytes);
        } catch (error) {
          barred.add(entry);
          refused ??= error;
          break;
        }
        given.push(entry);
      }
      if (given.length === entries.length) {
        return { lease: await hold(id, generations, uid, process, request, job, entries, limitBytes, context), entries };
      }
    } catch (error) {
      await giveUp(id, given, context);
      throw error;
    }
    await giveUp(id, given, context);
    keeper.complain(`a VF could not be handed over: ${causeText(refused)}`);
  }
}

/** Picks free VFs with a link. Throws when there are too few. */
async function pick(
  job: Job,
  request: LeaseRequest,
  barred: ReadonlySet<PoolEntry>,
  { pool, keeper, spread }: GrantContext,
  refused: unknown,
): Promise<PoolEntry[]> {
  const candidates = new Set(pool.in('free').filter((entry) => !barred.has(entry)));
  const picked: PoolEntry[] = [];
  const down: PoolEntry[] = [];
  while (picked.length < request.count) {
    const entry = pool.choose(candidates, picked, job.spread ?? spread, { key: job.key, rank: request.rank });
    if (entry === undefined) {
      throw refused ?? shortage(pool, { wanted: request.count, linked: picked.length, down, kept: 0 });
    }
    candidates.delete(entry);
    if (await keeper.glance(entry)) {
      (entry.linkUp ? picked : down).push(entry);
    }
  }
  return picked;
}

/** The nodes are the user's: notes where the counters stand, and raises the limit. */
async function hold(
  key: number,
  generations: readonly number[],
  uid: number,
  process: WatchedProcess,
  request: LeaseRequest,
  job: Job,
  entries: readonly PoolEntry[],
  limitBytes: number,
  { keeper, ledger, limits, prlimit }: GrantContext,
): Promise<Lease> {
  const vfs: LeasedVf[] = [];
  for (const [i, entry] of entries.entries()) {
    const last = entry.idle ?? (await keeper.counters(entry.vf));
    vfs.push({ vf: entry.vf, generation: generations[i] ?? 0, last, traffic: last && NO_TRAFFIC, liveBytes: null, peakBytes: null });
  }
  const policy = limits.memlock === 'unlimited' || job.memoryBytes === undefined ? limits.memlock : Math.min(limits.memlock, limitBytes * entries.length);
  const memlock = raiseMemlock(process.pid, policy, prlimit);
  // The limit was set by pid: only now is it sure that it was this process's.
  if (process.ended()) {
    throw new VfringError('VFRING_ERR_BAD_REQUEST', {
      what: `process ${process.pid} ended before its lease was made`,
      remedy: 'nothing is left to do: the VFs are free again',
    });
  }
  try {
    ledger.holdLease(key, memlock.reported, memlock.before, vfs, Date.now());
  } catch (error) {
    if (memlock.before !== undefined) {
      prlimit(process.pid, RLIMIT_MEMLOCK, memlock.before);
    }
    throw error;
  }
  return {
    key, id: leaseId(key), uid, pid: process.pid, job, rank: request.rank, ranks: request.ranks, vfs,
    grantedAt: Date.now(), process, dmaLimitBytes: limitBytes, memlockBytes: memlock.reported, memlockBefore: memlock.before,
  };
}

async function giveUp(key: number, given: readonly PoolEntry[], { keeper, ledger, log }: GrantContext): Promise<void> {
  await keeper.giveUp(given);
  try {
    ledger.dropLease(key);
  } catch (error) {
    // It stays "granting" there, which the next start undoes.
    log.error('a lease that did not come about is still in the ledger', { lease: leaseId(key), cause: causeText(error) });
  }
}

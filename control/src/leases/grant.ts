// SPDX-License-Identifier: BSD-3-Clause
/**
 * How a lease comes about: VFs are picked, written down, handed over, and the
 * process's limit is raised. Whatever fails, all of it is undone.
 */
import type { Clock } from '../clock.js';
import type { Config, NumaPolicy } from '../config/schema.js';
import { VfringError, causeText } from '../errors.js';
import type { Ledger } from '../ledger/ledger.js';
import type { Log } from '../log.js';
import { NO_TRAFFIC, type VfCounters } from '../model/vf.js';
import { type Provider } from '../providers/provider.js';
import { checkExcept, mayHave, noneLeft } from './assigned.js';
import { dmaLimit } from './claims.js';
import type { Job } from './job.js';
import { leaseId, type Lease, type LeaseRequest, type LeasedVf } from './lease.js';
import { raiseMemlock, restoreMemlock, type Prlimit } from '../node/memlock.js';
import { numaView, type Numa } from '../node/numa.js';
import { UNREADABLE, type WatchedProcess } from '../node/processes.js';
import { railsAllowed, railsWanted } from './rails.js';
import { farOnly, shortage } from './shortage.js';
import type { VfKeeper } from './keeper.js';
import type { PoolEntry, VfPool } from './pool.js';

export interface GrantContext {
  readonly pool: VfPool;
  readonly keeper: VfKeeper;
  readonly provider: Provider;
  readonly ledger: Ledger;
  readonly prlimit: Prlimit;
  readonly limits: Config['limits'];
  readonly spread: Config['spread'];
  /** VFs of a process that leaves their number to the node, at most. */
  readonly rails: Config['rails'];
  /** VFs that a resource manager has assigned to jobs. */
  readonly assigned: ReadonlyMap<string, Job>;
  readonly numa: Numa;
  readonly numaPolicy: NumaPolicy;
  readonly log: Log;
  readonly clock: Clock;
}

/** Somebody who asks for a lease. */
export interface Wish {
  readonly uid: number;
  readonly process: WatchedProcess;
  readonly request: LeaseRequest;
}

/** With the job that it belongs to. */
export interface Ask extends Wish {
  readonly job: Job;
  /** VFs that quota and reservations leave to the job now, and so the most that it can be given beyond what it has to have. */
  readonly left: number;
}

/** A wish, and the VFs that are to fulfil it. */
interface Picked extends Ask {
  readonly entries: readonly PoolEntry[];
  /** NUMA nodes of the process, where they had to be looked up. */
  readonly nodes: readonly number[] | undefined;
}

export interface Granted {
  readonly lease: Lease;
  readonly entries: readonly PoolEntry[];
  readonly nodes: readonly number[] | undefined;
}

/** A VF that looked well and cannot be handed over. What was changed for the wish is undone. */
class Barred extends Error {
  constructor(readonly entry: PoolEntry, override readonly cause: unknown) {
    super(causeText(cause));
  }
}

/** All VFs that the process has to have, and those that the policy adds; or an error with nothing changed. */
export async function grant(ask: Ask, context: GrantContext): Promise<Granted> {
  const barred = new Set<PoolEntry>();
  let refused: unknown;
  for (;;) {
    const free = context.pool.in('free').filter((entry) => !barred.has(entry));
    const picked = await pick(ask, context, free, refused);
    try {
      return await handOver(picked, context);
    } catch (error) {
      if (!(error instanceof Barred)) {
        throw error;
      }
      barred.add(error.entry);
      refused ??= error.cause;
      context.keeper.complain('hand over', `a VF could not be handed over: ${error.message}`);
    }
  }
}

/**
 * Picks free VFs with a link. Throws when there are too few: `refused` where
 * that is given, because it tells more.
 */
async function pick(ask: Ask, { pool, keeper, provider, spread, rails, numa, numaPolicy, assigned }: GrantContext, free: readonly PoolEntry[], refused: unknown): Promise<Picked> {
  const { request, job, process: { pid } } = ask;
  const due = assigned.size === 0 && job.vfNames === undefined ? free : free.filter(({ vf }) => mayHave(job, vf, assigned));
  const mine = request.except === undefined ? due : due.filter(({ vf }) => request.except?.includes(vf.name) === false);
  const view = numaView(numaPolicy, numa, pid, mine);
  const { distance, allows } = view;
  const candidates = mine.filter(({ vf }) => allows?.(vf) ?? true);
  const picked: PoolEntry[] = [];
  const down: PoolEntry[] = [];
  const wish = { ...ask, policy: rails };
  while (picked.length < railsWanted(wish)) {
    const eligible = picked.length < request.count ? candidates : railsAllowed(pool, candidates, picked, wish, distance);
    const entry = pool.choose(eligible, { picked, spread: job.spread ?? spread, job: { key: job.key, rank: request.rank }, distance });
    if (entry === undefined && picked.length >= request.count) {
      break;
    }
    if (entry === undefined) {
      const wanted = request.count;
      checkExcept(ask, pool.entries.filter(({ vf }) => mayHave(job, vf, assigned)));
      const far = allows === undefined ? [] : mine.filter(({ vf }) => !allows(vf));
      if (job.vfNames !== undefined && far.length === 0) {
        throw refused ?? noneLeft(job, pool);
      }
      throw refused ?? (far.length > 0 && picked.length + down.length < wanted
        ? farOnly({ pid, nodes: view.nodes, wanted, near: picked.length, far })
        : shortage(pool, job, { wanted, linked: picked.length, down, kept: 0 }));
    }
    candidates.splice(candidates.indexOf(entry), 1);
    if (provider.looksWhenGranting) {
      picked.push(entry);
    } else if (await keeper.glance(entry)) {
      (entry.linkDown === undefined ? picked : down).push(entry);
    }
  }
  return { ...ask, entries: pool.inOrder(picked), nodes: view.nodes };
}

/** Throws Barred, or VFRING_ERR_* with nothing changed. */
async function handOver(ask: Picked, context: GrantContext): Promise<Granted> {
  const { ledger, keeper, provider, clock } = context;
  const { entries } = ask;
  const readings: (VfCounters | null)[] = [];
  for (const { idle, vf } of entries) {
    readings.push(idle ?? (await keeper.counters(vf)));
  }
  // Before anything is touched: whatever happens now, the next daemon knows.
  const { id, vfs } = begin(ask, readings, context);
  const given: PoolEntry[] = [];
  let lease: Lease | undefined;
  try {
    for (const entry of entries) {
      await provider.grant(entry.vf, ask.uid, limitOf(ask, context)).catch((error: unknown) => {
        throw new Barred(entry, error);
      });
      given.push(entry);
    }
    lease = prepare(id, vfs, ask, context);
    ledger.holdLease({ id, memlockBytes: lease.memlockBytes, memlockBefore: lease.memlockBefore }, clock());
    return { lease, entries, nodes: ask.nodes };
  } catch (error) {
    if (lease !== undefined) {
      restoreLimit(lease, context);
    }
    await giveUp(id, given, context);
    if (error instanceof Barred) {
      // The next one is not to come upon it.
      await keeper.glance(error.entry);
    }
    throw error;
  }
}

function begin(ask: Picked, readings: readonly (VfCounters | null)[], context: GrantContext): { readonly id: number; readonly vfs: readonly LeasedVf[] } {
  const { id, generations } = context.ledger.beginLease({
    jobKey: ask.job.key, uid: ask.uid, pid: ask.process.pid, startTicks: ask.process.startTicks, rank: ask.request.rank, ranks: ask.request.ranks,
    grantedAt: context.clock(), dmaLimitBytes: limitOf(ask, context),
    vfs: ask.entries.map(({ vf }, place) => ({ vf, last: readings[place] ?? null })),
  });
  const vfs = ask.entries.map(({ vf }, place): LeasedVf => {
    const last = readings[place] ?? null;
    return { vf, generation: generations[place] ?? 0, last, traffic: last && NO_TRAFFIC, liveBytes: null, peakBytes: null, takenAt: undefined, takenHow: undefined };
  });
  return { id, vfs };
}

const limitOf = ({ job, entries }: Picked, { limits }: GrantContext): number => dmaLimit(job, entries.length, limits.dma_per_vf);

/** The nodes are the user's: raises the limit. */
function prepare(key: number, vfs: readonly LeasedVf[], ask: Picked, context: GrantContext): Lease {
  const { uid, process, request, job } = ask;
  const { limits, prlimit } = context;
  const dmaLimitBytes = limitOf(ask, context);
  if (process.startTicks === UNREADABLE && !process.ended()) {
    throw new VfringError('VFRING_ERR_BAD_REQUEST', {
      what: `vfringd cannot read in /proc when process ${process.pid} started`,
      remedy: 'mount /proc without hidepid for vfringd, or run vfringd as root',
    });
  }
  const policy = limits.memlock === 'unlimited' || job.memoryBytes === undefined ? limits.memlock : Math.min(limits.memlock, dmaLimitBytes);
  const memlock = raiseMemlock(process.pid, policy, prlimit);
  // The limit was set by pid: only now is it sure that it was this process's.
  if (process.ended()) {
    throw new VfringError('VFRING_ERR_BAD_REQUEST', {
      what: `process ${process.pid} ended before its lease was made`,
      remedy: 'nothing is left to do: the VFs are free again',
    });
  }
  return {
    key, id: leaseId(key), uid, pid: process.pid, job, rank: request.rank, ranks: request.ranks, vfs,
    process, dmaLimitBytes, memlockBytes: memlock.reported, memlockBefore: memlock.before,
  };
}

function restoreLimit(lease: Lease, { prlimit, log }: GrantContext): void {
  if (lease.memlockBefore === undefined) {
    return;
  }
  try {
    restoreMemlock(lease.pid, lease.memlockBefore, prlimit);
  } catch (error) {
    log.warn('RLIMIT_MEMLOCK is not put back', { pid: lease.pid, cause: causeText(error) });
  }
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

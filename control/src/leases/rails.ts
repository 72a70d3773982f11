// SPDX-License-Identifier: BSD-3-Clause
/**
 * How many VFs a process gets that leaves it to the node: one for each PF near
 * it, as many as the policy says, and never so many that another process of its
 * job would have none.
 */
import type { Job } from './job.js';
import type { LeaseRequest } from './lease.js';
import { onOneNetwork, type PoolEntry, type VfPool } from './pool.js';
import type { Vf } from '../model/vf.js';

export interface RailsWish {
  readonly request: LeaseRequest;
  readonly job: Pick<Job, 'key'>;
  /** VFs that quota and reservations leave to the job now. */
  readonly left: number;
  /** `rails:` of the configuration. */
  readonly policy: number;
}

/** VFs that are looked for in all: at least `count`. */
export function railsWanted({ request: { count, most = count }, policy }: Pick<RailsWish, 'request' | 'policy'>): number {
  return Math.max(count, Math.min(most, policy));
}

/**
 * Which of the candidates the process may have beyond what it has to have.
 *
 * What is there is shared out equally among the processes of the job on this
 * node, on each network by itself: who has none on the first does not meet the
 * others there, however many are free on the second.
 */
export function railsAllowed(
  pool: VfPool, candidates: readonly PoolEntry[], picked: readonly PoolEntry[], { request, job, left }: RailsWish, distance: ((vf: Vf) => number) | undefined,
): PoolEntry[] {
  const processes = Math.max(1, request.localRanks ?? request.ranks);
  // Processes that this one's have spawned are told by the size of their world, as far as it differs.
  const theirs = pool.entries.filter(({ state, lease }) => state === 'leased' && lease?.job.key === job.key && lease.ranks === request.ranks);
  if (picked.length + 1 > Math.floor((left + theirs.length) / processes)) {
    return [];
  }
  const away = picked[0] && distance?.(picked[0].vf);
  const usable = [...candidates.filter(({ linkDown }) => linkDown === undefined), ...picked, ...theirs];
  const share = (vf: Vf): number => Math.floor(onePfEach(usable.filter((entry) => onOneNetwork(entry.vf, vf)), processes) / processes);
  return candidates.filter(({ vf, linkDown }) =>
    // A process has frames of one size, as small as its smallest VF wants them, and its peers must have the same.
    linkDown === undefined && picked.every((entry) => entry.vf.pf !== vf.pf && entry.vf.mtu === vf.mtu) &&
    (away === undefined || (distance?.(vf) ?? 0) <= away) &&
    picked.filter((entry) => onOneNetwork(entry.vf, vf)).length + 1 <= share(vf));
}

/** VFs that so many processes can use, when none has two of one PF. */
function onePfEach(entries: readonly PoolEntry[], processes: number): number {
  const perPf = new Map<string, number>();
  for (const { vf } of entries) {
    perPf.set(vf.pf, (perPf.get(vf.pf) ?? 0) + 1);
  }
  return [...perPf.values()].reduce((sum, vfs) => sum + Math.min(vfs, processes), 0);
}

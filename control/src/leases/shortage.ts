// SPDX-License-Identifier: BSD-3-Clause
/** Why there are too few VFs, for who asked for them. */
import { VfringError } from '../errors.js';
import type { Job } from './job.js';
import type { PoolEntry, VfPool } from './pool.js';

export interface Shortage {
  readonly wanted: number;
  /** Free VFs with a link. */
  readonly linked: number;
  /** Free VFs without one. */
  readonly down: readonly PoolEntry[];
  /** Free VFs that are kept for jobs with a reservation. */
  readonly kept: number;
}

/** @param job that asks; undefined: a new one */
export function shortage(pool: VfPool, job: Job | undefined, { wanted, linked, down, kept }: Shortage): VfringError {
  if (kept === 0 && linked + down.length >= wanted) {
    // One line a PF, however many VFs it has.
    const reasons = new Map(down.flatMap(({ linkDown }) => (linkDown === undefined ? [] : [[linkDown.cause, linkDown.remedy] as const])));
    return new VfringError('VFRING_ERR_PF_DOWN', {
      free: linked + down.length,
      what: [...reasons.keys()].join('; '),
      remedy: [...new Set(reasons.values())].join('; '),
    });
  }
  const total = pool.entries.length;
  const free = pool.count('free');
  const own = job === undefined ? 0 : pool.in('leased').filter(({ lease }) => lease?.job.key === job.key).length;
  const other = [
    [kept, 'kept for jobs with a reservation'],
    [pool.count('draining'), 'still driven by a process that outlived its lease'],
    [pool.count('unhealthy'), 'unhealthy'],
  ] as const;
  const texts = (counts: readonly (readonly [number, string])[]): string[] => counts.flatMap(([count, what]) => (count > 0 ? [`${count} ${what}`] : []));
  const also = texts([...other, [own, 'leased to this job']]);
  const what = free === 0 && texts(other).length === 0
    ? [`all ${total} VFs of this node are leased`, ...texts([[own, 'of them to this job']])].join(', ')
    : `${free} of ${total} VFs of this node are free, ${wanted} asked for${also.length === 0 ? '' : ` (${also.join(', ')})`}`;
  return new VfringError('VFRING_ERR_NO_FREE_VF', { what });
}

/** What numa: require keeps a process from. */
export interface FarVfs {
  readonly pid: number;
  /** Undefined: not known. */
  readonly nodes: readonly number[] | undefined;
  readonly wanted: number;
  /** Free VFs near it that have a link. */
  readonly near: number;
  readonly far: readonly PoolEntry[];
}

export function farOnly({ pid, nodes, wanted, near, far }: FarVfs): VfringError {
  const others = [...new Set(far.map(({ vf }) => vf.numa))].sort((a, b) => a - b);
  const where = nodes === undefined ? `the NUMA nodes of process ${pid} are not known` : `process ${pid} runs on NUMA node ${nodes.join(', ')}, where ${near} VFs are free`;
  return new VfringError('VFRING_ERR_NO_NEAR_VF', {
    what: `${where}, and numa: require allows no others: ${wanted} asked for, ${far.length} free on NUMA node ${others.join(', ')}`,
    first: others[0] ?? 0,
  });
}

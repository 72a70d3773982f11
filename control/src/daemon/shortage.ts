// SPDX-License-Identifier: BSD-3-Clause
/** Why there are too few VFs, for who asked for them. */
import { VfringError } from '../errors.js';
import type { PoolEntry, VfPool } from './vf-pool.js';

export interface Shortage {
  readonly wanted: number;
  /** Free VFs with a link. */
  readonly linked: number;
  /** Free VFs without one. */
  readonly down: readonly PoolEntry[];
  /** Free VFs that are kept for jobs with a reservation. */
  readonly kept: number;
}

export function shortage(pool: VfPool, { wanted, linked, down, kept }: Shortage): VfringError {
  if (kept === 0 && linked + down.length >= wanted) {
    const pfs = [...new Set(down.map((entry) => entry.vf.pf))];
    return new VfringError('VFRING_ERR_PF_DOWN', {
      free: linked + down.length,
      pfs: pfs.join(', '),
      first: pfs[0] ?? '',
    });
  }
  const total = pool.entries.length;
  const free = pool.count('free');
  const other = [
    [kept, 'kept for jobs with a reservation'],
    [pool.count('draining'), 'still driven by a process that outlived its lease'],
    [pool.count('unhealthy'), 'unhealthy'],
  ] as const;
  const also = other.flatMap(([count, what]) => (count > 0 ? [`${count} ${what}`] : []));
  const plain =
    free === 0 && also.length === 0
      ? `all ${total} VFs of this node are leased`
      : `${free} of ${total} VFs of this node are free, ${wanted} asked for`;
  return new VfringError('VFRING_ERR_NO_FREE_VF', { what: also.length === 0 ? plain : `${plain} (${also.join(', ')})` });
}

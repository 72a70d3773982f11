// SPDX-License-Identifier: BSD-3-Clause
/** PFs on several networks: a job whose VFs are on two of them cannot talk to itself. */
import { expect, test } from 'vitest';
import { VfPool, type PoolEntry } from '../../src/leases/pool.js';
import type { Lease, LeasedVf } from '../../src/leases/lease.js';
import type { Vf } from '../../src/model/vf.js';

const vf = (name: string, pf: string, segment: string, vlan = 0): Vf => ({ kind: 'sriov', name, device: `/dev/${name}`, mac: '', mtu: 1500, pf, numa: -1, segment, vlan });

function pool(...vfs: Vf[]): { take: (job: number, rank: number, spread?: 'pf' | 'pack') => string | undefined } {
  const made = new VfPool();
  made.update(vfs);
  made.entries.forEach((entry) => made.setFree(entry));
  return {
    take: (key, rank, spread = 'pf') => {
      const entry: PoolEntry | undefined = made.choose(made.in('free'), { picked: [], spread, job: { key, rank }, distance: undefined });
      if (entry !== undefined) {
        made.setLeased(entry, { job: { key } } as Lease, {} as LeasedVf);
      }
      return entry?.vf.name;
    },
  };
}

const FABRICS = [vf('a0', 'ens1', 'a'), vf('a1', 'ens1', 'a'), vf('b0', 'ens2', 'b'), vf('b1', 'ens2', 'b'), vf('c0', 'ens3', 'a'), vf('c1', 'ens3', 'a')];

test.each(['pf', 'pack'] as const)('spread: %s: a job stays on the network that it is on', (spread) => {
  const { take } = pool(...FABRICS);
  // Rank 1 would start at the second PF, which is on another network.
  expect([take(1, 1, spread), take(1, 0, spread), take(1, 2, spread), take(1, 3, spread)].map((name) => name?.[0]).sort()).toEqual(['a', 'a', 'c', 'c']);
  expect(take(2, 0, spread)?.[0]).toBe('b');
});

test('the round goes over the PFs of that network alone', () => {
  const { take } = pool(...FABRICS);
  expect([take(1, 0), take(1, 1), take(1, 2), take(1, 3)]).toEqual(['a0', 'c0', 'a1', 'c1']);
});

test('who comes when that network is full gets a VF of another: it may have another transport to the rest', () => {
  const { take } = pool(vf('a0', 'ens1', 'a'), vf('b0', 'ens2', 'b'));
  expect([take(1, 0), take(1, 1), take(1, 2)]).toEqual(['a0', 'b0', undefined]);
});

test('PFs of two VLANs are on two networks, and PFs that nobody has named on one', () => {
  const { take } = pool(vf('a0', 'ens1', '', 7), vf('b0', 'ens2', '', 8), vf('a1', 'ens1', '', 7));
  expect([take(1, 0), take(1, 1)]).toEqual(['a0', 'a1']);
  const unnamed = pool(vf('a0', 'ens1', ''), vf('a1', 'ens1', ''), vf('b0', 'ens2', ''), vf('b1', 'ens2', ''));
  expect([unnamed.take(1, 0), unnamed.take(1, 1)]).toEqual(['a0', 'b0']);
});

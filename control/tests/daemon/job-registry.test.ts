// SPDX-License-Identifier: BSD-3-Clause
import { expect, test } from 'vitest';
import { MemoryJobStore, recordLease } from '../../src/daemon/job-registry.js';
import type { Lease } from '../../src/daemon/lease.js';

const lease = (endedAt?: Date): Lease => ({ endedAt }) as Lease;

test('what one user can make the daemon remember is bounded; jobs with leases stay', () => {
  const store = new MemoryJobStore();
  const held = store.create(1);
  recordLease(held, lease());
  const done = store.create(1);
  recordLease(done, lease(new Date()));
  const other = store.create(2);
  for (let i = 0; i < 300; i++) {
    store.findOrAdopt(1, `label-${i}`);
  }
  expect(store.list(1)).toHaveLength(256);
  expect(store.find(1, held.id)).toBe(held);
  expect(store.find(1, done.id)).toBeUndefined();
  expect(store.find(2, other.id)).toBe(other);
});

test('a process that leases in a loop pushes out ended leases only', () => {
  const job = new MemoryJobStore().create(1);
  const held = lease();
  recordLease(job, held);
  for (let i = 0; i < 5000; i++) {
    recordLease(job, lease(new Date()));
  }
  expect(job.leases).toHaveLength(4096);
  expect(job.leases[0]).toBe(held);
});

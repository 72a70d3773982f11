// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, test } from 'vitest';
import { admissible, checkJobQuota, checkVfQuota, dmaLimit, fitsNow, leasable } from '../../src/leases/claims.js';
import type { Job } from '../../src/leases/job.js';

let key = 0;
const job = (more: Partial<Job>): Job => ({
  key: ++key, id: `j${key}`, uid: 1, spread: undefined, made: true, createdAt: 0, state: 'open', openedAt: { wall: 0, boot: 0 }, waitUntil: undefined, held: 0, used: false, idleSince: undefined, ...more,
});
const waits = (vfs: number): Job => job({ state: 'queued', vfs });
const quotas = { jobs_per_user: 2, vfs_per_user: 4 };

describe('jobs that wait', () => {
  test('are served in order: nobody overtakes the first, however small', () => {
    const [big, small] = [waits(3), waits(1)];
    expect(admissible([big, small], 2)).toEqual([]);
    expect(admissible([big, small], 3)).toEqual([big]);
    expect(admissible([big, small], 4)).toEqual([big, small]);
  });

  test('keep what is free from those who ask later', () => {
    const active = [waits(3)];
    expect(fitsNow(active, 1, 3)).toBe(false);
    expect(fitsNow(active, 1, 4)).toBe(true);
    expect(leasable(job({}), active, 1, 3)).toBe(0);
  });

  test('wait for what is reserved and not yet held', () => {
    expect(admissible([job({ vfs: 3, held: 1 }), waits(1)], 2)).toEqual([]);
    expect(admissible([job({ vfs: 3, held: 3 }), waits(1)], 1)).toHaveLength(1);
  });
});

describe('a reservation', () => {
  test('is the job\'s, up to its number', () => {
    const mine = job({ vfs: 2, held: 1 });
    expect(leasable(mine, [mine, waits(4)], 1, 1)).toBe(1);
    expect(() => leasable(mine, [mine], 2, 4)).toThrow(expect.objectContaining({ code: 'VFRING_ERR_JOB_VFS' }) as Error);
  });

  test('that has ended keeps nothing', () => {
    expect(leasable(job({}), [job({ vfs: 4, state: 'ended' })], 1, 4)).toBe(4);
  });
});

describe('quotas', () => {
  test('count what is held, reserved and awaited', () => {
    const active = [job({ held: 1 }), job({ vfs: 1 }), waits(1), job({ uid: 2, held: 9 })];
    expect(() => checkVfQuota(1, active, 1, quotas)).not.toThrow();
    expect(() => checkVfQuota(1, active, 2, quotas)).toThrow('uid 1 may have at most 4 VFs, has 3 and asks for 2 more');
    // A lease within a reservation adds nothing.
    expect(() => checkVfQuota(2, active, 0, quotas)).not.toThrow();
  });

  test('limit the jobs that are remembered for their promises', () => {
    const active = [waits(1), job({ timeLimitS: 5 }), job({})];
    expect(() => checkJobQuota(1, active, quotas)).toThrow(expect.objectContaining({ code: 'VFRING_ERR_QUOTA' }) as Error);
    expect(() => checkJobQuota(2, active, quotas)).not.toThrow();
  });
});

test('a budget is shared equally, within the policy', () => {
  expect(dmaLimit(job({ memoryBytes: 100_000, vfs: 4 }), 1, 1 << 20)).toBe(25_000);
  expect(dmaLimit(job({ memoryBytes: 100_000, ranks: 3 }), 1, 1 << 20)).toBe(33_333);
  expect(dmaLimit(job({ memoryBytes: 2 ** 40, vfs: 4 }), 1, 1 << 20)).toBe(1 << 20);
  expect(dmaLimit(job({}), 1, 1 << 20)).toBe(1 << 20);
});

test('a process with several VFs has the share of all of them, which counts with each', () => {
  expect(dmaLimit(job({ memoryBytes: 100_000, vfs: 4 }), 2, 1 << 20)).toBe(50_000);
  // Its rank's, however many VFs it has.
  expect(dmaLimit(job({ memoryBytes: 100_000, ranks: 4 }), 2, 1 << 20)).toBe(25_000);
});

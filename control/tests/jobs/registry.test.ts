// SPDX-License-Identifier: BSD-3-Clause
import { expect, test } from 'vitest';
import { JobRegistry } from '../../src/jobs/registry.js';
import { IN_MEMORY } from '../../src/ledger/database.js';
import { Ledger } from '../../src/ledger/ledger.js';

const SOMEBODY = { pid: 9, startTicks: 99 };

const registry = (): { jobs: JobRegistry; ledger: Ledger } => {
  const ledger = new Ledger(IN_MEMORY);
  return { ledger, jobs: new JobRegistry(ledger) };
};

test('what one user can make the daemon hold in memory is bounded; jobs that count stay', () => {
  const { jobs } = registry();
  const held = jobs.create(1);
  held.held = 1;
  const kept = jobs.create(1, { vfs: 2 });
  const idle = jobs.create(1);
  const other = jobs.create(2);
  for (let i = 0; i < 300; i++) {
    jobs.findOrAdopt(1, `label-${i}`, SOMEBODY);
  }
  expect(jobs.active().length).toBeLessThanOrEqual(256 + 4);
  expect(jobs.find(1, held.id)).toBe(held);
  expect(jobs.find(1, kept.id)).toBe(kept);
  expect(jobs.find(2, other.id)).toBe(other);
  // Out of memory is not out of the ledger.
  expect(jobs.active()).not.toContain(idle);
  expect(jobs.find(1, idle.id)).toMatchObject({ key: idle.key, state: 'open' });
});

test('a label names the same job again, and another user\'s another one', () => {
  const { jobs } = registry();
  const mine = jobs.findOrAdopt(1, 'same', SOMEBODY);
  expect(jobs.findOrAdopt(1, 'same', SOMEBODY)).toBe(mine);
  expect(jobs.findOrAdopt(2, 'same', SOMEBODY).key).not.toBe(mine.key);
});

test('what an earlier daemon left is there after a restart, however much it is: its processes may live', () => {
  const { jobs, ledger } = registry();
  for (let i = 0; i < 300; i++) {
    ledger.addJob({ uid: 1, id: `label-${i}`, state: 'open', oneRun: true, createdAt: 0, openedAt: { wall: 0, boot: 0 }, waitUntil: undefined });
  }
  expect(new JobRegistry(ledger).active()).toHaveLength(300);
  expect(ledger.jobs(300).every(({ state }) => state === 'open')).toBe(true);
  // One who makes that many at once without a VF has the oldest ended.
  for (let i = 0; i < 300; i++) {
    jobs.findOrAdopt(2, `label-${i}`, SOMEBODY);
  }
  expect(ledger.jobs(300, { uid: 2 }).filter(({ state }) => state === 'open').length).toBeLessThanOrEqual(257);
});

test('an earlier run that somebody looks up does not become the label\'s again', () => {
  const { jobs } = registry();
  const first = jobs.findOrAdopt(1, 'same', SOMEBODY);
  jobs.end(first, 'on request');
  const second = jobs.findOrAdopt(1, 'same', SOMEBODY);
  expect([second.id, second.key === first.key]).toEqual(['same#2', false]);
  expect(jobs.byKey(first.key)?.id).toBe('same');
  expect(jobs.findOrAdopt(1, 'same', SOMEBODY)).toBe(second);
});

test('jobs with a reservation or in the queue are there after a restart', () => {
  const { jobs, ledger } = registry();
  const open = jobs.create(1, { vfs: 2, memoryBytes: 1 << 20 });
  const queued = jobs.create(1, { vfs: 3 }, 5_000_000_000_000);
  const ended = jobs.create(1, { vfs: 4 });
  jobs.end(ended, 'ended');
  const again = new JobRegistry(ledger);
  expect(again.active().map(({ key, state, vfs }) => ({ key, state, vfs }))).toEqual([
    { key: open.key, state: 'open', vfs: 2 },
    { key: queued.key, state: 'queued', vfs: 3 },
  ]);
  expect(again.find(1, ended.id)?.state).toBe('ended');
});

// SPDX-License-Identifier: BSD-3-Clause
/** The rounds of the daemon: they run while there is reason for them, and only then. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test, vi } from 'vitest';
import { SerialQueue } from '../../src/leases/serial-queue.js';
import { eventually } from '../helpers/eventually.js';
import { startNode } from '../helpers/fake-node.js';

test('an idle daemon asks nothing of VFs and jobs; a job with a time limit wakes it, and lets it sleep again', async () => {
  const { daemon } = await startNode();
  const drain = vi.spyOn(daemon.manager, 'drain');
  const sample = vi.spyOn(daemon.manager, 'sample');
  const tick = vi.spyOn(daemon.control, 'tick');
  await sleep(200);
  expect([drain, sample, tick].map(({ mock }) => mock.calls.length)).toEqual([0, 0, 0]);
  const job = await daemon.control.create(1000, { timeLimitS: 1 });
  await eventually(() => job.state === 'ended');
  const ticks = tick.mock.calls.length;
  expect(ticks).toBeGreaterThan(0);
  await sleep(200);
  expect(tick.mock.calls.length).toBeLessThanOrEqual(ticks + 1);
});

test('who watches the queue is told after each task, one that failed, too', async () => {
  let told = 0;
  const queue = new SerialQueue(() => told++);
  await queue.run(async () => {});
  await expect(queue.run(() => Promise.reject(new Error('it fails')))).rejects.toThrow('it fails');
  await queue.run(async () => {});
  await new Promise(setImmediate);
  expect(told).toBe(3);
});

test('what can wait waits for those who are in the queue, but not for ever', async () => {
  const queue = new SerialQueue();
  let go = (): void => {};
  void queue.run(() => new Promise<void>((resolve) => (go = resolve)));
  let quiet = false;
  const waited = queue.whenQuiet(1, Number.MAX_SAFE_INTEGER).then(() => (quiet = true));
  await queue.whenQuiet(1, 50);
  expect(quiet).toBe(false);
  go();
  await waited;
});

test('what can wait sees those first who have come already', async () => {
  const queue = new SerialQueue();
  const done: string[] = [];
  // As the event loop tells of a request that has come: not before its next turn.
  setImmediate(() => void queue.run(async () => void done.push('lease')));
  await queue.whenQuiet(1, 1000);
  done.push('answer');
  expect(done).toEqual(['lease', 'answer']);
});

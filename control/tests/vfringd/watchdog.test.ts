// SPDX-License-Identifier: BSD-3-Clause
import { expect, onTestFinished, test, vi } from 'vitest';
import { watchdog, watchdogMs } from '../../src/vfringd/watchdog.js';

test.each<[string, NodeJS.ProcessEnv, number | undefined]>([
  ['nobody waits', {}, undefined],
  ['twice a minute', { WATCHDOG_USEC: '60000000' }, 30_000],
  ['this process', { WATCHDOG_USEC: '60000000', WATCHDOG_PID: '17' }, 30_000],
  ['another process', { WATCHDOG_USEC: '60000000', WATCHDOG_PID: '18' }, undefined],
  ['no number', { WATCHDOG_USEC: 'soon' }, undefined],
])('the time between two signs of life: %s', (_name, env, ms) => {
  expect(watchdogMs(env, 17)).toBe(ms);
});

test('there is a sign of life as long as work is done, and none when it stands still', async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  let signs = 0;
  let go = (): void => {};
  let stuck = false;
  const stop = watchdog(1000, () => (stuck ? new Promise<void>((resolve) => (go = resolve)) : Promise.resolve()), () => signs++);
  await vi.advanceTimersByTimeAsync(3000);
  expect(signs).toBe(3);
  stuck = true;
  await vi.advanceTimersByTimeAsync(60_000);
  expect(signs).toBe(3);
  stuck = false;
  go();
  await vi.advanceTimersByTimeAsync(2000);
  expect(signs).toBe(6);
  stop();
  await vi.advanceTimersByTimeAsync(5000);
  expect(signs).toBe(6);
});

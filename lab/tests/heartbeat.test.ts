// SPDX-License-Identifier: BSD-3-Clause
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { type Activity, Stillness, activityOf } from '../src/heartbeat.js';

describe('Stillness', () => {
  const limitMs = 20_000;
  /** Samples once a second; `activity` and `beats` by second. Returns the second in which the guest was found to stand still. */
  const watch = (seconds: number, activity: (second: number) => Activity | undefined, beats: (second: number) => boolean = () => false): number | undefined => {
    const stillness = new Stillness(limitMs);
    for (let second = 0; second <= seconds; second++) {
      if (beats(second)) {
        stillness.beat();
      }
      if (stillness.sample(second * 1000, activity(second))) {
        return second;
      }
    }
    return undefined;
  };

  it('finds a guest that sends no beat while QEMU has nothing to do', () => {
    expect(watch(100, () => ({ cpuMs: 700, wants: false }))).toBe(20);
  });

  it('counts from the last beat and the last work', () => {
    expect(watch(100, () => ({ cpuMs: 700, wants: false }), (second) => second <= 7 && second % 2 === 1)).toBe(27);
    expect(watch(100, (second) => ({ cpuMs: Math.min(second, 5) * 500, wants: false }))).toBe(25);
  });

  it('leaves an idle guest alone that beats', () => {
    expect(watch(1000, () => ({ cpuMs: 700, wants: false }), (second) => second % 2 === 0)).toBeUndefined();
  });

  it('leaves a guest alone that works and cannot send a beat', () => {
    expect(watch(1000, (second) => ({ cpuMs: second * 50, wants: false }))).toBeUndefined();
  });

  it('leaves a guest alone that waits for a processor, a disk or to be continued', () => {
    expect(watch(1000, () => ({ cpuMs: 700, wants: true }))).toBeUndefined();
    expect(watch(1000, (second) => ({ cpuMs: 700, wants: second % 10 === 0 }))).toBeUndefined();
  });

  it('does not count time in which nobody looked', () => {
    const stillness = new Stillness(limitMs);
    const idle = { cpuMs: 700, wants: false };
    expect([0, 1000, 3_600_000].map((at) => stillness.sample(at, idle))).toEqual([false, false, false]);
  });

  it('has nothing to say about a QEMU that ended', () => {
    expect(watch(100, () => undefined)).toBeUndefined();
  });
});

describe('activityOf', () => {
  let child: ChildProcess | undefined;
  const start = (...argv: [string, ...string[]]): number => {
    child = spawn(argv[0], argv.slice(1), { stdio: 'ignore' });
    return child.pid!;
  };
  const until = async (pid: number, condition: (activity: Activity | undefined) => boolean): Promise<void> => {
    while (!condition(activityOf(pid))) {
      await sleep(10);
    }
  };
  afterEach(async () => {
    if (child !== undefined && child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
  });

  it('sees a process that works, one that waits, and one that was stopped', async () => {
    const busy = start('sh', '-c', 'while :; do :; done');
    await until(busy, (activity) => activity !== undefined && activity.cpuMs >= 50 && activity.wants);
    child!.kill('SIGKILL');
    await once(child!, 'exit');
    const idle = start('sleep', '1000');
    await until(idle, (activity) => activity?.wants === false);
    child!.kill('SIGSTOP');
    await until(idle, (activity) => activity?.wants === true);
  });

  it('knows no process that has ended', async () => {
    const pid = start('true');
    await once(child!, 'exit');
    expect(activityOf(pid)).toBeUndefined();
  });
});

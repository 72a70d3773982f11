// SPDX-License-Identifier: BSD-3-Clause
/** Somebody sets the clock, and nothing becomes longer or shorter by it. */
import { join } from 'node:path';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { bootMs } from '../../src/clock.js';
import { World } from '../helpers/lease-world.js';
import { tempDir } from '../helpers/temp-dir.js';

const UID = 1000;
const HOUR_MS = 3_600_000;
const request = (job: string) => ({ count: 1, job, rank: 0, ranks: 1 });

async function start(vfs = 1) {
  const world = new World(join(tempDir(), 'l.db'), vfs);
  await world.start();
  let pid = 0;
  const daemon = (): NonNullable<World['daemon']> => world.daemon as NonNullable<World['daemon']>;
  const lease = (job: string) => daemon().manager.lease(UID, world.spawn(++pid, UID), request(job));
  return { world, daemon, lease };
}

test('the clock of durations is that of the kernel which goes on while the machine sleeps', () => {
  const before = bootMs();
  const uptimeMs = Number(readFileSync('/proc/uptime', 'latin1').split(' ')[0]) * 1000;
  expect(uptimeMs).toBeGreaterThanOrEqual(before - 10);
  expect(uptimeMs).toBeLessThanOrEqual(bootMs() + 10);
});

describe.each([['forward', 2 * HOUR_MS], ['back', -HOUR_MS]])('a clock that is set %s', (_way, step) => {
  test('ends no job before its time, and none after', async () => {
    const { world, daemon } = await start();
    const job = await daemon().control.create(UID, { timeLimitS: 3600 });
    world.clockStep = step;
    world.now += HOUR_MS - 1;
    await daemon().control.tick();
    expect(job.state).toBe('open');
    world.now += 1;
    await daemon().control.tick();
    expect(job.state).toBe('ended');
  });

  test('nor one that waits', async () => {
    const { world, daemon, lease } = await start();
    await lease('x');
    const job = await daemon().control.create(UID, { vfs: 1 }, 60);
    world.clockStep = step;
    world.now += 59_999;
    await daemon().control.tick();
    expect(job.state).toBe('queued');
    world.now += 1;
    await daemon().control.tick();
    expect(job.state).toBe('ended');
  });

  test('leaves limits and waits as they are also while no daemon runs', async () => {
    const { world, daemon, lease } = await start();
    await lease('x');
    const limited = await daemon().control.create(UID, { timeLimitS: 60 });
    const waiting = await daemon().control.create(UID, { vfs: 1 }, 60);
    world.kill();
    world.clockStep = step;
    world.now += 59_999;
    await world.start();
    const states = (): unknown[] => [limited, waiting].map(({ id }) => daemon().ledger.findJob(UID, id)?.state);
    await daemon().control.tick();
    expect(states()).toEqual(['open', 'queued']);
    world.now += 1;
    await daemon().control.tick();
    expect(states()).toEqual(['ended', 'ended']);
  });

  test('makes no lease longer or shorter, and loses none of its traffic', async () => {
    const { world, daemon, lease } = await start();
    const held = await lease('x');
    world.now += 6000;
    await daemon().manager.sample();
    world.kill();
    world.clockStep = step;
    world.now += 1000;
    world.vf('vf0').counters = { txFrames: 5, rxFrames: 6, txBytes: 700, rxBytes: 800 };
    await world.start();
    world.now += 5000;
    await daemon().manager.release(held.pid, held.id);
    expect(daemon().ledger.findJob(UID, 'x')?.totals).toMatchObject({ vfMs: 12_000, uncounted: 0, traffic: { txFrames: 5 } });
  });
});

test('after a restart of the machine a limit goes by what is left of it on the other clock', async () => {
  const { world, daemon } = await start();
  const job = await daemon().control.create(UID, { timeLimitS: 3600 });
  world.kill();
  world.clockStep += world.now + 1_800_000 - 5000;
  world.now = 5000;
  world.bootId = 'boot-2';
  await world.start();
  world.now += 1_799_000;
  await daemon().control.tick();
  expect(daemon().ledger.findJob(UID, job.id)?.state).toBe('open');
  world.now += 1000;
  await daemon().control.tick();
  expect(daemon().ledger.findJob(UID, job.id)?.state).toBe('ended');
});

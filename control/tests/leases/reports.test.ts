// SPDX-License-Identifier: BSD-3-Clause
/** What processes say when they give their VFs back is in the totals of their job. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { jobSchema, usageSchema } from '../../src/api/schemas.js';
import { jobView, usageView } from '../../src/api/views.js';
import type { JobRecord } from '../../src/ledger/records.js';
import { parseRequest } from '../../src/sockets/lease-messages.js';
import { World } from '../helpers/lease-world.js';
import { tempDir } from '../helpers/temp-dir.js';

test('reports are added up; a process that was killed left none', async () => {
  const world = new World(join(tempDir(), 'l.db'), 3);
  await world.start();
  const { manager, ledger, jobs } = world.daemon as NonNullable<World['daemon']>;
  const lease = (pid: number) => manager.lease(1000, world.spawn(pid, 1000), { count: 1, job: 'j', rank: pid, ranks: 3 });
  const [a, b, c] = [await lease(1), await lease(2), await lease(3)];
  await manager.release(1, a.id, 'released', { retransmitted: 5, fallbacks: 1 });
  await manager.release(2, b.id, 'released', { retransmitted: 7, fallbacks: 0 });
  world.exit(3);
  await manager.exclusively(() => {});
  await manager.exclusively(() => {});
  expect(ledger.job(jobs.find(1000, 'j')?.key ?? 0)?.totals).toMatchObject({ leases: 3, reports: 2, retransmitted: 12, fallbacks: 1 });
  expect(c.report).toBeUndefined();
});

test('a lease that its process could not use is none of the processes', async () => {
  const world = new World(join(tempDir(), 'l.db'), 1);
  await world.start();
  const { manager, ledger, jobs } = world.daemon as NonNullable<World['daemon']>;
  const lease = await manager.lease(1000, world.spawn(1, 1000), { count: 1, job: 'j', rank: 0, ranks: 1 });
  await manager.release(1, lease.id, 'kept from its process');
  expect(ledger.job(jobs.find(1000, 'j')?.key ?? 0)?.totals).toMatchObject({ leases: 0, reports: 0 });
  expect(ledger.leasesOf(jobs.find(1000, 'j')?.key ?? 0)).toMatchObject([{ how: 'kept from its process' }]);
});

test('a report of each VF is kept with its lease', async () => {
  const world = new World(join(tempDir(), 'l.db'), 3);
  await world.start();
  const { manager, ledger } = world.daemon as NonNullable<World['daemon']>;
  const lease = await manager.lease(1000, world.spawn(1, 1000), { count: 2, job: 'j', rank: 0, ranks: 1 });
  // Of one that it never had nothing is kept.
  const vfs = [{ name: 'vf1', retransmitted: 5, asides: 2, why: 'no link' }, { name: 'vf2', retransmitted: 1, asides: 0 }];
  await manager.release(1, lease.id, 'released', { retransmitted: 5, fallbacks: 0, vfs });
  expect(ledger.leasesOf(1)[0]?.vfs.map(({ report }) => report)).toEqual([undefined, { retransmitted: 5, asides: 2, why: 'no link' }]);
});

test('what a process says while it has its VFs is shown, and is over with the lease', async () => {
  const world = new World(join(tempDir(), 'l.db'), 2);
  await world.start();
  const { manager, ledger } = world.daemon as NonNullable<World['daemon']>;
  const lease = await manager.lease(1000, world.spawn(1, 1000), { count: 2, job: 'j', rank: 0, ranks: 1 });
  const said = (aside: boolean, asides: number) => ({ retransmitted: 5, fallbacks: 0, vfs: [{ name: 'vf0', retransmitted: 5, asides, why: 'no link', aside }, { name: 'vf1', retransmitted: 0, asides: 0, aside: false }] });
  await manager.report(1, lease.id, said(true, 1));
  expect(ledger.leasesOf(1)[0]?.vfs.map(({ report }) => report?.aside)).toEqual([true, undefined]);
  expect(manager.tally.ofVf('vf0')).toEqual({ retransmitted: 5, asides: 1 });
  await manager.report(1, lease.id, said(false, 2));
  expect(ledger.leasesOf(1)[0]?.vfs[0]?.report).toEqual({ retransmitted: 5, asides: 2, why: 'no link' });
  await expect(manager.report(2, lease.id, said(false, 3))).rejects.toMatchObject({ code: 'VFRING_ERR_NOT_OWNER' });
  await expect(manager.report(1, 'l-9', said(false, 3))).rejects.toMatchObject({ code: 'VFRING_ERR_NO_SUCH_LEASE' });
  await manager.report(1, lease.id, said(true, 3));
  // Killed: what it said last counts, and no VF is aside that nobody has.
  world.exit(1);
  await manager.exclusively(() => {});
  await manager.exclusively(() => {});
  expect(ledger.leasesOf(1)[0]?.vfs[0]?.report).toEqual({ retransmitted: 5, asides: 3, why: 'no link' });
  expect(manager.tally.ofVf('vf0')).toEqual({ retransmitted: 5, asides: 3 });
  expect(ledger.job(1)?.totals).toMatchObject({ reports: 0 });
});

test('a process speaks of its own VFs only, and of each once', async () => {
  const world = new World(join(tempDir(), 'l.db'), 3);
  await world.start();
  const { manager } = world.daemon as NonNullable<World['daemon']>;
  const lease = (pid: number) => manager.lease(1000, world.spawn(pid, 1000), { count: 1, job: 'j', rank: pid, ranks: 2 });
  const [mine] = [await lease(1), await lease(2)];
  const vfs = ['vf0', 'vf0', 'vf1', 'vf2', 'nobody'].map((name) => ({ name, retransmitted: 5, asides: 1 }));
  const tally = () => ['vf0', 'vf1', 'vf2', 'nobody'].map((name) => manager.tally.ofVf(name).asides);
  await manager.report(1, mine.id, { retransmitted: 5, fallbacks: 0, vfs: vfs.map((each) => ({ ...each, aside: true })) });
  expect(tally()).toEqual([1, 0, 0, 0]);
  await manager.release(1, mine.id, 'released', { retransmitted: 5, fallbacks: 0, vfs });
  expect(tally()).toEqual([1, 0, 0, 0]);
});

test('what was said of a VF is counted once, and never less, also while it is still driven after its lease', async () => {
  const world = new World(join(tempDir(), 'l.db'), 2);
  await world.start();
  const { manager } = world.daemon as NonNullable<World['daemon']>;
  const lease = await manager.lease(1000, world.spawn(1, 1000), { count: 2, job: 'j', rank: 0, ranks: 1 });
  const tally = () => manager.pool.entries.map((entry) => manager.tally.ofVf(entry.vf.name).retransmitted);
  await manager.report(1, lease.id, { retransmitted: 12, fallbacks: 0, vfs: [{ name: 'vf0', retransmitted: 5, asides: 1, aside: true }, { name: 'vf1', retransmitted: 7, asides: 0, aside: false }] });
  expect(tally()).toEqual([5, 7]);
  // One VF is taken away, and is free before the lease ends.
  await manager.revoke(lease.id, 'vf0');
  expect([manager.pool.entries[0]?.state, ...tally()]).toEqual(['free', 5, 7]);
  world.vf('vf1').openBy = 1;
  // It says nothing of them at the end.
  await manager.release(1, lease.id, 'released', { retransmitted: 12, fallbacks: 0 });
  expect([manager.pool.entries[1]?.state, ...tally()]).toEqual(['draining', 5, 7]);
  world.vf('vf1').openBy = undefined;
  await manager.drain();
  expect([manager.pool.entries[1]?.state, ...tally()]).toEqual(['free', 5, 7]);
});

test('whatever numbers processes say, what is added up of them can be told', async () => {
  const world = new World(join(tempDir(), 'l.db'), 1);
  await world.start();
  const { manager, ledger } = world.daemon as NonNullable<World['daemon']>;
  const most = Number.MAX_SAFE_INTEGER;
  for (const pid of [1, 2]) {
    const lease = await manager.lease(1000, world.spawn(pid, 1000), { count: 1, job: 'j', rank: pid, ranks: 3 });
    await manager.release(pid, lease.id, 'released', { retransmitted: most, fallbacks: most, vfs: [{ name: 'vf0', retransmitted: most, asides: most }] });
  }
  const job = ledger.job(1) as JobRecord;
  expect(jobSchema.safeParse(jobView(job, [])).error).toBeUndefined();
  expect(usageSchema.safeParse({ days: ledger.usage(0, 9).map(usageView) }).error).toBeUndefined();
  expect([job.totals, manager.tally]).toEqual([expect.objectContaining({ retransmitted: most, fallbacks: most }), expect.objectContaining({ retransmitted: most, fallbacks: most })]);
  expect(manager.tally.ofVf('vf0')).toEqual({ retransmitted: most, asides: most });
});

test('a report is two counts, and what there is to say of each VF', () => {
  const release = (report: unknown) => parseRequest(JSON.stringify({ v: 1, op: 'release', lease: 'l-1', report }));
  expect(release({ retransmitted: 0, fallbacks: 2 })).toMatchObject({ report: { fallbacks: 2 } });
  const vf = (more: object) => ({ retransmitted: 0, fallbacks: 0, vfs: [{ name: 'vf0', retransmitted: 1, asides: 1, ...more }] });
  expect(release(vf({ why: 'its PF was reset' }))).toMatchObject({ report: { vfs: [{ asides: 1 }] } });
  for (const wrong of [vf({ asides: -1 }), vf({ why: '' }), vf({ why: 'a\nb' }), vf({ why: 'x'.repeat(201) }), vf({ name: 7 }), { retransmitted: -1, fallbacks: 0 }, { retransmitted: 1 }, { retransmitted: 1, fallbacks: 'x' }, { retransmitted: 1, fallbacks: 0, more: 1 }, 7]) {
    expect(() => release(wrong)).toThrow('wrong request: report');
  }
});

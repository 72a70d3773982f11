// SPDX-License-Identifier: BSD-3-Clause
/** What users had: it outlives what is remembered one by one, and no user can make it forgotten. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Instant } from '../../src/clock.js';
import { IN_MEMORY, openDatabase } from '../../src/ledger/database.js';
import { LEDGER_LIMITS } from '../../src/ledger/history.js';
import { Ledger } from '../../src/ledger/ledger.js';
import { MIGRATIONS } from '../../src/ledger/migrations.js';
import type { LeaseReport } from '../../src/ledger/records.js';
import { tempDir } from '../helpers/temp-dir.js';

const DAY = 86_400_000;
/** Noon of the twentieth day of 2026. */
const NOON = Date.parse('2026-01-20T12:00:00Z');
const VF = { kind: 'soft' as const, name: 'vf0', device: '/x/vf0', mac: '', mtu: 9000, pf: 'soft', numa: -1, segment: '', vlan: 0 };

/** A ledger whose clock is set by hand. */
function makeLedger(file = IN_MEMORY, limits = {}) {
  const now = { ms: NOON };
  const at = (): Instant => ({ wall: now.ms, boot: now.ms });
  const ledger = new Ledger(file, { limits, clock: at, bootId: 'boot' });
  const job = (uid: number, id: string): number => ledger.addJob({ uid, id, state: 'open', createdAt: now.ms, openedAt: at(), waitUntil: undefined });
  const begin = (uid: number, key: number): number => ledger.beginLease({
    jobKey: key, uid, pid: 9, startTicks: 1, rank: 0, ranks: 1, grantedAt: at(), dmaLimitBytes: 4096, vfs: [{ vf: VF, last: null }],
  }).id;
  const end = (id: number, txBytes: number, how = 'released', report?: LeaseReport): void =>
    ledger.endLease(id, how, at(), [{ last: null, traffic: { txFrames: 1, rxFrames: 1, txBytes, rxBytes: 2 }, peakBytes: txBytes }], report);
  return { ledger, now, job, begin, end };
}

test('10,600 lease cycles of one user leave the history of another as it was', () => {
  const { ledger, job, begin, end } = makeLedger();
  const quiet = job(1, 'quiet');
  for (let i = 0; i < 40; i++) {
    end(begin(1, quiet), 100);
  }
  for (let i = 0; i < 10_600; i++) {
    // Each with a label of its own, which makes a job of it.
    end(begin(2, job(2, `j${i}`)), 1);
  }
  expect(ledger.leasesOf(quiet)).toHaveLength(40);
  expect(ledger.findJob(1, 'quiet')?.totals).toMatchObject({ leases: 40, traffic: { txBytes: 4000 } });
  // Of the other, the newest are remembered, and all are counted.
  const { leases, jobs } = ledger.sizes();
  expect(leases).toBeLessThanOrEqual(LEDGER_LIMITS.leasesPerUser + 40 + 256);
  expect(jobs).toBeLessThanOrEqual(LEDGER_LIMITS.jobsPerUser + 1 + 256);
  expect(ledger.usage(NOON, 99).map(({ uid, jobs: of, totals }) => [uid, of, totals.leases, totals.traffic.txBytes])).toEqual([[1, 1, 40, 4000], [2, 10_600, 10_600, 10_600]]);
});

test('totals are of the day that a lease ended on, by user, and outlive its rows', () => {
  const file = join(tempDir(), 'l.db');
  const { ledger, now, job, begin, end } = makeLedger(file, { leases: 1, leasesPerUser: 1 });
  const key = job(1, 'a');
  const over = begin(1, key);
  now.ms += DAY;
  end(over, 700, 'released', { retransmitted: 5, fallbacks: 1 });
  end(begin(1, key), 50);
  end(begin(1, key), 5, 'not delivered');
  end(begin(2, job(2, 'b')), 3);
  ledger.close();
  const next = makeLedger(file, { leases: 1, leasesPerUser: 1 }).ledger;
  expect(next.sizes().leases).toBe(1);
  expect(next.usage(NOON, 99)).toEqual([
    { dayMs: Date.parse('2026-01-21'), uid: 1, jobs: 1, totals: { leases: 2, vfMs: DAY, traffic: { txFrames: 3, rxFrames: 3, txBytes: 755, rxBytes: 6 }, uncounted: 0, peakBytes: 700, reports: 1, retransmitted: 5, fallbacks: 1 } },
    { dayMs: Date.parse('2026-01-21'), uid: 2, jobs: 1, totals: { leases: 1, vfMs: 0, traffic: { txFrames: 1, rxFrames: 1, txBytes: 3, rxBytes: 2 }, uncounted: 0, peakBytes: 3, reports: 0, retransmitted: 0, fallbacks: 0 } },
  ]);
  expect(next.usage(NOON, 99, 2).map(({ uid }) => uid)).toEqual([2]);
  expect(next.usage(NOON + 2 * DAY, 99)).toEqual([]);
  expect(next.usage(NOON, 1).map(({ uid }) => uid)).toEqual([2]);
  next.close();
});

test('what a VF carried after its lease is in the totals, too', () => {
  const { ledger, job, begin, end } = makeLedger();
  const id = begin(1, job(1, 'a'));
  end(id, 100);
  ledger.addLate(id, 0, { last: null, traffic: { txFrames: 5, rxFrames: 1, txBytes: 150, rxBytes: 2 }, peakBytes: 1 });
  expect(ledger.usage(NOON, 9)[0]?.totals.traffic).toEqual({ txFrames: 5, rxFrames: 1, txBytes: 150, rxBytes: 2 });
});

test('totals are kept for a year, and are bounded', () => {
  const file = join(tempDir(), 'l.db');
  const first = makeLedger(file);
  for (const days of [0, 1, 366]) {
    first.now.ms = NOON + days * DAY;
    first.end(first.begin(1, first.job(1, `d${days}`)), 1);
  }
  first.end(first.begin(2, first.job(2, 'other')), 1);
  first.ledger.close();
  const days = (limits: object, atMs: number): number[] => {
    const ledger = new Ledger(file, { limits, bootId: 'boot', clock: () => ({ wall: atMs, boot: atMs }) });
    const found = ledger.usage(0, 99).map(({ dayMs }) => (dayMs - Date.parse('2026-01-20')) / DAY);
    ledger.close();
    return found;
  };
  expect(days({}, NOON + 365 * DAY)).toEqual([0, 1, 366, 366]);
  expect(days({}, NOON + 366 * DAY)).toEqual([1, 366, 366]);
  expect(days({ totals: 2 }, NOON + 366 * DAY)).toEqual([366, 366]);
});

test('totals begin with what an earlier release knew of its jobs', () => {
  const file = join(tempDir(), 'l.db');
  const db = openDatabase(file, MIGRATIONS.slice(0, 7));
  db.exec(`
    INSERT INTO jobs (uid, id, state, created_at, ended_at, leases, vf_ms, tx_bytes, peak_bytes, retransmitted) VALUES
      (7, 'a', 'ended', ${NOON}, ${NOON + DAY}, 2, 10, 100, 5, 1), (7, 'b', 'ended', ${NOON}, ${NOON + DAY}, 3, 20, 200, 4, 2), (7, 'c', 'ended', ${NOON}, ${NOON}, 0, 0, 0, 0, 0);
  `);
  db.close();
  const { ledger } = makeLedger(file);
  expect(ledger.usage(0, 9)).toMatchObject([{ dayMs: Date.parse('2026-01-21'), uid: 7, jobs: 2, totals: { leases: 5, vfMs: 30, traffic: { txBytes: 300 }, peakBytes: 5, retransmitted: 3 } }]);
  ledger.close();
});

test('jobs since a moment: those under way then or after, page by page', () => {
  const { ledger, now, job } = makeLedger();
  const old = job(1, 'old');
  ledger.endJob(old, NOON + 10, 'over');
  const long = job(1, 'long');
  now.ms = NOON + 100;
  const open = job(2, 'open');
  ledger.endJob(long, NOON + 150, 'over');
  const ids = (filter: object): string[] => ledger.jobs(9, filter).map(({ id }) => id);
  expect(ids({})).toEqual(['open', 'long', 'old']);
  expect(ids({ sinceMs: NOON + 50 })).toEqual(['open', 'long']);
  expect(ids({ sinceMs: NOON + 999 })).toEqual(['open']);
  expect(ids({ sinceMs: NOON + 50, uid: 1 })).toEqual(['long']);
  expect(ids({ before: open })).toEqual(['long', 'old']);
});

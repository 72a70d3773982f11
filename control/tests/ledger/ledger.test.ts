// SPDX-License-Identifier: BSD-3-Clause
/** The ledger on a real file: what it remembers, over restarts and damage. */
import Database from 'better-sqlite3';
import { chmodSync, copyFileSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Instant } from '../../src/clock.js';
import { isVfringError } from '../../src/errors.js';
import { IN_MEMORY, ledgerError, openDatabase } from '../../src/ledger/database.js';
import { Ledger } from '../../src/ledger/ledger.js';
import { MIGRATIONS } from '../../src/ledger/migrations.js';
import type { BegunLease, NewLease, VfReading } from '../../src/ledger/records.js';
import type { Vf, VfCounters } from '../../src/model/vf.js';
import { tempDir } from '../helpers/temp-dir.js';

const at = (ms: number): Instant => ({ wall: ms, boot: ms });
const vf = (name: string): Vf => ({ kind: 'soft', name, device: `/x/${name}`, mac: '02:00:00:00:00:00', mtu: 9000, pf: 'soft', numa: -1, segment: '', vlan: 0 });
const lease = (jobKey: number, ...names: string[]): NewLease => ({
  jobKey, uid: 7, pid: 99, startTicks: 1234, rank: 0, ranks: 1, grantedAt: at(1000), dmaLimitBytes: 4096, vfs: names.map((name) => ({ vf: vf(name), last: null })),
});
const reading = (txBytes: number | null): VfReading => ({
  last: { txFrames: 1, rxFrames: 1, txBytes: 1, rxBytes: 1 },
  traffic: txBytes === null ? null : { txFrames: 1, rxFrames: 2, txBytes, rxBytes: 4 },
  peakBytes: 512,
});
const begin = (ledger: Ledger, what: NewLease): BegunLease => ledger.beginLease(what);
const job = (ledger: Ledger, id = 'a', uid = 7): number =>
  ledger.addJob({ uid, id, state: 'open', createdAt: 1, openedAt: at(1), waitUntil: undefined, ranks: 2 });

function refused(file: string): string {
  try {
    openDatabase(file).close();
  } catch (error) {
    if (isVfringError(error, 'VFRING_ERR_LEDGER')) {
      return error.message;
    }
    throw error;
  }
  return 'opened';
}

test('a VF that an earlier release wrote down has no segment and no VLAN', () => {
  const file = join(tempDir(), 'state', 'ledger.db');
  const ledger = new Ledger(file);
  begin(ledger, lease(job(ledger), 'vf0'));
  ledger.close();
  const { segment: _segment, vlan: _vlan, ...old } = vf('vf0');
  const db = openDatabase(file);
  db.prepare('UPDATE vf_descriptions SET vf = ?').run(JSON.stringify(old));
  db.close();
  const next = new Ledger(file);
  expect(next.openLeases()[0]?.vfs[0]?.vf).toEqual(vf('vf0'));
  next.close();
});

describe('a ledger', () => {
  test('remembers a lease through all its states, over restarts', () => {
    const file = join(tempDir(), 'state', 'ledger.db');
    let ledger = new Ledger(file);
    const key = job(ledger);
    const { id, generations } = begin(ledger, lease(key, 'vf0', 'vf1'));
    expect(generations).toEqual([1, 1]);
    ledger.close();

    ledger = new Ledger(file);
    expect(ledger.openLeases()).toMatchObject([{ id, state: 'granting', pid: 99, startTicks: 1234, vfs: [{ generation: 1, vf: vf('vf0') }, { vf: vf('vf1') }] }]);
    ledger.holdLease({ id, memlockBytes: -1, memlockBefore: { soft: 8192, hard: 'unlimited' } }, at(5));
    ledger.close();

    ledger = new Ledger(file);
    expect(ledger.openLeases()).toMatchObject([{ state: 'held', memlockBytes: -1, memlockBefore: { soft: 8192, hard: 'unlimited' }, sampledAt: at(5) }]);
    ledger.endingLease(id, 'released');
    expect(ledger.openLeases()).toMatchObject([{ state: 'ending', how: 'released' }]);
    ledger.endLease(id, 'released', at(3000), [reading(100), reading(null)]);
    expect(ledger.openLeases()).toEqual([]);
    expect(ledger.leasesOf(key)[0]?.vfs.map(({ traffic }) => traffic?.txBytes)).toEqual([100, undefined]);
    expect(ledger.job(key)?.totals).toEqual({
      leases: 1, vfMs: 4000, traffic: { txFrames: 1, rxFrames: 2, txBytes: 100, rxBytes: 4 }, uncounted: 1, peakBytes: 512, reports: 0, retransmitted: 0, fallbacks: 0,
    });
    ledger.close();
  });

  test('keeps leases apart: jobs, VFs in their order, registers', () => {
    const ledger = new Ledger(IN_MEMORY);
    const keys = [job(ledger, 'a'), job(ledger, 'b')];
    const last = (n: number): VfCounters | null => (n % 3 === 0 ? null : { txFrames: n, txBytes: 2 * n, rxFrames: 3 * n, rxBytes: 4 * n });
    const wanted = Array.from({ length: 43 }, (_unused, i): NewLease => ({
      jobKey: keys[i % 2] ?? 0, uid: i, pid: 100 + i, startTicks: 200 + i, rank: i, ranks: 43, grantedAt: at(300 + i), dmaLimitBytes: 400 + i,
      vfs: Array.from({ length: (i % 3) + 1 }, (_none, place) => ({ vf: vf(`vf${i}.${place}`), last: last(i + place) })),
    }));
    const begun = wanted.map((one) => begin(ledger, one));
    const records = ledger.openLeases();
    expect(records.map(({ id }) => id)).toEqual(begun.map(({ id }) => id));
    records.forEach((record, i) => {
      const { vfs, ...rest } = wanted[i] as NewLease;
      expect(record).toMatchObject({ ...rest, state: 'granting' });
      expect(record.vfs.map((of) => [of.vf, of.last, of.traffic, of.generation])).toEqual(
        vfs.map((of) => [of.vf, of.last, of.last && { txFrames: 0, rxFrames: 0, txBytes: 0, rxBytes: 0 }, 1]),
      );
    });
  });

  test('holds the one that is named, with its own limits, and no other', () => {
    const ledger = new Ledger(IN_MEMORY);
    const [, id = 0] = [0, 1, 2].map((i) => begin(ledger, lease(job(ledger, `j${i}`), `vf${i}`)).id);
    ledger.holdLease({ id, memlockBytes: 5, memlockBefore: { soft: 8192, hard: 'unlimited' } }, at(77));
    expect(ledger.openLeases().map(({ state, memlockBytes, memlockBefore, sampledAt }) => [state, memlockBytes, memlockBefore?.soft, sampledAt?.boot])).toEqual([
      ['granting', null, undefined, undefined], ['held', 5, 8192, 77], ['granting', null, undefined, undefined],
    ]);
  });

  test('ends a lease once, however often it is said', () => {
    const ledger = new Ledger(IN_MEMORY);
    const key = job(ledger);
    const { id } = begin(ledger, lease(key, 'vf0'));
    ledger.endLease(id, 'released', at(2), [reading(5)]);
    ledger.endLease(id, 'process ended', at(3), [reading(5)]);
    expect(ledger.job(key)?.totals.leases).toBe(1);
    expect(ledger.leasesOf(key)[0]?.how).toBe('released');
  });

  test('counts the generation of a VF up, also for leases that did not come about', () => {
    const ledger = new Ledger(IN_MEMORY);
    const key = job(ledger);
    ledger.dropLease(begin(ledger, lease(key, 'vf0')).id);
    expect(begin(ledger, lease(key, 'vf0')).generations).toEqual([2]);
    expect([ledger.generation('vf0'), ledger.generation('vf9')]).toEqual([2, 0]);
  });

  test('adds what a VF carried after its lease to the job and to the VF', () => {
    const ledger = new Ledger(IN_MEMORY);
    const key = job(ledger);
    const { id } = begin(ledger, lease(key, 'vf0'));
    ledger.endLease(id, 'released', at(2), [reading(100)]);
    ledger.addLate(id, 0, reading(150));
    expect(ledger.job(key)?.totals.traffic.txBytes).toBe(150);
    expect(ledger.vfTotals().get('vf0')?.txBytes).toBe(150);
  });

  test('totals of a VF hold what a lease under way has carried so far, and never go down', () => {
    const ledger = new Ledger(IN_MEMORY);
    const key = job(ledger);
    const first = begin(ledger, lease(key, 'vf0'));
    ledger.sample([{ id: first.id, readings: [reading(10)] }], at(2));
    expect(ledger.vfTotals().get('vf0')?.txBytes).toBe(10);
    ledger.endLease(first.id, 'released', at(3), [reading(30)]);
    begin(ledger, lease(key, 'vf0'));
    expect(ledger.vfTotals().get('vf0')?.txBytes).toBe(30);
  });

  test('says who had a VF, newest first', () => {
    const ledger = new Ledger(IN_MEMORY);
    const key = job(ledger);
    const ids = [1, 2, 3].map(() => begin(ledger, lease(key, 'vf0')).id);
    begin(ledger, lease(key, 'vf1'));
    expect(ledger.leaseIdsOfVf('vf0', 2)).toEqual([ids[2], ids[1]]);
  });

  test('forgets the oldest of what has ended, and no total with it', () => {
    const file = join(tempDir(), 'l.db');
    const limits = { leases: 5, leasesPerUser: 5, jobs: 3, jobsPerUser: 3 };
    const ledger = new Ledger(file, { limits });
    const keys = ['a', 'b', 'c', 'd', 'e'].map((id) => job(ledger, id));
    const held = begin(ledger, lease(keys[0] ?? 0, 'vf9')).id;
    const once = { ...lease(keys[1] ?? 0), vfs: [{ vf: { ...vf('vf0'), mtu: 1500 }, last: null }] };
    ledger.endLease(begin(ledger, once).id, 'released', at(2), [reading(0)]);
    for (let i = 0; i < 300; i++) {
      ledger.endLease(begin(ledger, lease(keys[4] ?? 0, 'vf0')).id, 'released', at(2), [reading(1)]);
    }
    ledger.close();
    const again = new Ledger(file, { limits });
    expect(again.sizes()).toEqual({ jobs: 4, leases: 6, leaseVfs: 6 });
    expect(again.job(keys[4] ?? 0)?.totals).toMatchObject({ leases: 300, traffic: { txBytes: 300 } });
    // The job of a lease under way is not forgotten, however old.
    expect(again.openLeases().map(({ id }) => id)).toEqual([held]);
    expect(again.job(keys[0] ?? 0)).toBeDefined();
    again.close();
    // Nor is what only forgotten leases knew kept: vf0 with another MTU, as it was once.
    const db = openDatabase(file);
    expect(db.prepare('SELECT vf FROM vf_descriptions').pluck().all()).toEqual([JSON.stringify(vf('vf9')), JSON.stringify(vf('vf0'))]);
    db.close();
  });

  test('forgets no user\'s history for what another does', () => {
    const ledger = new Ledger(IN_MEMORY, { limits: { leases: 20, jobs: 20 } });
    const of = (uid: number, id: string): number => ledger.addJob({ uid, id, state: 'open', createdAt: 1, openedAt: at(1), waitUntil: undefined });
    const cycle = (uid: number, key: number): void => {
      const { id } = begin(ledger, { ...lease(key, 'vf0'), uid });
      ledger.endLease(id, 'released', at(9), [reading(1)]);
    };
    const quiet = of(1, 'quiet');
    for (let i = 0; i < 5; i++) {
      cycle(1, quiet);
    }
    const busy = of(2, 'busy');
    for (let i = 0; i < 600; i++) {
      cycle(2, busy);
    }
    for (let i = 0; i < 600; i++) {
      of(2, `j${i}`);
    }
    expect(ledger.leasesOf(quiet)).toHaveLength(5);
    expect(ledger.findJob(1, 'quiet')?.totals.leases).toBe(5);
    expect(ledger.sizes().leases).toBeLessThan(20 + 256);
    expect(ledger.sizes().jobs).toBeLessThan(20 + 256);
  });

  test('gives the newest leases of several jobs at once, each with its VFs', () => {
    const ledger = new Ledger(IN_MEMORY);
    const keys = ['a', 'b', 'c'].map((id) => job(ledger, id));
    for (let i = 0; i < 4; i++) {
      begin(ledger, lease(keys[0] as number, `a${i}`, `x${i}`));
      begin(ledger, lease(keys[1] as number, `b${i}`));
    }
    expect(ledger.leases(ledger.leaseIdsOf(keys, 2)).map(({ jobKey, vfs }) => [jobKey, vfs.map((one) => one.vf.name)])).toEqual([
      [keys[0], ['a2', 'x2']], [keys[1], ['b2']], [keys[0], ['a3', 'x3']], [keys[1], ['b3']],
    ]);
    expect(ledger.leasesOf(keys[0] as number)).toHaveLength(4);
  });

  test('knows that the machine was started anew', () => {
    const file = join(tempDir(), 'l.db');
    const open = (bootId: string): boolean => {
      const ledger = new Ledger(file, { bootId });
      ledger.close();
      return ledger.rebooted;
    };
    expect([open('one'), open('one'), open('two')]).toEqual([false, false, true]);
  });
});

describe('the file', () => {
  test('is the daemon\'s alone, whatever the umask', () => {
    const file = join(tempDir(), 'l.db');
    const ledger = new Ledger(file);
    expect(existsSync(`${file}-shm`)).toBe(false);
    expect(statSync(`${file}-wal`).mode & 0o777).toBe(0o600);
    ledger.close();
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  test('is served by one daemon', () => {
    const file = join(tempDir(), 'l.db');
    const ledger = new Ledger(file);
    expect(refused(file)).toContain('database is locked');
    ledger.close();
    expect(refused(file)).toBe('opened');
  });

  test('that is damaged, of a later release or in an open folder is refused and left as it is', () => {
    const dir = tempDir();
    const noise = join(dir, 'noise.db');
    writeFileSync(noise, 'this is no database '.repeat(500));
    expect(refused(noise)).toContain('not a database');
    expect(readFileSync(noise, 'utf8')).toContain('this is no database');

    const later = join(dir, 'later.db');
    const db = new Database(later);
    db.pragma(`user_version = ${MIGRATIONS.length + 1}`);
    db.close();
    expect(() => openDatabase(later)).toThrow(expect.objectContaining({ code: 'VFRING_ERR_LEDGER_LATER', remedy: expect.stringContaining(`${later}.v${MIGRATIONS.length}`) as string }));

    chmodSync(dir, 0o777);
    expect(refused(join(dir, 'x.db'))).toContain('others than this user can write');
  });

  test('is copied before it is brought to a later version, so that the earlier release can have it back', () => {
    const file = join(tempDir(), 'l.db');
    openDatabase(file, MIGRATIONS.slice(0, 5)).close();
    openDatabase(file).close();
    openDatabase(file).close();
    const copy = new Database(`${file}.v5`);
    expect(copy.pragma('user_version', { simple: true })).toBe(5);
    copy.close();
    expect(statSync(`${file}.v5`).mode & 0o777).toBe(0o600);
    expect(existsSync(`${file}.v6`)).toBe(false);
  });

  test('is not blamed when better-sqlite3 is for another release of node', () => {
    const load = Object.assign(new Error('The module was compiled against a different Node.js version using NODE_MODULE_VERSION 115.'), { code: 'ERR_DLOPEN_FAILED' });
    expect(ledgerError('/x/l.db', load)).toMatchObject({ code: 'VFRING_ERR_NODE_RELEASE', remedy: expect.stringContaining('install vfring again') as string });
  });

  test('of the first version keeps all that it knew', () => {
    const file = join(tempDir(), 'l.db');
    const db = openDatabase(file, MIGRATIONS.slice(0, 1));
    const json = (what: unknown): string => JSON.stringify(what).replaceAll(`'`, `''`);
    const registers = json({ txFrames: 1, rxFrames: 2, txBytes: 3, rxBytes: 4 });
    db.exec(`
      INSERT INTO jobs (uid, id, state, created_at) VALUES (7, 'a', 'open', 1);
      INSERT INTO leases (id, job, uid, pid, start_ticks, rank, ranks, state, how, granted_at, ended_at, dma_limit_bytes) VALUES
        (3, 1, 7, 90, 1, 0, 2, 'ended', 'released', 10, 20, 4096), (5, 1, 7, 91, 2, 1, 2, 'held', NULL, 30, NULL, 4096);
      INSERT INTO lease_vfs (lease, place, vf, name, generation, last, tx_frames, tx_bytes, rx_frames, rx_bytes, peak_bytes) VALUES
        (3, 0, '${json(vf('vf0'))}', 'vf0', 1, '${registers}', 5, 6, 7, 8, 9), (5, 0, '${json(vf('vf0'))}', 'vf0', 2, NULL, NULL, NULL, NULL, NULL, NULL),
        (5, 1, '${json(vf('vf1'))}', 'vf1', 1, '${registers}', 1, 2, 3, 4, NULL);
      INSERT INTO vfs (name, generation, tx_frames, tx_bytes, rx_frames, rx_bytes) VALUES ('vf0', 2, 5, 6, 7, 8), ('vf1', 1, 0, 0, 0, 0);
    `);
    db.close();
    const ledger = new Ledger(file);
    expect(ledger.leasesOf(1)).toMatchObject([
      { id: 3, state: 'ended', how: 'released', vfs: [{
        vf: vf('vf0'), generation: 1, peakBytes: 9,
        last: { txFrames: 1, rxFrames: 2, txBytes: 3, rxBytes: 4 }, traffic: { txFrames: 5, txBytes: 6, rxFrames: 7, rxBytes: 8 },
      }] },
      { id: 5, state: 'held', pid: 91, startTicks: 2, vfs: [{ vf: vf('vf0'), generation: 2, last: null, traffic: null }, { vf: vf('vf1') }] },
    ]);
    expect(ledger.openLeases().map(({ id }) => id)).toEqual([5]);
    expect(['vf0', 'vf1'].map((name) => ledger.generation(name))).toEqual([2, 1]);
    expect(ledger.vfTotals().get('vf1')).toEqual({ txFrames: 1, txBytes: 2, rxFrames: 3, rxBytes: 4 });
    // What comes after is a new lease, of a later generation.
    expect(begin(ledger, lease(1, 'vf0'))).toEqual({ id: 6, generations: [3] });
    ledger.close();
  });

  test('of the second version is timed from where its own clock says that it began, and its jobs of plain mpirun are of one run', () => {
    const file = join(tempDir(), 'l.db');
    const db = openDatabase(file, MIGRATIONS.slice(0, 2));
    db.exec(`
      INSERT INTO meta VALUES ('boot_id', 'boot-1');
      INSERT INTO jobs (uid, id, state, created_at, opened_at, wait_until, vfs, time_limit_s) VALUES
        (7, '1234567', 'open', 1000, 1000, NULL, NULL, NULL), (7, 'job-a-1', 'open', 1000, 1000, NULL, NULL, NULL),
        (7, 'job-a-2', 'open', 1000, 4000, NULL, 2, 60), (7, 'job-a-3', 'queued', 1000, NULL, 9000, 2, NULL);
      INSERT INTO leases (id, job, uid, pid, start_ticks, rank, ranks, state, granted_at, sampled_at, dma_limit_bytes) VALUES (5, 1, 7, 91, 2, 0, 1, 'held', 3000, 5500, 4096);
    `);
    db.close();
    const ledger = new Ledger(file, { bootId: 'boot-1', clock: () => ({ wall: 6000, boot: 100 }) });
    expect(ledger.jobsUnderWay().map(({ id, oneRun, openedAt, waitUntil }) => [id, oneRun, openedAt?.boot, waitUntil?.boot])).toEqual([
      ['1234567', true, -4900, undefined], ['job-a-2', false, -1900, undefined], ['job-a-3', false, undefined, 3100],
    ]);
    expect(ledger.openLeases()).toMatchObject([{ grantedAt: { wall: 3000, boot: -2900 }, sampledAt: { boot: -400 } }]);
    ledger.endLease(5, 'released', { wall: 0, boot: 1100 }, []);
    ledger.close();
  });

  test('counts of a lease that a restart of the machine ended as long as it was seen, whatever the clocks say after', () => {
    const file = join(tempDir(), 'l.db');
    const first = new Ledger(file, { bootId: 'boot-1', clock: () => ({ wall: 0, boot: 1_000_000 }) });
    const key = job(first);
    const { id } = begin(first, { ...lease(key, 'vf0'), grantedAt: { wall: 5, boot: 1_000_000 } });
    first.holdLease({ id, memlockBytes: null, memlockBefore: undefined }, { wall: 5, boot: 1_000_000 });
    first.sample([{ id, readings: [reading(1)] }], { wall: 7_200_000, boot: 1_060_000 });
    first.close();
    const next = new Ledger(file, { bootId: 'boot-2', clock: () => ({ wall: 99_000_000, boot: 20_000 }) });
    next.endLease(id, 'machine restarted', { wall: 99_000_000, boot: 20_000 }, [reading(1)]);
    expect(next.job(key)?.totals.vfMs).toBe(60_000);
    next.close();
  });

  test('counts a VF that was taken from it until then, over a restart of the machine, too', () => {
    const file = join(tempDir(), 'l.db');
    const first = new Ledger(file, { bootId: 'boot-1', clock: () => ({ wall: 0, boot: 1_000_000 }) });
    const key = job(first);
    const { id } = begin(first, { ...lease(key, 'vf0', 'vf1'), grantedAt: { wall: 5, boot: 1_000_000 } });
    first.holdLease({ id, memlockBytes: null, memlockBefore: undefined }, { wall: 5, boot: 1_000_000 });
    first.takeVf(id, 0, 'ended by the administrator', { wall: 10_005, boot: 1_010_000 }, reading(3));
    first.sample([{ id, readings: [reading(3), reading(1)] }], { wall: 60_005, boot: 1_060_000 });
    first.close();
    const next = new Ledger(file, { bootId: 'boot-2', clock: () => ({ wall: 99_000_000, boot: 20_000 }) });
    next.endLease(id, 'machine restarted', { wall: 99_000_000, boot: 20_000 }, [reading(3), reading(1)]);
    expect(next.job(key)?.totals.vfMs).toBe(70_000);
    next.close();
  });

  test('finds a label\'s newest run, and each by its own id', () => {
    const ledger = new Ledger(IN_MEMORY);
    const keys = ['a', 'b', 'a#2', 'a#10', 'a$', 'aa'].map((id) => job(ledger, id));
    expect(['a', 'a#1', 'a#2', 'a#10', 'b', 'aa', 'a$', 'c'].map((id) => ledger.findJob(7, id)?.key)).toEqual(
      [keys[3], keys[0], keys[2], keys[3], keys[1], keys[5], keys[4], undefined]);
    const other = job(ledger, 'a', 8);
    expect(['a', 'a#1', 'a#2', 'c'].map((id) => ledger.findJobs(id).map(({ key }) => key))).toEqual([[keys[3], other], [keys[0], other], [keys[2]], []]);
  });

  test('is brought to the version of this release, or left as it was when that fails', () => {
    const file = join(tempDir(), 'l.db');
    openDatabase(file, ['CREATE TABLE one (a)']).close();
    expect(() => openDatabase(file, ['CREATE TABLE one (a)', 'CREATE TABLE two (a)', 'CREATE TABLE two (a)'])).toThrow(/already exists/);
    const db = openDatabase(file, ['CREATE TABLE one (a)', 'CREATE TABLE three (a)']);
    expect(db.prepare('SELECT name FROM sqlite_schema ORDER BY name').pluck().all()).toEqual(['one', 'three']);
    expect(db.pragma('user_version', { simple: true })).toBe(2);
    db.close();
  });
});

describe('the log of the ledger', () => {
  const busy = (ledger: Ledger, key: number, leases: number): void => {
    for (let i = 0; i < leases; i++) {
      const { id } = begin(ledger, lease(key, 'vf0'));
      ledger.holdLease({ id, memlockBytes: -1, memlockBefore: undefined }, at(5));
      ledger.endingLease(id, 'released');
      ledger.endLease(id, 'released', at(9), [reading(1)]);
    }
  };

  test('is taken into the file when nothing is being written', async () => {
    const file = join(tempDir(), 'ledger.db');
    const ledger = new Ledger(file);
    const key = job(ledger);
    expect([ledger.untidy, ledger.dueToTidy()]).toEqual([false, false]);
    busy(ledger, key, 60);
    expect(ledger.untidy).toBe(true);
    // Somebody wrote since it was last asked.
    expect([ledger.dueToTidy(), ledger.dueToTidy()]).toEqual([false, true]);
    // Whether it succeeds or not, it is not tried again at once.
    expect([ledger.untidy, ledger.dueToTidy()]).toEqual([false, false]);
    await ledger.flush();
    ledger.tidy();
    // The file alone has it now: a copy without the log knows all leases.
    const copy = join(tempDir(), 'ledger.db');
    copyFileSync(file, copy);
    ledger.close();
    const copied = new Ledger(copy);
    expect(copied.sizes()).toEqual({ jobs: 1, leases: 60, leaseVfs: 60 });
    copied.close();
  });

  test('does not grow for ever on a ledger that is never left alone', () => {
    const file = join(tempDir(), 'ledger.db');
    const ledger = new Ledger(file);
    const key = job(ledger);
    let tidied = 0;
    let most = 0;
    for (let round = 0; round < 120; round++) {
      busy(ledger, key, 10);
      most = Math.max(most, statSync(`${file}-wal`).size);
      if (ledger.dueToTidy()) {
        ledger.tidy();
        tidied++;
      }
    }
    expect(tidied).toBeGreaterThanOrEqual(4);
    expect(most).toBeLessThan(40 << 20);
    ledger.close();
  });
});

// SPDX-License-Identifier: BSD-3-Clause
/**
 * Who had which VF when. What is about to be done to a VF is written here
 * before it is done, so that the next vfringd can finish or undo it, however
 * this one ends.
 */
import { readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import type Database from 'better-sqlite3';
import { systemClock, type Clock, type Instant } from '../clock.js';
import type { Rlimit } from '../libc.js';
import { IN_MEMORY, openDatabase, ledgerError, type Db } from './database.js';
import { isVfringError } from '../errors.js';
import { LEDGER_LIMITS, addUsage, countersPart, dayOf, forgetOld, plus, usageSince, type LedgerLimits } from './history.js';
import { NEVER_USED, type BegunLease, type HeldLease, type JobFilter, type JobRecord, type LeaseRecord, type LeaseReport, type NewJob, type NewLease, type UsageRecord, type VfReading } from './records.js';
import { rebase } from './rebase.js';
import { readLeases, readVfTotals } from './reads.js';
import { limitText, pushCounters, toCounters, toJob, type Row, type Value } from './rows.js';
import { Statements, insertInto } from './statements.js';
import { NO_TRAFFIC, type Vf, type VfCounters } from '../model/vf.js';

const BOOT_ID = '/proc/sys/kernel/random/boot_id';
/** Ended leases, or new jobs, between two clean-ups. */
const PRUNE_EVERY = 256;
/** In one answer. */
const MOST_LEASES = 1000;
/** Commits of some pages each: SQLite itself would take its log into the file after 1000 pages. */
const TIDY_AFTER = 200;
/** However busy: its log takes some 15 MiB by then. */
const TIDY_AT_LAST = 500;

const NEW_LEASE = insertInto('leases', ['id', 'job', 'uid', 'pid', 'start_ticks', 'rank', 'ranks', 'state', 'granted_at', 'granted_boot', 'dma_limit_bytes']);
const NEW_LEASE_VF = insertInto('lease_vfs', [
  'lease', 'place', 'name', 'generation', 'description', 'last_tx_frames', 'last_tx_bytes', 'last_rx_frames', 'last_rx_bytes',
  'tx_frames', 'tx_bytes', 'rx_frames', 'rx_bytes',
]);

const HOLD_LEASE = `UPDATE leases SET state = 'held', memlock_bytes = ?, memlock_soft = ?, memlock_hard = ?, sampled_at = ?, sampled_boot = ? WHERE id = ?`;
/** VFs times how long each was held: until its end, or until it was taken away. */
const VF_MS = `SELECT coalesce(sum(max(0, coalesce(taken_boot, ?) - granted_boot)), 0) AS vf_ms FROM lease_vfs JOIN leases ON leases.id = lease WHERE lease = ?`;
const ADD_TO_JOB = `UPDATE jobs SET leases = leases + ?, vf_ms = vf_ms + ?, tx_frames = tx_frames + ?, tx_bytes = tx_bytes + ?, rx_frames = rx_frames + ?, rx_bytes = rx_bytes + ?,
  uncounted = uncounted + ?, peak_bytes = max(peak_bytes, ?), reports = reports + ?,
  retransmitted = ${plus('retransmitted', '?')}, fallbacks = ${plus('fallbacks', '?')} WHERE key = ?`;
const ADD_JOB = `INSERT INTO jobs (uid, id, ranks, spread, vfs, memory_bytes, time_limit_s, wait_until, wait_boot, state, created_at, opened_at, opened_boot, one_run, made, hosts, vf_names, shares_memory)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`;
/** A label's runs are called LABEL, LABEL#2 and so on; "$" comes after "#". */
const FIND_JOB = `SELECT * FROM jobs WHERE uid = ? AND (id = ? OR (id > ? || '#' AND id < ? || '$')) ORDER BY key DESC LIMIT 1`;
/** The same of each user. */
const FIND_JOBS = `SELECT * FROM jobs WHERE key IN (SELECT max(key) FROM jobs WHERE id = ? OR (id > ? || '#' AND id < ? || '$') GROUP BY uid) ORDER BY uid`;
const FIRST_RUN = /^(.+)#1$/;
/** What the first lease needs is prepared before somebody waits for it. */
const PREPARED = [FIND_JOB, ADD_JOB, NEW_LEASE, NEW_LEASE_VF, HOLD_LEASE];

export class Ledger {
  /** The machine was started anew since the ledger was last open: no process of it lives. */
  readonly rebooted: boolean;
  readonly #file: string;
  readonly #db: Db;
  readonly #transaction: Database.Transaction<(task: () => unknown) => unknown>;
  readonly #limits: LedgerLimits;
  readonly #clock: Clock;
  readonly #sql: Statements;
  /** How often each VF has been given out. In the table it is written when a lease ends; while one goes on, its own row has it. */
  readonly #generations = new Map<string, number>();
  /** The newest lease that was ever begun. */
  #lastLease: number;
  /** Keys of what was written of VFs as they are, which seldom change. */
  #descriptions = new WeakMap<Vf, number>();
  #sincePrune = 0;
  /** Since it was last due to take the log into the file. */
  #commits = 0;
  #commitsSeen = 0;

  /** Throws VFRING_ERR_LEDGER; so do all methods, with nothing half written. */
  constructor(file: string, options: { limits?: Partial<LedgerLimits>; bootId?: string; clock?: Clock } = {}) {
    this.#file = file;
    this.#limits = { ...LEDGER_LIMITS, ...options.limits };
    this.#clock = options.clock ?? systemClock;
    this.#db = openDatabase(file);
    this.#sql = new Statements(this.#db);
    this.#transaction = this.#db.transaction((task: () => unknown) => task());
    this.rebooted = this.#work(() => this.#noteBoot(options.bootId ?? readFileSync(BOOT_ID, 'latin1').trim()));
    this.#work(() => {
      rebase(this.#sql, this.rebooted, this.#clock());
      this.#prune();
      this.#run('DELETE FROM vf_descriptions WHERE key NOT IN (SELECT description FROM lease_vfs)', []);
    });
    this.#lastLease = this.#look(() => Number(this.#all('SELECT max(id) AS id FROM leases')[0]?.['id'] ?? 0));
    this.#look(() => PREPARED.forEach((sql) => this.#sql.prepare(sql)));
    this.#look(() => {
      const rows = this.#all(`SELECT name, max(generation) AS generation FROM (SELECT name, generation FROM vfs UNION ALL SELECT name, generation FROM lease_vfs) GROUP BY name`);
      rows.forEach((row) => this.#generations.set(String(row['name']), Number(row['generation'])));
    });
  }

  /** True when it may be time to tidy. */
  get untidy(): boolean {
    return this.#commits >= TIDY_AFTER;
  }

  /**
   * True when nothing was written since the last time it was asked, or when
   * tidying cannot be put off any longer. Counts anew then: who cannot tidy, on
   * a full disk, tries again after as many commits, not all the time.
   */
  dueToTidy(): boolean {
    const quiet = this.#commits === this.#commitsSeen;
    const due = this.untidy && (quiet || this.#commits >= TIDY_AT_LAST);
    if (due) {
      this.#commits = 0;
    }
    this.#commitsSeen = this.#commits;
    return due;
  }

  /** Has SQLite's log on the disk, off this thread, so that tidy() has little to wait for. */
  async flush(): Promise<void> {
    if (this.#file === IN_MEMORY) {
      return;
    }
    try {
      const log = await open(`${this.#file}-wal`, 'r');
      await log.datasync().finally(() => log.close());
    } catch (error) {
      throw ledgerError(this.#file, error);
    }
  }

  /** Takes SQLite's log into the file, which waits for the disk. */
  tidy(): void {
    this.#look(() => this.#db.pragma('wal_checkpoint(PASSIVE)'));
    // The first commit of a new log waits for the disk, too. Better this one than a lease's.
    this.#work(() => this.#run(`INSERT INTO meta (key, value) VALUES ('tidied', '1') ON CONFLICT (key) DO UPDATE SET value = value + 1`, []));
  }

  /** No method may be called after. */
  close(): void {
    this.#db.close();
  }

  /** Returns the key of the job. */
  addJob(job: NewJob): number {
    return this.#work(() => {
      this.#pruneInTurn();
      return Number(
        this.#run(
          ADD_JOB,
          [job.uid, job.id, job.ranks ?? null, job.spread ?? null, job.vfs ?? null, job.memoryBytes ?? null, job.timeLimitS ?? null, job.waitUntil?.wall ?? null,
            job.waitUntil?.boot ?? null, job.state, job.createdAt, job.openedAt?.wall ?? null, job.openedAt?.boot ?? null, job.oneRun === true ? 1 : 0,
            job.made === true ? 1 : 0, job.hosts === undefined ? null : JSON.stringify(job.hosts),
            job.vfNames === undefined ? null : JSON.stringify(job.vfNames), job.sharesMemory === true ? 1 : 0],
        ).lastInsertRowid,
      );
    });
  }

  /** Forgets a job that nobody has made and no lease came of. False: it is not such a one. */
  dropUnusedJob(key: number): boolean {
    return this.#work(() => this.#run('DELETE FROM jobs WHERE key = ? AND made = 0 AND leases = 0 AND NOT EXISTS (SELECT 1 FROM leases WHERE job = jobs.key)', [key]).changes > 0);
  }

  openJob(key: number, at: Instant): void {
    this.#work(() => this.#run(`UPDATE jobs SET state = 'open', opened_at = ?, opened_boot = ?, wait_until = NULL, wait_boot = NULL WHERE key = ?`, [at.wall, at.boot, key]));
  }

  endJob(key: number, at: number, how: string): void {
    this.#work(() => this.#run(`UPDATE jobs SET state = 'ended', ended_at = ?, how = ? WHERE key = ? AND state <> 'ended'`, [at, how, key]));
  }

  /** Newest first. */
  jobs(limit: number, { uid, sinceMs, before }: JobFilter = {}): JobRecord[] {
    const terms: [string, Value[]][] = [
      ...(uid === undefined ? [] : [['uid = ?', [uid]] as [string, Value[]]]),
      ...(before === undefined ? [] : [['key < ?', [before]] as [string, Value[]]]),
      ...(sinceMs === undefined ? [] : [[`(state <> 'ended' OR created_at >= ? OR ended_at >= ?)`, [sinceMs, sinceMs]] as [string, Value[]]]),
    ];
    const where = terms.length === 0 ? '' : `WHERE ${terms.map(([term]) => term).join(' AND ')}`;
    return this.#look(() => this.#all(`SELECT * FROM jobs ${where} ORDER BY key DESC LIMIT ?`, [...terms.flatMap(([, values]) => values), limit]).map(toJob));
  }

  /** What users had, by day, from the day of a moment on, oldest first: the newest `most` of these, or of those before a row. */
  usage(sinceMs: number, most: number, uid?: number, before?: UsageRecord): UsageRecord[] {
    return this.#look(() => usageSince(this.#sql, { day: dayOf(sinceMs), uid, most, before }));
  }

  /** Jobs that count when VFs are given out, or that end by themselves: queued ones, and open ones with a reservation, a time limit or of one run. */
  jobsUnderWay(): JobRecord[] {
    return this.#look(() =>
      this.#all(`SELECT * FROM jobs WHERE state = 'queued' OR (state = 'open' AND (vfs IS NOT NULL OR time_limit_s IS NOT NULL OR one_run = 1)) ORDER BY key`).map(toJob),
    );
  }

  /** By its id, or the newest run of a label. LABEL#1 is the first. */
  findJob(uid: number, id: string): JobRecord | undefined {
    const first = FIRST_RUN.exec(id)?.[1];
    return this.#look(() => (first === undefined ? this.#all(FIND_JOB, [uid, id, id, id]) : this.#all('SELECT * FROM jobs WHERE uid = ? AND id = ?', [uid, first])).map(toJob)[0]);
  }

  /** Jobs of that id or label, one of each user's. */
  findJobs(id: string): JobRecord[] {
    const first = FIRST_RUN.exec(id)?.[1];
    return this.#look(() => (first === undefined ? this.#all(FIND_JOBS, [id, id, id]) : this.#all('SELECT * FROM jobs WHERE id = ? ORDER BY uid', [first])).map(toJob));
  }

  /** Whether the process is one of those that had a lease in the job; undefined: none had, as far as is remembered. */
  tookPart(jobKey: number, pid: number, startTicks: number): boolean | undefined {
    const found = this.#look(() => this.#all('SELECT max(pid = ? AND start_ticks = ?) AS found FROM leases WHERE job = ?', [pid, startTicks, jobKey])[0]?.['found']);
    return found === null || found === undefined ? undefined : found === 1;
  }

  job(key: number): JobRecord | undefined {
    return this.#look(() => this.#all('SELECT * FROM jobs WHERE key = ?', [key]).map(toJob)[0]);
  }

  /** Several at once, by their keys. */
  jobsByKey(keys: Iterable<number>): Map<number, JobRecord> {
    return this.#look(() => new Map(this.#all('SELECT * FROM jobs WHERE key IN (SELECT value FROM json_each(?))', [JSON.stringify([...keys])]).map((row) => [Number(row['key']), toJob(row)])));
  }

  /** Everything that `task` writes is one commit: all of it or nothing. */
  together<T>(task: () => T): T {
    return this.#work(task);
  }

  /** The step before VFs are touched. The generation of each VF grows. */
  beginLease(lease: NewLease): BegunLease {
    return this.#work(() => {
      const id = ++this.#lastLease;
      this.#run(NEW_LEASE, [
        id, lease.jobKey, lease.uid, lease.pid, lease.startTicks, lease.rank, lease.ranks, 'granting', lease.grantedAt.wall, lease.grantedAt.boot, lease.dmaLimitBytes,
      ]);
      const generations = lease.vfs.map(({ vf, last }, place) => {
        const generation = this.generation(vf.name) + 1;
        this.#generations.set(vf.name, generation);
        this.#run(NEW_LEASE_VF, pushCounters(pushCounters([id, place, vf.name, generation, this.#describe(vf)], last), last && NO_TRAFFIC));
        return generation;
      });
      return { id, generations };
    });
  }

  /** VFs are handed over and their process may learn of it. */
  holdLease({ id, memlockBytes, memlockBefore }: HeldLease, at: Instant): void {
    this.#work(() => this.#run(HOLD_LEASE, [memlockBytes, limitText(memlockBefore?.soft), limitText(memlockBefore?.hard), at.wall, at.boot, id]));
  }

  /** It did not come about. Its VFs' generations stay used up. */
  dropLease(id: number): void {
    this.#work(() => {
      this.#settleVfs(id);
      this.#run('DELETE FROM leases WHERE id = ?', [id]);
    });
  }

  /** The limit to put back goes with the process to another of its leases. */
  moveMemlock(id: number, before: Rlimit): void {
    this.#work(() => this.#run('UPDATE leases SET memlock_soft = ?, memlock_hard = ? WHERE id = ?', [limitText(before.soft), limitText(before.hard), id]));
  }

  /** New readings of the counters, all in one commit. */
  sample(leases: readonly { readonly id: number; readonly readings: readonly VfReading[] }[], at: Instant): void {
    this.#work(() => {
      for (const { id, readings } of leases) {
        this.#run('UPDATE leases SET sampled_at = ?, sampled_boot = ? WHERE id = ?', [at.wall, at.boot, id]);
        this.#read(id, readings);
      }
    });
  }

  /** The step before one VF of a lease is taken back, and the lease goes on with its others. */
  takeVf(id: number, place: number, how: string, at: Instant, reading: VfReading): void {
    this.#work(() => {
      this.#writeReading(id, place, reading);
      this.#run('UPDATE lease_vfs SET taken_at = ?, taken_boot = ?, taken_how = ? WHERE lease = ? AND place = ?', [at.wall, at.boot, how, id, place]);
    });
  }

  /** The step before a VF of a lease, which was bound anew, is given to its process again. */
  rebindVf(id: number, place: number, vf: Vf): void {
    this.#work(() => this.#run('UPDATE lease_vfs SET description = ? WHERE lease = ? AND place = ?', [this.#describe(vf), id, place]));
  }

  /** The step before its VFs are taken back. */
  endingLease(id: number, how: string): void {
    this.#work(() => this.#run(`UPDATE leases SET state = 'ending', how = ? WHERE id = ?`, [how, id]));
  }

  /** Its VFs are back. What they carried goes to the job's totals. */
  endLease(id: number, how: string, at: Instant, readings: readonly VfReading[], report?: LeaseReport): void {
    this.#work(() => {
      const { changes } = this.#run(`UPDATE leases SET state = 'ended', how = ?, ended_at = ? WHERE id = ? AND state <> 'ended'`, [how, at.wall, id]);
      if (changes === 0) {
        return;
      }
      this.#read(id, readings);
      const known = readings.flatMap(({ traffic }) => (traffic === null ? [] : [traffic]));
      const sum = (key: keyof VfCounters): number => known.reduce((total, traffic) => total + traffic[key], 0);
      const lease = this.#all('SELECT leases.job, leases.uid, jobs.leases FROM leases JOIN jobs ON jobs.key = leases.job WHERE leases.id = ?', [id])[0];
      const part = {
        leases: NEVER_USED.has(how) ? 0 : 1, vf_ms: Number(this.#all(VF_MS, [at.boot, id])[0]?.['vf_ms']),
        tx_frames: sum('txFrames'), tx_bytes: sum('txBytes'), rx_frames: sum('rxFrames'), rx_bytes: sum('rxBytes'),
        uncounted: readings.length - known.length, peakBytes: Math.max(0, ...readings.map(({ peakBytes }) => peakBytes ?? 0)),
        reports: report === undefined ? 0 : 1, retransmitted: report?.retransmitted ?? 0, fallbacks: report?.fallbacks ?? 0,
      };
      this.#run(ADD_TO_JOB, [
        part.leases, part.vf_ms, part.tx_frames, part.tx_bytes, part.rx_frames, part.rx_bytes, part.uncounted, part.peakBytes,
        part.reports, part.retransmitted, part.fallbacks, Number(lease?.['job']),
      ]);
      // A job counts on the day that its first lease ended.
      addUsage(this.#sql, at.wall, Number(lease?.['uid']), { ...part, jobs: part.leases > 0 && lease?.['leases'] === 0 ? 1 : 0 });
      this.#run('UPDATE lease_vfs SET aside = 0 WHERE lease = ?', [id]);
      this.#writeReports(id, report);
      this.#settleVfs(id);
      this.#pruneInTurn();
    });
  }

  /** What a process says of the VFs that it has. */
  reportVfs(id: number, report: LeaseReport): void {
    this.#work(() => this.#writeReports(id, report));
  }

  #writeReports(id: number, report: LeaseReport | undefined): void {
    for (const { name, retransmitted, asides, why, aside } of report?.vfs ?? []) {
      this.#run('UPDATE lease_vfs SET retransmitted = ?, asides = ?, aside_why = ?, aside = ? WHERE lease = ? AND name = ?', [
        retransmitted, asides, why ?? null, aside === true ? 1 : 0, id, name,
      ]);
    }
  }

  /** A VF that was still driven when its lease ended, or lost it, has carried more since. */
  addLate(id: number, place: number, reading: VfReading): void {
    this.#work(() => {
      const before = this.#all('SELECT leases.uid, tx_frames, tx_bytes, rx_frames, rx_bytes, ended_at FROM lease_vfs JOIN leases ON leases.id = lease WHERE lease = ? AND place = ?', [id, place])[0];
      if (before === undefined || before['tx_frames'] === null || reading.traffic === null) {
        return;
      }
      if (before['ended_at'] === null) {
        // Its other VFs go on: the whole is added at its end.
        this.#writeReading(id, place, reading);
        return;
      }
      const old = toCounters(before) as VfCounters;
      const { traffic } = reading;
      const more: VfCounters = {
        txFrames: traffic.txFrames - old.txFrames, txBytes: traffic.txBytes - old.txBytes, rxFrames: traffic.rxFrames - old.rxFrames, rxBytes: traffic.rxBytes - old.rxBytes,
      };
      const add = 'tx_frames = tx_frames + ?, tx_bytes = tx_bytes + ?, rx_frames = rx_frames + ?, rx_bytes = rx_bytes + ?';
      this.#run(`UPDATE jobs SET ${add} WHERE key = (SELECT job FROM leases WHERE id = ?)`, pushCounters([], more).concat(id));
      this.#run(`UPDATE vfs SET ${add} WHERE name = (SELECT name FROM lease_vfs WHERE lease = ? AND place = ?)`, pushCounters([], more).concat(id, place));
      addUsage(this.#sql, this.#clock().wall, Number(before['uid']), countersPart(more));
      this.#writeReading(id, place, reading);
    });
  }

  /** Leases that had not ended when the ledger was last written, oldest first. */
  openLeases(): LeaseRecord[] {
    return this.#look(() => readLeases(this.#sql, 'ended_at IS NULL', []));
  }

  /** The newest of a job's leases, oldest first. */
  leasesOf(jobKey: number): LeaseRecord[] {
    return this.leases(this.leaseIdsOf([jobKey]));
  }

  /** Ids of the newest leases of jobs, by their keys: so many of each, and of the first jobs only, as far as there are MOST_LEASES in all. */
  leaseIdsOf(jobKeys: readonly number[], limit = MOST_LEASES): number[] {
    return this.#look(() => {
      // Each by its index, which has the newest at its end: a job may have thousands.
      const ids: number[] = [];
      for (const key of jobKeys) {
        const most = Math.min(limit, MOST_LEASES - ids.length);
        ids.push(...this.#all('SELECT id FROM leases WHERE job = ? ORDER BY id DESC LIMIT ?', [key, most]).map((row) => Number(row['id'])));
      }
      return ids;
    });
  }

  /** Leases that one VF was in, newest first: who had it when. */
  leaseIdsOfVf(name: string, limit: number): number[] {
    return this.#look(() => this.#all('SELECT lease FROM lease_vfs WHERE name = ? ORDER BY lease DESC LIMIT ?', [name, limit]).map((row) => Number(row['lease'])));
  }

  /** Leases by their ids, oldest first. */
  leases(ids: readonly number[]): LeaseRecord[] {
    return this.#look(() => readLeases(this.#sql, 'id IN (SELECT value FROM json_each(?))', [JSON.stringify(ids)]));
  }

  /** How often the VF has been given out, 0 for one that never was. */
  generation(name: string): number {
    return this.#generations.get(name) ?? 0;
  }

  /** What each VF has carried under all its leases so far, by name. It never goes down. */
  vfTotals(): Map<string, VfCounters> {
    return this.#look(() => readVfTotals(this.#sql));
  }

  /** Rows of each kind, for the proof that the ledger does not grow for ever. */
  sizes(): { readonly jobs: number; readonly leases: number; readonly leaseVfs: number } {
    const count = (table: string): number => Number(this.#all(`SELECT count(*) AS n FROM ${table}`)[0]?.['n']);
    return this.#look(() => ({ jobs: count('jobs'), leases: count('leases'), leaseVfs: count('lease_vfs') }));
  }

  #noteBoot(bootId: string): boolean {
    const before = this.#all(`SELECT value FROM meta WHERE key = 'boot_id'`)[0]?.['value'];
    this.#run(`INSERT INTO meta (key, value) VALUES ('boot_id', ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value`, [bootId]);
    return before !== undefined && before !== bootId;
  }

  /** Key of the VF as it is. */
  #describe(vf: Vf): number {
    let key = this.#descriptions.get(vf);
    if (key === undefined) {
      const text = JSON.stringify(vf);
      this.#run('INSERT INTO vf_descriptions (vf) VALUES (?) ON CONFLICT (vf) DO NOTHING', [text]);
      key = Number(this.#all('SELECT key FROM vf_descriptions WHERE vf = ?', [text])[0]?.['key']);
      this.#descriptions.set(vf, key);
    }
    return key;
  }

  /** What outlives the rows of a lease: how often its VFs were given out, and what they carried. */
  #settleVfs(id: number): void {
    this.#run(
      `INSERT INTO vfs (name, generation, tx_frames, tx_bytes, rx_frames, rx_bytes)
         SELECT name, generation, coalesce(tx_frames, 0), coalesce(tx_bytes, 0), coalesce(rx_frames, 0), coalesce(rx_bytes, 0) FROM lease_vfs WHERE lease = ?
       ON CONFLICT (name) DO UPDATE SET generation = max(generation, excluded.generation), tx_frames = tx_frames + excluded.tx_frames,
         tx_bytes = tx_bytes + excluded.tx_bytes, rx_frames = rx_frames + excluded.rx_frames, rx_bytes = rx_bytes + excluded.rx_bytes`,
      [id],
    );
  }

  #read(id: number, readings: readonly VfReading[]): void {
    readings.forEach((reading, place) => this.#writeReading(id, place, reading));
  }

  #writeReading(id: number, place: number, { last, traffic, peakBytes }: VfReading): void {
    this.#run(
      `UPDATE lease_vfs SET last_tx_frames = ?, last_tx_bytes = ?, last_rx_frames = ?, last_rx_bytes = ?,
         tx_frames = ?, tx_bytes = ?, rx_frames = ?, rx_bytes = ?, peak_bytes = ? WHERE lease = ? AND place = ?`,
      pushCounters(pushCounters([], last), traffic).concat(peakBytes, id, place),
    );
  }

  #pruneInTurn(): void {
    if (++this.#sincePrune >= PRUNE_EVERY) {
      this.#prune();
    }
  }

  #prune(): void {
    this.#sincePrune = 0;
    forgetOld(this.#sql, this.#limits, this.#clock().wall);
  }

  /** Only reads: no other process writes, so that each statement sees what the last one wrote. */
  #look<T>(task: () => T): T {
    try {
      return task();
    } catch (error) {
      throw isVfringError(error) ? error : ledgerError(this.#file, error);
    }
  }

  /** All of it or nothing is written. */
  #work<T>(task: () => T): T {
    try {
      if (this.#db.inTransaction) {
        return task();
      }
      this.#commits++;
      return this.#transaction.immediate(task) as T;
    } catch (error) {
      // What was described meanwhile is not in the file.
      this.#descriptions = new WeakMap();
      throw isVfringError(error) ? error : ledgerError(this.#file, error);
    }
  }

  #run(sql: string, params: readonly Value[]): ReturnType<Statements['run']> {
    return this.#sql.run(sql, params);
  }

  #all(sql: string, params: readonly Value[] = []): Row[] {
    return this.#sql.all(sql, params);
  }
}

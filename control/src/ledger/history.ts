// SPDX-License-Identifier: BSD-3-Clause
/**
 * What is remembered of what is over, and for how long. Details are kept while
 * there is room, so many of each user; totals by user and day for a year,
 * whatever anybody does: no user can make the ledger forget another's.
 */
import type { UsageRecord } from './records.js';
import type { VfCounters } from '../model/vf.js';
import { toTotals } from './rows.js';
import type { Statements } from './statements.js';

/** Most rows of what has ended. Beyond, the oldest are forgotten one by one; the totals that they are in stay. */
export interface LedgerLimits {
  /** Leases of all users together; where that is too many, each user keeps as many as every other. */
  readonly leases: number;
  readonly leasesPerUser: number;
  /** The same of jobs. */
  readonly jobs: number;
  readonly jobsPerUser: number;
  /** Days that totals are kept. */
  readonly days: number;
  /** Totals of a user and day. */
  readonly totals: number;
}

export const LEDGER_LIMITS: LedgerLimits = { leases: 10_000, leasesPerUser: 5000, jobs: 10_000, jobsPerUser: 5000, days: 366, totals: 200_000 };

const DAY_MS = 86_400_000;

/** The day of a moment: days since 1970, in UTC, so that every node of a cluster has the same. */
export const dayOf = (ms: number): number => Math.floor(ms / DAY_MS);

const COLUMNS = ['jobs', 'leases', 'vf_ms', 'tx_frames', 'tx_bytes', 'rx_frames', 'rx_bytes', 'uncounted', 'reports', 'retransmitted', 'fallbacks'] as const;

/** To the totals of a user and day; what is left out is 0. */
export interface UsagePart extends Partial<Record<(typeof COLUMNS)[number], number>> {
  readonly peakBytes?: number;
}

/** What processes say of themselves may be any number: a sum that is too long would be no number to who reads it, and at last none to SQLite. */
export const plus = (column: string, more: string): string => `min(${column} + ${more}, ${Number.MAX_SAFE_INTEGER})`;

const ADD = `INSERT INTO usage (day, uid, ${COLUMNS.join(', ')}, peak_bytes) VALUES (?, ?, ${COLUMNS.map(() => '?').join(', ')}, ?)
  ON CONFLICT (day, uid) DO UPDATE SET ${COLUMNS.map((column) => `${column} = ${plus(column, `excluded.${column}`)}`).join(', ')}, peak_bytes = max(peak_bytes, excluded.peak_bytes)`;

export function addUsage(sql: Statements, atMs: number, uid: number, part: UsagePart): void {
  sql.run(ADD, [dayOf(atMs), uid, ...COLUMNS.map((column) => part[column] ?? 0), part.peakBytes ?? 0]);
}

export const countersPart = ({ txFrames, txBytes, rxFrames, rxBytes }: VfCounters): UsagePart =>
  ({ tx_frames: txFrames, tx_bytes: txBytes, rx_frames: rxFrames, rx_bytes: rxBytes });

export interface UsageQuery {
  /** The first one. */
  readonly day: number;
  /** Undefined: of all users. */
  readonly uid: number | undefined;
  /** Rows at most. */
  readonly most: number;
  /** Only rows before this one: by itself, as others come and go between two parts of an answer. */
  readonly before: Pick<UsageRecord, 'dayMs' | 'uid'> | undefined;
}

/** Oldest first, each day by uid; the newest rows. */
export function usageSince(sql: Statements, { day, uid, most, before }: UsageQuery): UsageRecord[] {
  const where = `day >= ? ${before === undefined ? '' : 'AND (day, uid) < (?, ?)'} ${uid === undefined ? '' : 'AND uid = ?'}`;
  const values = [day, ...(before === undefined ? [] : [dayOf(before.dayMs), before.uid]), ...(uid === undefined ? [] : [uid]), most];
  return sql.all(`SELECT * FROM usage WHERE ${where} ORDER BY day DESC, uid DESC LIMIT ?`, values)
    .reverse()
    .map((row) => ({ dayMs: Number(row['day']) * DAY_MS, uid: Number(row['uid']), jobs: Number(row['jobs']), totals: toTotals(row) }));
}

const NOT_UNDER_WAY = `(state = 'ended' OR (state = 'open' AND vfs IS NULL AND time_limit_s IS NULL))
  AND NOT EXISTS (SELECT 1 FROM leases WHERE job = jobs.key AND leases.ended_at IS NULL)`;

/** Forgets the oldest of what has ended. */
export function forgetOld(sql: Statements, limits: LedgerLimits, nowMs: number): void {
  forget(sql, 'leases', 'id', `state = 'ended'`, limits.leasesPerUser, limits.leases);
  forget(sql, 'jobs', 'key', NOT_UNDER_WAY, limits.jobsPerUser, limits.jobs);
  sql.run('DELETE FROM usage WHERE day <= ?', [dayOf(nowMs) - limits.days]);
  sql.run('DELETE FROM usage WHERE (day, uid) IN (SELECT day, uid FROM usage ORDER BY day DESC, uid LIMIT -1 OFFSET ?)', [limits.totals]);
}

/** Each user keeps its newest; where these are too many together, each as many as every other. */
function forget(sql: Statements, table: 'leases' | 'jobs', key: 'id' | 'key', over: string, perUser: number, limit: number): void {
  const most = sql.all(`SELECT count(*) AS n FROM ${table} WHERE ${over} GROUP BY uid`).map((row) => Number(row['n']));
  if (most.some((n) => n > perUser) || most.reduce((sum, n) => sum + n, 0) > limit) {
    const places = `SELECT ${key}, row_number() OVER (PARTITION BY uid ORDER BY ${key} DESC) AS place FROM ${table} WHERE ${over}`;
    sql.run(`DELETE FROM ${table} WHERE ${key} IN (SELECT ${key} FROM (${places}) WHERE place > ?)`, [perUser]);
    sql.run(`DELETE FROM ${table} WHERE ${key} IN (SELECT ${key} FROM (${places}) ORDER BY place, ${key} DESC LIMIT -1 OFFSET ?)`, [limit]);
  }
}

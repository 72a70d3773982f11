// SPDX-License-Identifier: BSD-3-Clause
/** What is read of the ledger in more than a line. All functions throw what SQLite does. */
import type { LeaseRecord } from './records.js';
import { toCounters, toLease, type Row, type Value } from './rows.js';
import type { Statements } from './statements.js';
import { NO_TRAFFIC, type VfCounters } from '../model/vf.js';

/**
 * Leases with their VFs, oldest first.
 *
 * @param where of the table of leases
 */
export function readLeases(sql: Statements, where: string, params: readonly Value[]): LeaseRecord[] {
  const vfs = new Map<number, Row[]>();
  for (const row of sql.all(`SELECT * FROM lease_vfs JOIN vf_descriptions ON key = description WHERE lease IN (SELECT id FROM leases WHERE ${where}) ORDER BY lease, place`, params)) {
    const lease = Number(row['lease']);
    const others = vfs.get(lease);
    others === undefined ? vfs.set(lease, [row]) : others.push(row);
  }
  return sql.all(`SELECT * FROM leases WHERE ${where} ORDER BY id`, params).map((row) => toLease(row, vfs.get(Number(row['id'])) ?? []));
}

/** What each VF has carried under all its leases so far, by name: those that have ended, and those that go on. */
export function readVfTotals(sql: Statements): Map<string, VfCounters> {
  const sums = ['tx_frames', 'tx_bytes', 'rx_frames', 'rx_bytes'].map((column) => `coalesce(sum(${column}), 0) AS ${column}`).join(', ');
  const rows = sql.all(
    `SELECT name, ${sums} FROM (
       SELECT name, tx_frames, tx_bytes, rx_frames, rx_bytes FROM vfs UNION ALL
       SELECT name, tx_frames, tx_bytes, rx_frames, rx_bytes FROM leases JOIN lease_vfs ON lease_vfs.lease = leases.id WHERE leases.ended_at IS NULL)
     GROUP BY name`,
  );
  return new Map(rows.map((row) => [String(row['name']), toCounters(row) ?? NO_TRAFFIC]));
}

// SPDX-License-Identifier: BSD-3-Clause
import type { Instant } from '../clock.js';
import type { Statements } from './statements.js';

/**
 * Brings what is under way to this boot's clock. Of leases from an earlier
 * boot, which ended with it, it is known how long they were seen to last; of
 * a job's limits, and of what an earlier release wrote, only what the other
 * clock says.
 */
export function rebase(sql: Statements, rebooted: boolean, { wall, boot }: Instant): void {
  if (rebooted) {
    // First, as long as both are of one boot.
    sql.run(
      `UPDATE lease_vfs SET taken_boot = (
         SELECT ? - max(0, coalesce(sampled_boot - granted_boot, sampled_at - granted_at, 0)) + taken_boot - granted_boot FROM leases WHERE id = lease)
       WHERE taken_boot IS NOT NULL AND lease IN (SELECT id FROM leases WHERE ended_at IS NULL)`, [boot]);
    sql.run(`UPDATE leases SET granted_boot = ? - max(0, coalesce(sampled_boot - granted_boot, sampled_at - granted_at, 0)) WHERE ended_at IS NULL`, [boot]);
  } else {
    sql.run(
      `UPDATE leases SET granted_boot = ? - max(0, ? - granted_at), sampled_boot = ? - max(0, ? - coalesce(sampled_at, granted_at))
       WHERE ended_at IS NULL AND granted_boot IS NULL`, [boot, wall, boot, wall]);
  }
  for (const [time, column] of [['opened_at', 'opened_boot'], ['wait_until', 'wait_boot']]) {
    sql.run(`UPDATE jobs SET ${column} = ? + ${time} - ? WHERE state <> 'ended' AND ${time} IS NOT NULL ${rebooted ? '' : `AND ${column} IS NULL`}`, [boot, wall]);
  }
}

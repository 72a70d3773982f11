// SPDX-License-Identifier: BSD-3-Clause
/** vfring preflight -n RANKS: will a job of that size get what it needs on this node? */
import type { StatusView } from '../api/views.js';
import { formatSize } from '../config/units.js';
import { printable, shellWord } from '../shell.js';
import { pinnedPerRank } from '../mpi/pinned.js';
import { UNKNOWN_NODE } from '../numa-nodes.js';

export interface PreflightCheck {
  readonly what: string;
  readonly good: boolean;
  readonly have: string;
  readonly need: string;
  readonly remedy: string;
}

export interface Preflight {
  readonly good: boolean;
  readonly ranks: number;
  readonly rails: number;
  readonly pinned_bytes_per_rank: number;
  readonly checks: readonly PreflightCheck[];
  /** What cannot be told from here. */
  readonly notes: readonly string[];
}

/**
 * @param availableBytes memory that the node has left
 * @param rails VFs that each rank is to have
 */
export function preflight(ranks: number, status: StatusView, availableBytes: number, rails = 1): Preflight {
  const wanted = ranks * rails;
  const usable = status.vfs.filter((vf) => vf.state === 'free');
  const linked = usable.filter((vf) => vf.link_up);
  const kept = status.reserved_vfs + status.queued_vfs;
  // What is registered for one VF of a process counts with each.
  const pinned = rails * pinnedPerRank(Math.max(0, ...status.vfs.map((vf) => vf.mtu)));
  const { policy } = status;
  const size = (bytes: number): string => (bytes < 0 ? 'unlimited' : formatSize(bytes));
  const check = (what: string, have: number, need: number, text: (n: number) => string, remedy: string): PreflightCheck => ({
    what, good: have < 0 || have >= need, have: text(have), need: text(need), remedy,
  });
  const down = [...new Set(usable.filter((vf) => !vf.link_up).map((vf) => vf.pf))];
  const checks = [
    check('free VFs, not reserved', Math.max(0, usable.length - kept), wanted, String,
      'wait for a job to end (vfring status), or raise vfs: in the configuration'),
    check('of these with a link', Math.max(0, linked.length - kept), wanted, String,
      down.length > 0 ? `see why (vfring status); bring ${down.map(printable).join(', ')} up: ip link set dev ${shellWord(down[0] ?? '')} up` : 'wait for a job to end (vfring status)'),
    check('registered memory of a process with its VF', policy.dma_per_vf_bytes, pinned, size, 'raise limits: dma_per_vf: in the configuration'),
    check('RLIMIT_MEMLOCK that vfringd sets', policy.memlock_bytes, pinned, size, 'raise limits: memlock: in the configuration'),
    check('memory of the node for all ranks', availableBytes, ranks * pinned, size, 'run fewer ranks here, or free memory'),
    ...(policy.vfs_per_user === null ? [] : [check('VFs of one user', policy.vfs_per_user, wanted, String, 'raise quotas: vfs_per_user:')]),
  ];
  return { good: checks.every(({ good }) => good), ranks, rails, pinned_bytes_per_rank: pinned, checks, notes: [...numaNotes(status, linked), ...pfNotes(linked, rails)] };
}

/** Where ranks will run is mpirun's choice, and with numa: require it decides which VFs they can have. */
function numaNotes(status: StatusView, linked: StatusView['vfs']): string[] {
  const nodes = [...new Set(status.vfs.map((vf) => vf.numa))].filter((node) => node !== UNKNOWN_NODE).sort((a, b) => a - b);
  if (status.numa !== 'require' || nodes.length === 0) {
    return [];
  }
  const free = nodes.map((node) => `${linked.filter((vf) => vf.numa === node).length} on node ${node}`);
  return [`numa: require: a process gets VFs of its own NUMA node only; free with a link: ${free.join(', ')}. Place no more ranks there (mpirun --map-by ppr:N:numa)`];
}

/** Two VFs of one port carry no more than one. */
function pfNotes(linked: StatusView['vfs'], rails: number): string[] {
  const pfs = new Set(linked.map(({ pf }) => pf)).size;
  return rails <= Math.max(1, pfs) ? [] : [`${rails} VFs for each rank, and ${pfs} PFs with free VFs: some of a rank's VFs are of one PF, and carry no more than one of them`];
}

export function preflightText(report: Preflight): string {
  const lines = report.checks.map(({ what, good, have, need, remedy }) => `${good ? 'ok  ' : 'FAIL'}  ${what}: ${have}, needed ${need}${good ? '' : `\n      remedy: ${remedy}`}`);
  const verdict = report.good
    ? `${report.ranks} ranks${report.rails > 1 ? ` with ${report.rails} VFs each` : ''} fit; each pins about ${formatSize(report.pinned_bytes_per_rank)} at the start, and more for large messages`
    : `${report.ranks} ranks do not fit`;
  return [...lines, ...report.notes, verdict].join('\n');
}

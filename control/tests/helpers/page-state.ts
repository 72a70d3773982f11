// SPDX-License-Identifier: BSD-3-Clause
/** A node as its page shows it, at work: for tests of the page in a browser. */
import type { PageHistory, PageJob, PageSample, PageState, PageVf } from '../../src/web/view.js';

const MIB = 2 ** 20;
export const PFS = ['ens1f0', 'ens1f1', 'ens2f0', 'ens2f1'];
const job = (id: string, more: Partial<PageJob> = {}): PageJob => ({
  id, uid: 1000, state: 'open', how: null, ranks: null, vfs: null, hosts: null, created_at: 0, ended_at: null, wait_until: null,
  totals: { tx_bytes: 0, rx_bytes: 0, tx_frames: 0, rx_frames: 0, leases: 0, peak_bytes: 0, retransmitted: 0, fallbacks: 0, reports: 0 }, ...more,
});

/**
 * Four PFs on two NUMA nodes with seven VFs each: a job of eight ranks with two
 * rails each, a small one, one that waits, some that have ended; a VF that is
 * sick and one that drains.
 *
 * @param now ms since 1970
 * @param ticks seconds of traffic so far
 */
export function pageStateAt(now: number, ticks: number, more: Partial<PageState> = {}): PageState {
  const vfs = PFS.flatMap((pf, p) => Array.from({ length: 7 }, (_unused, i): PageVf => {
    const base = { name: `0000:${p < 2 ? '01' : '81'}:1${p % 2}.${i}`, pf, numa: p < 2 ? 0 : 1, mtu: 9000, segment: 'fabric-a', vlan: 0, link_up: true, reason: null, lease: null };
    const lease = (of: string, uid: number, rank: number, mib: number, speed: number): PageVf => ({
      ...base, state: 'leased',
      lease: {
        id: `l-${of}-${rank}`, job: of, uid, pid: 4000 + rank, rank, live_bytes: mib * MIB, peak_bytes: (mib + 3) * MIB, limit_bytes: 64 * MIB,
        traffic: { tx_bytes: ticks * speed * MIB, rx_bytes: Math.round(ticks * speed * 0.93 * MIB), tx_frames: ticks * speed * 110, rx_frames: ticks * speed * 108 },
      },
    });
    if (i < 4) {
      return lease('run-node7-mwtr1wmr-1', 1000, (p % 2) * 4 + i, p === 0 && i === 1 ? 61 : 22 + i, 240 + 9 * i);
    }
    if (p === 0 && i === 4) {
      return lease('slurm-48213', 1207, 0, 12, 3);
    }
    if (p === 3 && i === 6) {
      return { ...base, state: 'unhealthy', reason: 'no register answers: all bits are set' };
    }
    return p === 2 && i === 6 ? { ...base, state: 'draining', reason: 'a process still drives it after its lease ended' } : { ...base, state: 'free' };
  }));
  const minutes = (count: number): number => now - count * 60_000;
  const totals = (leases: number, mib: number, retransmitted: number): PageJob['totals'] =>
    ({ tx_bytes: mib * MIB, rx_bytes: mib * MIB, tx_frames: mib * 120, rx_frames: mib * 120, leases, peak_bytes: 31 * MIB, retransmitted, fallbacks: 0, reports: leases });
  return {
    release: '0.1.0', host: 'node7', pid: 812, started_at: minutes(60 * 24 * 3 + 44), provider: 'sriov', reserved_vfs: 2, queued_vfs: 12,
    pfs: PFS.map((name) => ({ name, trouble: null })),
    vfs,
    jobs: [
      job('run-node7-mwtr1wmr-1', { ranks: 8, vfs: 16, hosts: ['node7', 'node8'], created_at: minutes(42) }),
      job('slurm-48213', { uid: 1207, ranks: 1, created_at: minutes(6) }),
      job('slurm-48220', { uid: 1207, state: 'queued', vfs: 12, ranks: 12, created_at: minutes(2), wait_until: now + 300_000 }),
      job('job-mwtqz-4', { uid: 1001, state: 'ended', how: 'its processes have ended', ranks: 4, created_at: minutes(75), ended_at: minutes(63), totals: totals(4, 88_000, 17) }),
      job('slurm-48190', { uid: 1207, state: 'ended', how: 'time limit', ranks: 2, created_at: minutes(190), ended_at: minutes(70), totals: totals(2, 1200, 0) }),
    ],
    granted: 1843, refused: 12,
    events: [
      { at: now - 70_000, level: 'error', text: 'VF is unhealthy', details: 'vf 0000:81:11.6, cause no register answers: all bits are set', count: 1 },
      { at: minutes(2), level: 'info', text: 'job created', details: 'job slurm-48220, uid 1207, ranks 12, vfs 12, state queued', count: 1 },
      { at: minutes(5), level: 'warn', text: 'VF is still driven after its lease ended', details: 'vf 0000:81:10.6, lease l-job-4', count: 1 },
      { at: minutes(42), level: 'info', text: 'lease granted', details: 'uid 1000, job run-node7-mwtr1wmr-1', count: 8 },
    ],
    sample: sampleAt(now, 359),
    ...more,
  };
}

/** Of a job that begins after a quarter of an hour, with its phases. */
function sampleAt(at: number, i: number): PageSample {
  const busy = i < 100 ? 0 : 0.72 + 0.2 * Math.sin(i / 9) + 0.06 * Math.sin(i * 1.7);
  return {
    at, leased: i < 100 ? 2 : 17, sick: i > 350 ? 2 : 0, free: 9, queued: i > 347 ? 12 : 0, registered_bytes: (i < 100 ? 20 : 410 + 40 * Math.sin(i / 30)) * MIB,
    pfs: Object.fromEntries(PFS.map((pf, p) => [pf, { tx: Math.round(1050 * MIB * busy * (1 - 0.08 * p)), rx: Math.round(980 * MIB * busy * (1 - 0.08 * p)) }])),
  };
}

export const pageHistoryAt = (now: number): PageHistory => ({ every_s: 10, most: 360, samples: Array.from({ length: 360 }, (_unused, i) => sampleAt(now - (359 - i) * 10_000, i)) });

// SPDX-License-Identifier: BSD-3-Clause
/** What the daemon says, for tests of what is made of it. */
import type { JobView, LeaseView, StatusView, VfView } from '../../src/api/views.js';

export const MIB = 2 ** 20;
export const fakeVf = (name: string, pf: string, more: Partial<VfView> = {}): VfView => ({
  name, pf, kind: 'sriov', device: `/dev/${name}`, mac: '', mtu: 9000, model: null, numa: 0, segment: '', vlan: 0, state: 'free', link_up: true, reason: null, lease: null, ...more,
});
export const fakeStatus = (vfs: VfView[], more: Partial<StatusView> = {}): StatusView => ({
  version: 1, pid: 1, provider: 'sriov', spread: 'pf', rails: 2, numa: 'prefer', started_at: '', reserved_vfs: 0, queued_vfs: 0, troubles: [], http: null, vfs,
  policy: { dma_per_vf_bytes: 64 * MIB, memlock_bytes: 128 * MIB, vfs_per_user: null, jobs_per_user: 64, time_limit_max_s: null }, ...more,
});
export const fakeLease = (rank: number, name: string, pf: string, more: Partial<LeaseView['vfs'][number]> = {}): LeaseView => ({
  id: `l-${rank}`, job: 'j', uid: 1, pid: 100 + rank, rank, ranks: 4, state: 'held', how: null, granted_at: '2026', ended_at: null,
  memlock_bytes: null, numa_nodes: [0], dma_limit_bytes: 64 * MIB,
  vfs: [{ name, pf, device: '', mac: '', numa: 0, segment: '', vlan: 0, generation: 1, traffic: { tx_frames: 1, tx_bytes: 2, rx_frames: 3, rx_bytes: 4 }, peak_bytes: 10 * MIB,
    taken_at: null, taken_how: null, retransmitted_frames: null, aside: false, asides: null, aside_why: null, ...more }],
});
export const noTraffic = { tx_frames: 0, tx_bytes: 0, rx_frames: 0, rx_bytes: 0 };
export const fakeJob = (leases: LeaseView[], more: Partial<JobView> = {}): JobView => ({
  id: 'j', uid: 1, state: 'open', how: null, ranks: 4, spread: null, vfs: null, memory_bytes: null, time_limit_s: null, assigned_vfs: null, shares_memory: false, hosts: null, created_at: '', opened_at: '',
  wait_until: null, ended_at: null, totals: { leases: 0, vf_seconds: 0, traffic: noTraffic, uncounted_vfs: 0, peak_bytes: 0, reports: 0, retransmitted_frames: 0, fallbacks: 0 }, leases, ...more,
});

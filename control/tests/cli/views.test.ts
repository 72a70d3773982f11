// SPDX-License-Identifier: BSD-3-Clause
/** explain, preflight and top, on what the daemon says. */
import { describe, expect, test } from 'vitest';
import type { StatusView } from '../../src/api/views.js';
import { explain, explainText } from '../../src/cli/explain.js';
import { availableBytes } from '../../src/cli/memory.js';
import { preflight, preflightText } from '../../src/cli/preflight.js';
import { jobText, leasesText, pfText, statusText } from '../../src/cli/status.js';
import { topText } from '../../src/cli/top.js';
import { MIB, fakeJob as job, fakeLease as lease, fakeStatus as status, fakeVf as vf, noTraffic as traffic } from '../helpers/fake-views.js';

test('status and PFs name the segment and the VLAN', () => {
  const two = status([vf('a0', 'ens1', { segment: 'fabric-a', vlan: 7 }), vf('b0', 'ens2')]);
  expect(statusText(two)).toMatch(/^a0 +ens1 .* 9000 +7 +fabric-a +\/dev\/a0$/m);
  expect(statusText(two)).toMatch(/^b0 +ens2 .* 9000 +- +- +\/dev\/b0$/m);
  expect(pfText(two)).toMatch(/^ens1 .* 9000 +7 +fabric-a +1/m);
});

describe('explain', () => {
  const vfs = [vf('a0', 'ens1', { state: 'leased' }), vf('a1', 'ens1', { state: 'leased' }), vf('b0', 'ens2', { state: 'leased' })];

  test('tells the path of each pair of ranks and why', () => {
    const { pairs, notes } = explain(job([lease(0, 'a0', 'ens1'), lease(1, 'b0', 'ens2'), lease(2, 'a1', 'ens1')]), status(vfs));
    expect(pairs.map(({ ranks, path }) => [...ranks, path])).toEqual([
      [0, 1, 'wire'], [0, 2, 'switch'], [0, 3, 'none'], [1, 2, 'wire'], [1, 3, 'none'], [2, 3, 'none'],
    ]);
    expect(pairs[2]?.why).toContain('rank 3 took no VF on this node');
    expect(notes.join('\n')).toContain('3 of 4 ranks have taken a VF');
  });

  test('names what is not right: link, limit, MTU, VFs that were lost', () => {
    const sick = [vf('a0', 'ens1', { link_up: false, state: 'leased' }), vf('a1', 'ens1', { mtu: 1500, state: 'unhealthy', reason: 'gone' })];
    const text = explainText(explain(job([lease(0, 'a0', 'ens1', { peak_bytes: 63 * MIB }), lease(1, 'a1', 'ens1')], { ranks: 2 }), status(sick)));
    expect(text).toContain('NO LINK: a0');
    expect(text).toContain('has registered 63 MiB of at most 64 MiB');
    expect(text).toContain('the MTUs of the VFs differ (9000, 1500)');
    expect(text).toContain('VF a1 is unhealthy: gone');
  });
});

test('explain and the list of leases tell which VFs are far from their process', () => {
  const leases = [lease(0, 'a0', 'ens1'), { ...lease(1, 'b0', 'ens2', { numa: 1 }), numa_nodes: [0, 2] }, { ...lease(2, 'c0', 'ens3', { numa: 3 }), numa_nodes: null },
    lease(3, 'd0', 'ens3', { numa: -1 })];
  const { notes } = explain(job(leases), status([], { numa: 'require' }));
  expect(notes).toContain('numa: require (only VFs near the NUMA node of the process)');
  expect(notes.filter((note) => note.includes('crosses'))).toEqual([
    expect.stringMatching(/^rank 1 may run on NUMA node 0, 2 only, and VF b0 is on node 1: .*bind the rank to node 1/) as string,
  ]);
  const [head, ...rows] = leasesText(leases).split('\n');
  const column = (head ?? '').indexOf('NUMA');
  expect(rows.map((row) => row.slice(column).split(/ {2,}/)[0])).toEqual(['0', '1 (far: process on 0,2)', '3', '-']);
});

describe('preflight', () => {
  const four = ['a', 'b', 'c', 'd'].map((name) => vf(name, 'ens1'));

  test('says that a job fits, and what a rank pins', () => {
    const report = preflight(4, status(four), 2 ** 30);
    expect(report.good).toBe(true);
    expect(preflightText(report)).toContain('4 ranks fit; each pins about 10 MiB');
  });

  test('says how many VFs each NUMA node has where processes get no others', () => {
    const vfs = [...four, vf('x', 'ens2', { numa: 1 }), vf('y', 'ens2', { numa: 1, link_up: false }), vf('z', 'ens3', { numa: -1 })];
    expect(preflightText(preflight(1, status(vfs, { numa: 'require' }), 2 ** 30))).toContain('free with a link: 4 on node 0, 1 on node 1.');
    expect(preflight(1, status(vfs), 2 ** 30).notes).toEqual([]);
  });

  test.each<[string, Parameters<typeof preflight>, string]>([
    ['too few VFs', [5, status(four), 2 ** 30], 'free VFs, not reserved: 4, needed 5'],
    ['VFs that others have reserved', [4, status(four, { reserved_vfs: 2 }), 2 ** 30], 'free VFs, not reserved: 2, needed 4'],
    ['a PF without link', [4, status([...four.slice(1), vf('x', 'ens2', { link_up: false })]), 2 ** 30], 'ip link set dev ens2 up'],
    ['too little memory', [4, status(four), 20 * MIB], 'memory of the node for all ranks: 20 MiB, needed 40 MiB'],
    ['a small policy', [1, status(four, { policy: { ...status([]).policy, memlock_bytes: MIB } }), 2 ** 30], 'limits: memlock:'],
    ['a quota', [4, status(four, { policy: { ...status([]).policy, vfs_per_user: 3 } }), 2 ** 30], 'quotas: vfs_per_user:'],
  ])('names %s', (_what, args, text) => {
    const report = preflight(...args);
    expect(report.good).toBe(false);
    expect(preflightText(report)).toContain(text);
  });

  test('no limit is enough for everything', () => {
    expect(preflight(4, status(four, { policy: { ...status([]).policy, memlock_bytes: -1 } }), 2 ** 30).good).toBe(true);
  });

  test('reads the memory of the node', () => {
    expect(availableBytes('MemTotal: 9 kB\nMemAvailable:   1024 kB\n')).toBe(MIB);
    expect(availableBytes()).toBeGreaterThan(MIB);
  });
});

describe('top', () => {
  const at = (txBytes: number, id = 'l-1'): StatusView => status([
    vf('b', 'ens1'),
    vf('a', 'ens1', {
      state: 'leased',
      lease: { id, job: 'j', uid: 1, pid: 9, rank: 3, live_bytes: 3 * MIB, peak_bytes: null, limit_bytes: 64 * MIB, traffic: { ...traffic, tx_bytes: txBytes, tx_frames: txBytes / 1024 } },
    }),
  ]);

  test('shows rates of what came in between, those in use first', () => {
    const lines = topText({ at: 3000, status: at(4 * MIB) }, { at: 1000, status: at(0) }, 24).split('\n');
    expect(lines[3]).toMatch(/^a .*leased .*j +3 +1 +9 +2 MiB\/s +0 B\/s +2048 +0 +3 MiB\/64 MiB$/);
    expect(lines[4]).toMatch(/^b .*free/);
  });

  test('has no rate at first, nor for another lease of the VF', () => {
    expect(topText({ at: 1, status: at(5) }, undefined, 24)).toMatch(/9 +- +- +- +-/);
    expect(topText({ at: 2000, status: at(5, 'l-2') }, { at: 1000, status: at(0) }, 24)).toMatch(/9 +- +- +- +-/);
  });

  test('fits the screen', () => {
    const many = status(Array.from({ length: 100 }, (_unused, i) => vf(`v${i}`, 'ens1')));
    expect(topText({ at: 1, status: many }, undefined, 10).split('\n')).toHaveLength(10);
  });
});

test('PFs, leases and jobs as tables', () => {
  expect(pfText(status([vf('a', 'ens1'), vf('b', 'ens1', { state: 'leased' }), vf('c', 'ens2', { link_up: false })]))).toBe(
    'PF    LINK  NUMA  MTU   VLAN  SEGMENT  VFS  FREE  LEASED  DRAINING  UNHEALTHY\nens1  up    0     9000  -     -        2    1     1       0         0\nens2  down  0     9000  -     -        1    1     0       0         0',
  );
  expect(leasesText([])).toBe('no leases');
  expect(leasesText([lease(0, 'a0', 'ens1')])).toContain('held');
  const text = jobText(job([], {
    vfs: 2, memory_bytes: 64 * MIB, time_limit_s: 3600, how: 'time limit', state: 'ended',
    totals: { leases: 2, vf_seconds: 90, traffic: { ...traffic, tx_bytes: MIB }, uncounted_vfs: 1, peak_bytes: 5 * MIB, reports: 2, retransmitted_frames: 7, fallbacks: 1 },
  }));
  expect(text).toContain('ended (time limit)');
  expect(text).toContain('2 VFs reserved, 64 MiB to register, ends after 1 h');
  expect(text).toContain('in all 2 leases, 1.5 min of VFs, out 1 MiB, in 0 B, 1 VFs not counted, at most 5 MiB registered with a VF, 7 frames sent again, 1 processes reached otherwise');
});

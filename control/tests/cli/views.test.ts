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
  expect(statusText(two)).not.toContain('MODEL');
  expect(statusText(status([vf('vf0', 'soft', { kind: 'soft', model: '82599' })]))).toMatch(/^VF +PF +MODEL +STATE .*\nvf0 +soft +82599 +free /m);
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

describe('of processes with several VFs', () => {
  const two = (rank: number, more: readonly object[] = []): ReturnType<typeof lease> => {
    const [a] = lease(rank, `a${rank}`, 'ens1').vfs;
    const [b] = lease(rank, `b${rank}`, 'ens2').vfs;
    return { ...lease(rank, '', ''), vfs: [{ ...a, ...more[0] }, { ...b, ...more[1] }] as ReturnType<typeof lease>['vfs'] };
  };
  const vfs = ['a0', 'a1'].map((name) => vf(name, 'ens1', { state: 'leased' })).concat(['b0', 'b1'].map((name) => vf(name, 'ens2', { state: 'leased' })));
  const twoRanks = (leases: ReturnType<typeof lease>[]): ReturnType<typeof job> => job(leases, { ranks: 2 });

  test('explain names each rail', () => {
    const { pairs: [only] } = explain(twoRanks([two(0), two(1)]), status(vfs));
    expect(only).toMatchObject({ path: 'switch', rails: [{ vfs: ['a0', 'a1'], path: 'switch', aside: null }, { vfs: ['b0', 'b1'], path: 'switch', aside: null }] });
    expect(only?.why).toMatch(/^rail 0: VFs a0 and a1 are of one PF, ens1.*\. rail 1: VFs b0 and b1 are of one PF, ens2/);
  });

  test('explain says which is aside, and why', () => {
    const taken = { taken_at: '2026', taken_how: 'ended by the administrator' };
    const down = vfs.map((each) => (each.name === 'b1' ? { ...each, link_up: false } : each));
    const [first] = explain(twoRanks([two(0, [taken]), two(1)]), status(vfs)).pairs;
    expect(first?.rails.map(({ aside }) => aside)).toEqual(['taken away (ended by the administrator)', null]);
    expect(first?.why).toContain('aside: taken away');
    const [second] = explain(twoRanks([two(0), two(1)]), status(down)).pairs;
    expect(second?.rails.map(({ aside }) => aside)).toEqual([null, 'NO LINK: b1']);
    const lost = vfs.map((each) => (each.name === 'a1' ? { ...each, state: 'unhealthy' as const, reason: 'the device is gone' } : each));
    expect(explain(twoRanks([two(0), two(1)]), status(lost)).pairs[0]?.rails[0]?.aside).toBe('a1 is unhealthy: the device is gone');
    const said = explain(twoRanks([two(0), two(1, [{}, { aside: true, asides: 1, aside_why: 'its PF was reset' }])]), status(vfs)).pairs[0];
    expect(said?.rails.map(({ aside }) => aside)).toEqual([null, 'rank 1 has set b1 aside (its PF was reset)']);
  });

  test('explain pairs VFs of one segment, whatever their places, and not those that do not meet', () => {
    const x = { segment: 'x' };
    const y = { segment: 'y' };
    expect(explain(twoRanks([two(0, [x, y]), two(1, [y, x])]), status(vfs)).pairs[0]?.rails.map((rail) => rail.vfs)).toEqual([['a0', 'b1'], ['b0', 'a1']]);
    expect(explain(twoRanks([two(0, [x, y]), two(1, [y, { segment: 'z' }])]), status(vfs)).pairs[0]?.rails.map((rail) => rail.vfs)).toEqual([['b0', 'a1']]);
    const none = explain(twoRanks([two(0, [x, x]), two(1, [y, y])]), status(vfs)).pairs[0];
    expect(none).toMatchObject({ path: 'apart', rails: [] });
    expect(none?.why).toMatch(/^VF a0 is on segment x, VF b0 on x, VF a1 on y, VF b1 on y: no frame/);
  });

  test('a job tells of each VF what it carried, what became of it, and what its process said of it', () => {
    const said = { retransmitted_frames: 3, asides: 2, aside_why: 'it has no link' };
    const text = jobText(twoRanks([two(0, [said, { taken_at: '2026-01-01', taken_how: 'VF lost' }])]));
    expect(text).toMatch(/^rank 0: rail 0, VF a0 of PF ens1: out 1 frames 2 B, in 3 frames 4 B; 3 frames sent again; set aside 2 times, last for: it has no link \(still held\)$/m);
    expect(text).toMatch(/^rank 0: rail 1, VF b0 of PF ens2: out .*; taken away at 2026-01-01 \(VF lost\)$/m);
    expect(explain(twoRanks([two(0, [said]), two(1)]), status(vfs)).notes.join('\n')).toContain('rank 0: VF a0; 3 frames sent again; set aside 2 times');
    expect(leasesText([two(0, [{ taken_at: '2026' }])])).toContain('a0 (taken),b0');
  });

  test('preflight counts all of them', () => {
    expect(preflight(2, status(vfs.map((each) => ({ ...each, state: 'free' as const }))), 2 ** 30, 2)).toMatchObject({ good: true, rails: 2, notes: [] });
    const three = preflight(2, status(vfs.map((each) => ({ ...each, state: 'free' as const }))), 2 ** 30, 3);
    expect(preflightText(three)).toContain('free VFs, not reserved: 4, needed 6');
    expect(three.notes).toEqual([expect.stringContaining('3 VFs for each rank, and 2 PFs with free VFs') as string]);
    // What is registered with one counts with each.
    expect(preflightText(preflight(1, status(vfs), 2 ** 30, 8))).toContain('registered memory of a process with its VF: 64 MiB, needed 80 MiB');
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
      lease: { id, job: 'j', uid: 1, pid: 9, rank: 3, live_bytes: 3 * MIB, peak_bytes: null, limit_bytes: 64 * MIB, rail: 1, rails: 2, traffic: { ...traffic, tx_bytes: txBytes, tx_frames: txBytes / 1024 } },
    }),
  ]);

  test('shows rates of what came in between, those in use first', () => {
    const lines = topText({ at: 3000, status: at(4 * MIB) }, { at: 1000, status: at(0) }, 24).split('\n');
    expect(lines[3]).toMatch(/^a .*leased .*j +3 +1 +1 +9 +2 MiB\/s +0 B\/s +2048 +0 +3 MiB\/64 MiB$/);
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

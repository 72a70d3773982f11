// SPDX-License-Identifier: BSD-3-Clause
/** What several nodes are compared by. */
import { describe, expect, test } from 'vitest';
import type { StatusView, VfView } from '../../src/api/views.js';
import { known } from '../../src/cli/audit.js';
import { differences, hostsText, mayReach, valuesText, type KnownNode } from '../../src/cli/differences.js';
import { explainOver, explainText, type JobPart } from '../../src/cli/explain.js';
import type { NodeFacts } from '../../src/cli/node-facts.js';
import { fakeJob, fakeLease, fakeStatus, fakeVf } from '../helpers/fake-views.js';

const facts = (vfs: readonly Partial<VfView>[], more: Partial<NodeFacts> = {}): NodeFacts => ({
  host: '-', release: '0.1.0', uid: 1000, user: 'mpi', clock_ms: 0, kernel: '6.12', module_abi: '1.1',
  open_mpi: { version: '5.0.7', wire_version: '3', tx_entries: 'default', rx_entries: 'default' }, open_mpi_trouble: null,
  available_bytes: 1, status: fakeStatus(vfs.map((vf, i) => fakeVf(`v${i}`, 'ens1', vf))) as StatusView, daemon_trouble: null, ...more,
});
const node = (host: string, vfs: readonly Partial<VfView>[] = [{ segment: 'x' }], more: Partial<NodeFacts> = {}, clockOffsetMs = 0): KnownNode => ({ host, facts: facts(vfs, more), clockOffsetMs });
const found = (...nodes: KnownNode[]): string[] => differences(nodes).map(({ what, verdict, stops }) => `${what}: ${verdict}${stops ? ', stops' : ''}`);
const mpi = (more: object): Partial<NodeFacts> => ({ open_mpi: { version: '5.0.7', wire_version: '3', tx_entries: 'default', rx_entries: 'default', ...more } });

describe('nodes', () => {
  test('that agree have no difference', () => expect(found(node('a'), node('b'), node('c'))).toEqual([]));

  test.each<[string, KnownNode, string[]]>([
    ['wire format', node('b', undefined, mpi({ wire_version: '2' })), ['version of the wire format: fail, stops']],
    ['series of Open MPI', node('b', undefined, mpi({ version: '4.1.4' })), ['Open MPI: fail, stops']],
    ['release of Open MPI', node('b', undefined, mpi({ version: '5.0.8' })), ['Open MPI: warn']],
    ['release of vfring', node('b', undefined, { release: '0.2.0' }), ['release of vfring: warn']],
    ['minor ABI', node('b', undefined, { module_abi: '1.2' }), ['ABI of uio_vf: warn']],
    ['major ABI', node('b', undefined, { module_abi: '2.0' }), ['ABI of uio_vf: fail']],
    ['MTU', node('b', [{ segment: 'x', mtu: 1500 }]), ['MTU: fail, stops']],
    ['ring', node('b', undefined, mpi({ rx_entries: '64' })), ['entries of the receive ring: warn']],
    ['clock', node('b', undefined, {}, -7000), ['difference of the clock: warn']],
    ['uid for the name', node('b', undefined, { uid: 1001 }), ['uid of the user mpi: fail']],
    ['segment', node('b', [{ segment: 'y' }]), ['segment and VLAN: fail, stops']],
    ['VLAN', node('b', [{ segment: 'x', vlan: 7 }]), ['segment and VLAN: fail, stops']],
    ['name that one PF only has', node('b', [{ segment: 'x' }, { segment: 'y' }]), ['segment and VLAN: warn']],
    ['segment that nobody has named', node('b', [{ segment: '' }]), ['segment and VLAN: warn']],
  ])('with another %s differ in that', (_what, other, expected) => expect(found(node('a'), other)).toEqual(expected));

  test('without an answer of vfringd or Open MPI are compared in the rest', () => {
    expect(found(node('a'), node('b', [], { status: null, open_mpi: null, module_abi: null }))).toEqual([]);
  });

  test('are grouped by what they have, and named as far as a person reads', () => {
    const many = Array.from({ length: 20 }, (_unused, i) => node(`n${i}`));
    const [difference] = differences([...many, node('odd', [{ segment: 'x', mtu: 1500 }])]);
    expect(valuesText(difference?.values ?? [])).toBe('9000 on n0, n1, n2, n3, n4, n5, n6, n7 and 12 more; 1500 on odd');
    expect(hostsText(['a', 'b'])).toBe('a, b');
  });

  test('whose clocks the time of the question explains do not differ', () => {
    const at = (clock: number): number => known({ host: 'a', value: facts([], { clock_ms: clock }), asked: 1000, answered: 4000 }).clockOffsetMs;
    expect([at(1000), at(2500), at(4000), at(500), at(9000)]).toEqual([0, 0, 0, -500, 5000]);
  });
});

test('VFs may reach each other unless names or VLANs say otherwise', () => {
  const [x, y, unnamed] = [{ segment: 'x', vlan: 0 }, { segment: 'y', vlan: 0 }, { segment: '', vlan: 0 }];
  expect([mayReach(x, x), mayReach(x, y), mayReach(x, unnamed), mayReach(unnamed, unnamed), mayReach(x, { ...x, vlan: 1 }), mayReach(unnamed, { ...unnamed, vlan: 1 })])
    .toEqual([true, false, true, true, false, false]);
});

describe('explain over several hosts', () => {
  const part = (host: string, rank: number, segment: string, more: Partial<JobPart> = {}): JobPart => ({
    host, job: fakeJob([fakeLease(rank, `v${rank}`, 'ens1', { segment })], { ranks: 4 }), status: fakeStatus([fakeVf(`v${rank}`, 'ens1', { segment, state: 'leased' })]) as StatusView, ...more,
  });

  test('knows pairs of two hosts by their segments, although their PFs have one name', () => {
    const { pairs } = explainOver('j', [part('a', 0, 'x'), part('b', 1, 'x'), part('c', 2, 'y')], []);
    expect(pairs.map(({ ranks, path }) => [...ranks, path])).toEqual([[0, 1, 'wire'], [0, 2, 'apart'], [0, 3, 'none'], [1, 2, 'apart'], [1, 3, 'none'], [2, 3, 'none']]);
    expect(pairs[0]?.why).toMatch(/VF v0 of PF ens1 on a and VF v1 of PF ens1 on b: over segment x$/);
    expect(pairs[1]?.why).toMatch(/is on segment x, VF v2 on c on y: no frame gets from the one to the other/);
  });

  test('says which host did not answer, and that its ranks are not known', () => {
    const text = explainText(explainOver('j', [part('a', 0, 'x')], ['b']));
    expect(text).toContain('host b does not answer: its ranks are not known');
    expect(text).toMatch(/0 - 1 +none +rank 1 took no VF on any host that answered/);
    expect(text).toContain('1 of 4 ranks have taken a VF');
  });
});

// SPDX-License-Identifier: BSD-3-Clause
/** Which VFs are near a process, and that a lease gets those. */
import { existsSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { apiClient } from '../../src/api/client.js';
import type { NumaPolicy } from '../../src/config/schema.js';
import type { Vf } from '../../src/model/vf.js';
import { numaView, parseCpuList, realNuma, type Numa } from '../../src/node/numa.js';
import { VfPool } from '../../src/leases/pool.js';
import { sriovConfig } from '../helpers/config.js';
import { NO_NUMA, fakeMachine } from '../helpers/fake-numa.js';
import { startNode } from '../helpers/fake-node.js';
import { ask, leaseHolder, leaseRequest } from '../helpers/lease-client.js';
import { tempDir } from '../helpers/temp-dir.js';
import { sriovHarness } from '../providers/harness.js';

const vf = (name: string, pf: string, numa: number): Vf => ({ kind: 'sriov', name, device: `/dev/${name}`, mac: '', mtu: 1500, pf, numa, segment: '', vlan: 0 });

describe('the nodes of a process', () => {
  const machine = () => fakeMachine(tempDir(), { 0: '0-3,8-11', 1: '4-7,12-15', 10: '16-23', 2: '' });

  test.each<[string, number[] | undefined]>([
    ['5', [1]],
    ['0-3', [0]],
    ['2-4', [0, 1]],
    ['8,16', [0, 10]],
    ['0-23', [0, 1, 10]],
    // All that the kernel could have, as a process shows that was never bound.
    ['0-1023', [0, 1, 10]],
  ])('bound to CPUs %s', (cpus, nodes) => {
    const { numa, setAffinity } = machine();
    setAffinity(7, cpus);
    expect(numa.nodesOf(7)).toEqual(nodes);
  });

  test('are not known of a process that has ended, and where the kernel has no nodes', () => {
    expect(machine().numa.nodesOf(7)).toBeUndefined();
    const { numa, setAffinity } = fakeMachine(tempDir(), {});
    setAffinity(7, '0');
    expect(numa.nodesOf(7)).toBeUndefined();
  });

  test('are known of CPUs that came later', () => {
    const { numa, setAffinity, setCpus } = machine();
    setAffinity(7, '24');
    expect(numa.nodesOf(7)).toBeUndefined();
    setCpus(1, '4-7,12-15,24');
    expect(numa.nodesOf(7)).toEqual([1]);
  });

  test.skipIf(!existsSync('/sys/devices/system/node/node0'))('are known of this very process', () => {
    expect(realNuma().nodesOf(process.pid)?.length).toBeGreaterThan(0);
  });
});

test('distances are the firmware\'s, by node in ascending order; without, only near and far', () => {
  const told = fakeMachine(tempDir(), { 0: '0', 2: '', 10: '1' }, { 0: '10 17 32', 2: '17 10 28', 10: '32 28 10' }).numa;
  expect([told.distance(0, 0), told.distance(0, 2), told.distance(0, 10), told.distance(10, 2)]).toEqual([10, 17, 32, 28]);
  const silent = fakeMachine(tempDir(), { 0: '0', 1: '1' }).numa;
  expect([silent.distance(1, 1), silent.distance(0, 1), silent.distance(0, 7)]).toEqual([10, 20, 20]);
});

test('lists of CPUs', () => {
  expect(parseCpuList('0-3,8,10-11\n')).toEqual([[0, 3], [8, 8], [10, 11]]);
  expect(parseCpuList('\n')).toEqual([]);
  expect(() => parseCpuList('0-x')).toThrow("not a list of CPUs: '0-x'");
});

describe('what is read on the way of a lease', () => {
  const reads = (policy: NumaPolicy, nodes: readonly number[]): number => {
    let count = 0;
    const numa: Numa = { nodesOf: () => (count++, [0]), distance: () => 20 };
    numaView(policy, numa, 1, nodes.map((node, i) => ({ vf: vf(`v${i}`, 'p', node) })));
    return count;
  };

  test.each<[NumaPolicy, number[], number]>([
    ['prefer', [0, 0, 0], 0],
    ['prefer', [-1, -1], 0],
    ['prefer', [], 0],
    ['prefer', [0, 1, 1, 0], 1],
    ['prefer', [-1, 1], 1],
    ['require', [-1, -1], 0],
    ['require', [0, 0], 1],
    ['ignore', [0, 1], 0],
  ])('%s, VFs on nodes %s: %i times', (policy, nodes, times) => {
    expect(reads(policy, nodes)).toBe(times);
  });
});

test('whatever is free and wherever the process runs: prefer takes a nearest one, require none that is far, ignore what it took before', () => {
  const NODES = [0, 1, 2, 3];
  const node = fc.constantFrom(...NODES);
  fc.assert(
    fc.property(
      fc.array(fc.record({ pf: fc.nat(3), numa: fc.constantFrom(-1, ...NODES), free: fc.boolean() }), { minLength: 1, maxLength: 12 }),
      fc.uniqueArray(node, { minLength: 1, maxLength: 4 }),
      fc.array(fc.integer({ min: 11, max: 99 }), { minLength: 16, maxLength: 16 }),
      fc.constantFrom('pf' as const, 'pack' as const),
      fc.nat(7),
      (made, nodes, table, spread, rank) => {
        const numa: Numa = { nodesOf: () => nodes, distance: (from, to) => (from === to ? 10 : (table[from * 4 + to] ?? 0)) };
        const pool = new VfPool();
        pool.update(made.map(({ pf, numa: on }, i) => vf(`v${i}`, `p${pf}`, on)));
        pool.entries.forEach((entry, i) => made[i]?.free && pool.setFree(entry));
        const free = pool.in('free');
        const away = (on: number): number => (on === -1 ? 10 : Math.min(...nodes.map((from) => numa.distance(from, on))));
        const take = (policy: NumaPolicy): Vf | undefined => {
          const view = numaView(policy, numa, 1, free);
          const allowed = free.filter((entry) => view.allows?.(entry.vf) ?? true);
          return pool.choose(allowed, { picked: [], spread, job: { key: 1, rank }, distance: view.distance })?.vf;
        };
        const least = Math.min(...free.map((entry) => away(entry.vf.numa)));
        const preferred = take('prefer');
        expect(preferred === undefined).toBe(free.length === 0);
        expect(preferred === undefined || away(preferred.numa) === least).toBe(true);

        const required = take('require');
        const near = free.filter((entry) => entry.vf.numa === -1 || nodes.includes(entry.vf.numa));
        expect(required === undefined).toBe(near.length === 0);
        expect(required === undefined || near.some((entry) => entry.vf === required)).toBe(true);

        expect(take('ignore')).toBe(pool.choose(free, { picked: [], spread, job: { key: 1, rank }, distance: undefined })?.vf);
      },
    ),
    { numRuns: 1000, seed: 20_260_101 },
  );
});

describe('a lease', () => {
  /** PF ens1 is on node 0, ens2 on node 1 (-1: not known); the process runs where `nodes` says. */
  async function twoNodes(policy: string, nodes: readonly number[] | undefined, second = 1) {
    const dir = tempDir();
    const harness = sriovHarness(dir, { ens1: 2, ens2: 2 });
    harness.kernel.setNuma('ens1', 0);
    harness.kernel.setNuma('ens2', second);
    const numa: Numa = { ...NO_NUMA, nodesOf: () => nodes, distance: (from, to) => (from === to ? 10 : 20) };
    const config = sriovConfig({ ens1: 2, ens2: 2 }, `numa: ${policy}`);
    const node = await startNode({ dir, provider: harness.provider(), config, numa });
    const pfs = async (more: object): Promise<unknown> => {
      const reply = await ask(node.lease, leaseRequest({ ranks: 4, ...more }));
      return reply.ok ? reply.vfs.map((each) => each.pf) : reply;
    };
    return { harness, node, pfs };
  }

  test('prefers the VFs near its process, whatever its rank, then takes the others', async () => {
    const { node, pfs } = await twoNodes('prefer', [1]);
    expect([await pfs({ rank: 0 }), await pfs({ rank: 1 }), await pfs({ rank: 2 })]).toEqual([['ens2'], ['ens2'], ['ens1']]);
    expect(node.log.find((line) => line.includes('lease granted'))).toMatch(/ numa=1 vf_numa=1$/);
  });

  test('takes a far one with a link before a near one without', async () => {
    const { harness, pfs } = await twoNodes('prefer', [1]);
    harness.kernel.setCarrier('ens2', false);
    expect(await pfs({})).toEqual(['ens1']);
  });

  test('goes round the PFs when its process may run everywhere, and with ignore', async () => {
    for (const { pfs } of [await twoNodes('prefer', [0, 1]), await twoNodes('prefer', undefined), await twoNodes('ignore', [0])]) {
      expect([await pfs({ rank: 0 }), await pfs({ rank: 1 })]).toEqual([['ens1'], ['ens2']]);
    }
  });

  test('that requires a near VF gets no other: need and remedy are named', async () => {
    const { pfs } = await twoNodes('require', [1]);
    expect(await pfs({ count: 3 })).toMatchObject({
      ok: false,
      code: 'VFRING_ERR_NO_NEAR_VF',
      message: `process ${process.pid} runs on NUMA node 1, where 2 VFs are free, and numa: require allows no others: 3 asked for, 2 free on NUMA node 0`,
      remedy: expect.stringMatching(/numactl --cpunodebind=0.*numa: prefer/) as string,
    });
    expect(await pfs({ count: 2 })).toEqual(['ens2', 'ens2']);
    expect(await pfs({})).toMatchObject({ code: 'VFRING_ERR_NO_NEAR_VF' });
  });

  test('that requires a near VF: a VF whose node is not known is near, and a process whose nodes are not known gets no other', async () => {
    expect(await (await twoNodes('require', [3], -1)).pfs({ count: 2 })).toEqual(['ens2', 'ens2']);
    expect(await (await twoNodes('require', undefined)).pfs({})).toMatchObject({
      code: 'VFRING_ERR_NO_NEAR_VF',
      message: expect.stringContaining(`the NUMA nodes of process ${process.pid} are not known`) as string,
    });
  });

  test('that requires a near VF whose PF has no link is told of the link', async () => {
    const { harness, pfs } = await twoNodes('require', [1]);
    harness.kernel.setCarrier('ens2', false);
    expect(await pfs({})).toMatchObject({ code: 'VFRING_ERR_PF_DOWN', message: '2 VFs are free, but without a link: PF ens2 is down', remedy: 'ip link set dev ens2 up' });
  });

  test('is shown with the nodes of its process and of its VFs while it lasts', async () => {
    const { node } = await twoNodes('prefer', [1]);
    const { child, reply } = await leaseHolder(node.lease, leaseRequest({ count: 3 }));
    const api = apiClient(node.runDir);
    expect((await api.status()).numa).toBe('prefer');
    const [lease] = (await api.job('job')).leases;
    expect(lease).toMatchObject({ numa_nodes: [1], vfs: [{ numa: 0 }, { numa: 1 }, { numa: 1 }] });
    child.kill('SIGKILL');
    await node.daemon.manager.revoke(reply.lease).catch(() => {});
    expect((await api.job('job')).leases[0]).toMatchObject({ numa_nodes: null, vfs: [{ numa: 0 }, { numa: 1 }, { numa: 1 }] });
  });
});

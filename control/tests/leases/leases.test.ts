// SPDX-License-Identifier: BSD-3-Clause
/** Leases over the socket: given, given back, and taken back when a process ends. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { apiClient } from '../../src/api/client.js';
import type { Vf } from '../../src/model/vf.js';
import { leaseReply } from '../../src/sockets/lease-messages.js';
import type { Lease } from '../../src/leases/lease.js';
import { softConfig, sriovConfig } from '../helpers/config.js';
import { eventually } from '../helpers/eventually.js';
import { leasesOf, makeNode, startNode } from '../helpers/fake-node.js';
import { vfBdf } from '../helpers/fake-kernel.js';
import { ask, ended, leaseHolder, leaseRequest } from '../helpers/lease-client.js';
import { World } from '../helpers/lease-world.js';
import { tempDir } from '../helpers/temp-dir.js';
import { PF_A, PF_B, softHarness, sriovHarness } from '../providers/harness.js';

/** In memory, with one VF that is looked at as real ones are. */
async function playedNode() {
  const world = new World(join(tempDir(), 'l.db'), 1);
  world.looksWhenGranting = false;
  await world.start();
  let pid = 0;
  const lease = () => (world.daemon as NonNullable<World['daemon']>).manager.lease(1000, world.spawn(++pid, 1000), { count: 1, job: 'job', rank: 0, ranks: 1 });
  return { world, lease };
}

const NAMESPACE = ['--pid', '--fork', '--kill-child'];

const states = (node: Awaited<ReturnType<typeof startNode>>): string[] =>
  node.daemon.manager.pool.entries.map((entry) => entry.state);

describe('a lease', () => {
  test('answers as the protocol says', async () => {
    const node = await startNode();
    const reply = await ask(node.lease, leaseRequest({ count: 2 }));
    expect(reply).toEqual({
      v: 1,
      ok: true,
      lease: 'l-1',
      memlock_bytes: 128 * 2 ** 20,
      vfs: ['vf0', 'vf1'].map((name, i) => ({
        kind: 'soft',
        name,
        device: `${node.dir}/soft/${name}`,
        mac: expect.stringMatching(new RegExp(`^02:76:66:..:..:0${i}$`)) as string,
        mtu: 9000,
        pf: 'soft',
        numa: -1,
        segment: 'switch-1',
        vlan: 0,
        dma_limit_bytes: 64 * 2 ** 20,
      })),
    });
    expect(states(node)).toEqual(['leased', 'leased', 'free', 'free']);
  });

  test('is given back by the process that took it, and by no other', async () => {
    const node = await startNode();
    const { reply } = await leaseHolder(node.lease, leaseRequest());
    expect(await ask(node.lease, { v: 1, op: 'release', lease: reply.lease })).toMatchObject({
      ok: false,
      code: 'VFRING_ERR_NOT_OWNER',
    });
    expect(states(node)[0]).toBe('leased');

    const own = await ask(node.lease, leaseRequest());
    expect(await ask(node.lease, { v: 1, op: 'release', lease: own.lease })).toEqual({ v: 1, ok: true });
    expect(states(node)).toEqual(['leased', 'free', 'free', 'free']);
    expect(await ask(node.lease, { v: 1, op: 'release', lease: own.lease })).toMatchObject({
      code: 'VFRING_ERR_NO_SUCH_LEASE',
    });
    // It is known how it ended: the daemon was told, and did not find out.
    expect([...node.daemon.manager.tally.ended]).toEqual([['released', 1]]);
    expect(node.log.some((line) => line.includes('lease ended') && line.includes('released'))).toBe(true);
  });

  test('ends with its process, killed with SIGKILL', async () => {
    const node = await startNode();
    const { child, reply } = await leaseHolder(node.lease, leaseRequest({ count: 3 }));
    expect(reply.vfs).toHaveLength(3);
    node.soft.setOpen(reply.vfs[0] as unknown as Vf, true);
    child.kill('SIGKILL');
    await eventually(() => states(node).every((state) => state === 'free'));
    expect(node.soft.fake.file(reply.vfs[0]?.device ?? '')).toMatchObject({ made: 2, state: 'free' });
    expect(node.log.some((line) => line.includes('lease ended') && line.includes('process ended'))).toBe(true);
    expect([...node.daemon.manager.tally.ended]).toEqual([['process ended', 1]]);
  });

  test.skipIf(spawnSync('unshare', NAMESPACE).status !== 0)('is for a process in a pid namespace of its own, too, and ends with it', async () => {
    const node = await startNode();
    const { child, reply } = await leaseHolder(node.lease, leaseRequest(), ['unshare', ...NAMESPACE]);
    expect(reply.ok).toBe(true);
    const [lease] = node.daemon.manager.leases();
    // Its own pid there is 1; the lease is of the one that the daemon sees.
    expect(readFileSync(`/proc/${lease?.pid}/status`, 'latin1')).toMatch(/^NSpid:\s+\d+\s+1$/m);
    child.kill('SIGKILL');
    await eventually(() => states(node).every((state) => state === 'free'));
  });

  test('outlives its connection', async () => {
    const node = await startNode();
    await leaseHolder(node.lease, leaseRequest());
    await node.daemon.manager.reconcile();
    expect(states(node)[0]).toBe('leased');
  });

  test('is for all VFs asked for, or none', async () => {
    const node = await startNode({ vfs: 2 });
    const reply = await ask(node.lease, leaseRequest({ count: 3 }));
    expect(reply).toMatchObject({
      ok: false,
      code: 'VFRING_ERR_NO_FREE_VF',
      message: '2 of 2 VFs of this node are free, 3 asked for',
    });
    expect(states(node)).toEqual(['free', 'free']);
    await ask(node.lease, leaseRequest({ count: 2 }));
    expect(await ask(node.lease, leaseRequest({ job: 'another' }))).toMatchObject({ message: 'all 2 VFs of this node are leased' });
  });

  test('a job with too many processes for the VFs that there are is told that it has them itself', async () => {
    const node = await startNode({ vfs: 2 });
    await leaseHolder(node.lease, leaseRequest());
    expect(await ask(node.lease, leaseRequest({ count: 2 }))).toMatchObject({ message: '1 of 2 VFs of this node are free, 2 asked for (1 leased to this job)' });
    await leaseHolder(node.lease, leaseRequest());
    expect(await ask(node.lease, leaseRequest())).toMatchObject({
      code: 'VFRING_ERR_NO_FREE_VF', message: 'all 2 VFs of this node are leased, 2 of them to this job',
      remedy: expect.stringContaining('start fewer processes') as string,
    });
  });

  test('a VF whose process ended this instant is free for the next', async () => {
    const node = await startNode({ vfs: 1 });
    for (let round = 0; round < 5; round++) {
      const { child, reply } = await leaseHolder(node.lease, leaseRequest());
      expect(reply.ok).toBe(true);
      child.kill('SIGKILL');
      await ended(child);
    }
  });

  test('of a node that cannot be handed over is refused, and nothing is lost', async () => {
    const dir = tempDir();
    const provider = softHarness(dir).provider();
    const broken = Object.assign(Object.create(provider) as typeof provider, {
      kind: provider.kind,
      counterBits: 32,
      sampleEveryMs: 1000,
      provision: provider.provision.bind(provider),
      health: provider.health.bind(provider),
      takeBack: provider.takeBack.bind(provider),
      counters: provider.counters.bind(provider),
      grant: () => Promise.reject(new Error('chown: not today')),
    });
    const node = await startNode({ dir, provider: broken });
    expect(await ask(node.lease, leaseRequest())).toMatchObject({ ok: false, message: 'internal error: chown: not today' });
    expect(states(node).every((state) => state === 'free')).toBe(true);
  });
});

test('the largest reply fits into what the protocol allows', async () => {
  const soft = `/${'x'.repeat(79)}`;
  const entries = Array.from({ length: 64 }, (_unused, i) => ({
    vf: { kind: 'soft', name: `vf${192 + i}`, device: `${soft}/vf${192 + i}`, mac: '02:76:66:58:ff:00', mtu: 9000, pf: 'soft', numa: -1, segment: 'x'.repeat(63), vlan: 4094 },
  }));
  const lease = { id: 'l-1000000', memlockBytes: 2 ** 50, dmaLimitBytes: 2 ** 50, vfs: entries } as unknown as Lease;
  expect(leaseReply(lease).length + 1).toBeLessThanOrEqual(32_768);
  expect(softConfig(soft, 256).provider.soft?.dir).toBe(soft);
});

describe('the limit of locked memory', () => {
  test('is raised for the lease and put back after the last one', async () => {
    const node = await startNode();
    const a = await ask(node.lease, leaseRequest());
    const b = await ask(node.lease, leaseRequest());
    expect([a.memlock_bytes, b.memlock_bytes]).toEqual([128 * 2 ** 20, null]);
    await ask(node.lease, { v: 1, op: 'release', lease: a.lease });
    expect(node.limitsSet).toHaveLength(1);
    await ask(node.lease, { v: 1, op: 'release', lease: b.lease });
    const raised = { soft: 128 * 2 ** 20, hard: 128 * 2 ** 20 };
    expect(node.limitsSet.map(({ limit }) => limit)).toEqual([raised, { soft: 8192, hard: 8192 }]);
  });

  test('that the daemon may not set stays as it was', async () => {
    const prlimit = (_pid: number, _resource: number, limit?: object) => {
      if (limit !== undefined) {
        throw Object.assign(new Error('EPERM, prlimit'), { code: 'EPERM' });
      }
      return { soft: 8192, hard: 8192 };
    };
    const node = await startNode({ prlimit });
    expect(await ask(node.lease, leaseRequest())).toMatchObject({ ok: true, memlock_bytes: null });
  });

  test('that fails otherwise refuses the lease, with the VF free again', async () => {
    const prlimit = () => {
      throw Object.assign(new Error('EIO, prlimit'), { code: 'EIO' });
    };
    const node = await startNode({ prlimit });
    expect(await ask(node.lease, leaseRequest())).toMatchObject({ ok: false, code: 'VFRING_ERR_LIMIT' });
    expect(states(node)[0]).toBe('free');
  });
});

describe('a VF that something still drives', () => {
  async function draining() {
    const dir = tempDir();
    const harness = sriovHarness(dir, { ens1: 1 });
    const node = await startNode({ dir, provider: harness.provider(), config: sriovConfig({ ens1: 1 }) });
    const reply = await ask(node.lease, leaseRequest());
    harness.setOpen(reply.vfs[0] as unknown as Vf, true);
    return { harness, node, reply, vf: reply.vfs[0] as unknown as Vf };
  }

  test('is never handed out, and is free as soon as it is closed', async () => {
    const { harness, node, reply, vf } = await draining();
    harness.setCounters(vf, { txFrames: 5, rxFrames: 0, txBytes: 500, rxBytes: 0 });
    await ask(node.lease, { v: 1, op: 'release', lease: reply.lease });
    expect(states(node)).toEqual(['draining']);
    expect(await harness.ownerOf(vf)).toEqual({ uid: 0, mode: 0o600 });
    expect(await ask(node.lease, leaseRequest())).toMatchObject({
      code: 'VFRING_ERR_NO_FREE_VF',
      message: expect.stringContaining('1 still driven by a process that outlived its lease') as string,
    });
    // What it still sends counts for the job that drives it.
    harness.setCounters(vf, { txFrames: 9, rxFrames: 0, txBytes: 900, rxBytes: 0 });
    harness.setOpen(vf, false);
    await eventually(() => states(node)[0] === 'free');
    expect(leasesOf(node, 'job')[0]?.vfs[0]?.traffic).toMatchObject({ txFrames: 9, txBytes: 900 });
    expect(await ask(node.lease, leaseRequest())).toMatchObject({ ok: true });
  });

  test('at the start of the daemon is left to its user, its node taken back', async () => {
    const { harness, node, vf } = await draining();
    await node.daemon.stop('end');
    harness.chmod(vf, 4242, 0o600); // as after a kill -9 of the daemon
    const next = await startNode({ dir: tempDir(), provider: harness.provider(), config: sriovConfig({ ens1: 1 }) });
    expect(states(next)).toEqual(['draining']);
    expect(await harness.ownerOf(vf)).toEqual({ uid: 0, mode: 0o600 });
    harness.setOpen(vf, false);
    await eventually(() => states(next)[0] === 'free');
  });
});

describe('start and stop', () => {
  test('a node that a dead daemon left with a user is taken back, and logged', async () => {
    const dir = tempDir();
    const harness = softHarness(dir, 1);
    const [vf] = await harness.provider().provision({ leased: new Set() });
    harness.chmod(vf as Vf, 4242, 0o660);
    const node = await startNode({ dir, provider: harness.provider(), config: softConfig(dir, 1) });
    expect(states(node)).toEqual(['free']);
    expect((await harness.ownerOf(vf as Vf)).mode).toBe(0o600);
    expect(node.log.some((line) => line.includes('taken back') && line.includes('vf0'))).toBe(true);
  });

  test('a stop takes every VF back and ends the leases', async () => {
    const node = makeNode();
    await node.daemon.start();
    const { reply } = await leaseHolder(node.lease, leaseRequest({ count: 2 }));
    await node.daemon.manager.stop('end');
    expect(leasesOf(node, 'job')[0]?.how).toBe('daemon stopped');
    await node.daemon.stop('end');
    expect(states(node).every((state) => state === 'free')).toBe(true);
    expect(node.soft.fake.file(reply.vfs[0]?.device ?? '').made).toBe(2);
    await expect(ask(node.lease, leaseRequest())).rejects.toThrow();
  });

  test('a request that comes during the stop is told so', async () => {
    const node = await startNode();
    const stopped = node.daemon.manager.stop('end');
    expect(await ask(node.lease, leaseRequest())).toMatchObject({ code: 'VFRING_ERR_SHUTTING_DOWN' });
    await stopped;
  });

  test('VFs that go away are made anew', async () => {
    const node = await startNode({ vfs: 2 });
    node.soft.remove(node.daemon.manager.pool.entries[1]?.vf as Vf);
    await node.daemon.manager.reconcile();
    expect(states(node)).toEqual(['free', 'free']);
    expect(node.log.some((line) => line.includes('unhealthy'))).toBe(true);
  });
});

describe('which VFs', () => {
  const twoPfs = async (more = '') => {
    const dir = tempDir();
    const harness = sriovHarness(dir, { ens1: 2, ens2: 2 });
    const node = await startNode({ dir, provider: harness.provider(), config: sriovConfig({ ens1: 2, ens2: 2 }, more) });
    return { harness, node };
  };

  test('spread pf: ranks go round the PFs, whoever asks first', async () => {
    const { node } = await twoPfs();
    const pfs = new Map<number, string | undefined>();
    for (const rank of [1, 0, 3, 2]) {
      pfs.set(rank, (await ask(node.lease, leaseRequest({ rank, ranks: 4 }))).vfs[0]?.pf);
    }
    expect([0, 1, 2, 3].map((rank) => pfs.get(rank))).toEqual(['ens1', 'ens2', 'ens1', 'ens2']);
  });

  test('spread pf: two VFs of one rank are of two PFs', async () => {
    const { node } = await twoPfs();
    const reply = await ask(node.lease, leaseRequest({ count: 2 }));
    expect(reply.vfs.map((vf) => vf.pf)).toEqual(['ens1', 'ens2']);
  });

  test('spread pack: one PF first', async () => {
    const { node } = await twoPfs('spread: pack');
    const reply = await ask(node.lease, leaseRequest({ count: 3, rank: 1 }));
    expect(reply.vfs.map((vf) => vf.name)).toEqual([vfBdf(PF_A.bdf, 0), vfBdf(PF_A.bdf, 1), vfBdf(PF_B.bdf, 0)]);
  });

  test('VFs whose PF has no link are passed over; if that leaves too few, the PF is named', async () => {
    const { harness, node } = await twoPfs();
    harness.kernel.setCarrier('ens1', false);
    const reply = await ask(node.lease, leaseRequest({ count: 2 }));
    expect(reply.vfs.map((vf) => vf.pf)).toEqual(['ens2', 'ens2']);
    expect(await ask(node.lease, leaseRequest())).toMatchObject({
      code: 'VFRING_ERR_PF_DOWN',
      message: '2 VFs are free, but without a link: PF ens1 is down',
      remedy: 'ip link set dev ens1 up',
    });
    harness.kernel.setCarrier('ens1', true);
    expect(await ask(node.lease, leaseRequest())).toMatchObject({ ok: true });
  });
});

test('a PF that another network namespace has is the reason at its VFs, and in what a lease is told', async () => {
  const dir = tempDir();
  const harness = sriovHarness(dir, { ens1: 2 });
  const node = await startNode({ dir, provider: harness.provider(), config: sriovConfig({ ens1: 2 }) });
  harness.kernel.toOtherNamespace('ens1');
  expect(await ask(node.lease, leaseRequest())).toMatchObject({
    code: 'VFRING_ERR_PF_DOWN',
    message: `2 VFs are free, but without a link: PF ${PF_A.bdf} has its network interface in another network namespace than vfringd`,
    remedy: expect.stringContaining('ip -n NAMESPACE link set dev PF netns 1') as string,
  });
  const { vfs } = await apiClient(node.runDir).status();
  expect(vfs[0]).toMatchObject({ state: 'free', link_up: false, reason: expect.stringContaining('another network namespace') as string });
  await expect(harness.provider().provision({ leased: new Set() })).rejects.toMatchObject({
    code: 'VFRING_ERR_PF_ELSEWHERE', message: expect.stringContaining(PF_A.bdf) as string, remedy: expect.stringContaining('link set dev ens1 netns 1') as string,
  });
});

describe('counters', () => {
  test('samples during a lease keep what the registers lose when they wrap', async () => {
    const node = await startNode({ vfs: 1 });
    const { child, reply } = await leaseHolder(node.lease, leaseRequest());
    const vf = reply.vfs[0] as unknown as Vf;
    for (const [i, txBytes] of [3_000_000_000, 1_705_032_704, 410_065_408].entries()) {
      // 3e9, 6e9, 9e9... modulo 2^32
      node.soft.setCounters(vf, { txFrames: (i + 1) * 2_000_000, rxFrames: 0, txBytes, rxBytes: 0 });
      await node.daemon.manager.sample();
    }
    child.kill('SIGKILL');
    await eventually(() => states(node)[0] === 'free');
    expect(leasesOf(node, 'job')[0]?.vfs[0]?.traffic?.txBytes).toBe(3_000_000_000 + 3_000_000_000 + 3_000_000_000);
  });

  describe.each([['in a lease', true], ['between two leases', false]])('of a PF that was reset %s', (_when, within) => {
    test('count what was carried, in the job and in the metrics', async () => {
      const { world, lease } = await playedNode();
      const frames = (n: number) => ({ txFrames: n, rxFrames: n, txBytes: n * 1000, rxBytes: n * 1000 });
      const { manager, ledger } = world.daemon as NonNullable<World['daemon']>;
      const carry = async (...readings: number[]): Promise<void> => {
        const held = await lease();
        for (const reading of readings) {
          world.vf('vf0').counters = frames(reading);
          await manager.sample();
        }
        await manager.release(held.pid, held.id);
      };
      await carry(91_701, ...(within ? [50] : []));
      world.vf('vf0').counters = within ? frames(50) : frames(0);
      await carry(within ? 350 : 300);
      const total = ledger.leases(ledger.leaseIdsOfVf('vf0', 9)).reduce((sum, { vfs }) => sum + (vfs[0]?.traffic?.txFrames ?? 0), 0);
      expect(total).toBe(91_701 + (within ? 50 : 0) + 300);
      expect(ledger.vfTotals().get('vf0')).toEqual(frames(total));
    });
  });

  test('that cannot be read at the end are unknown, not zero', async () => {
    const node = await startNode({ vfs: 1 });
    const { child } = await leaseHolder(node.lease, leaseRequest());
    node.soft.fake.failing.set('show', 'cannot read');
    child.kill('SIGKILL');
    await eventually(() => node.daemon.manager.leases().length === 0);
    expect(leasesOf(node, 'job')[0]?.vfs[0]?.traffic).toBeNull();
  });
});

test('many processes at once: each VF goes to one of them', async () => {
  const node = await startNode({ vfs: 8 });
  const replies = await Promise.all(Array.from({ length: 24 }, (_unused, rank) => ask(node.lease, leaseRequest({ rank, ranks: 24 }))));
  const given = replies.filter((reply) => reply.ok).flatMap((reply) => reply.vfs.map((vf) => vf.name));
  expect(given).toHaveLength(8);
  expect(new Set(given).size).toBe(8);
  expect(replies.filter((reply) => !reply.ok).every((reply) => reply.code === 'VFRING_ERR_NO_FREE_VF')).toBe(true);
});

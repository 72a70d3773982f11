// SPDX-License-Identifier: BSD-3-Clause
/** What is slow, missing or sick costs nobody else anything. */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { apiClient } from '../../src/api/client.js';
import { statusText } from '../../src/cli/status.js';
import type { PoolEntry } from '../../src/leases/pool.js';
import type { Provider } from '../../src/providers/provider.js';
import { sriovConfig } from '../helpers/config.js';
import { eventually } from '../helpers/eventually.js';
import { makeNode, startNode, type FakeNode } from '../helpers/fake-node.js';
import { ask, leaseHolder, leaseRequest } from '../helpers/lease-client.js';
import { tempDir } from '../helpers/temp-dir.js';
import { PF_A, sriovHarness } from '../providers/harness.js';

const CONFIG = sriovConfig({ ens1: 2, ens2: 2 });

/** A provider of which one call waits until it is let go. */
function slow<K extends 'provision' | 'quiet' | 'plan'>(provider: Provider, name: K): { provider: Provider; hold: () => void; go: () => void; waiting: () => boolean } {
  let gate: Promise<void> = Promise.resolve();
  let go = (): void => {};
  let waits = 0;
  const held = new Proxy(provider, {
    get(target, key) {
      const value = Reflect.get(target, key, target) as unknown;
      if (typeof value !== 'function') {
        return value;
      }
      const call = value.bind(target) as (...args: unknown[]) => unknown;
      return key !== name ? call : async (...args: unknown[]) => {
        waits++;
        await gate;
        waits--;
        return await call(...args);
      };
    },
  });
  return { provider: held, hold: () => (gate = new Promise((resolve) => (go = resolve))), go: () => go(), waiting: () => waits > 0 };
}

describe('a VF that takes long to mend', () => {
  test('keeps no lease waiting, and is nobody\'s meanwhile', async () => {
    const dir = tempDir();
    const harness = sriovHarness(dir);
    const { provider, hold, go, waiting } = slow(harness.provider(), 'provision');
    const node = await startNode({ dir, provider, config: CONFIG });
    const sick = node.daemon.manager.pool.entries[0]?.vf.name ?? '';
    harness.kernel.bindTo(sick, 'igbvf');
    hold();
    const mended = node.daemon.manager.reconcile();
    await eventually(waiting);
    const { vfs } = await ask(node.lease, leaseRequest({ count: 3 }));
    expect(vfs.map(({ name }) => name)).not.toContain(sick);
    expect(vfs).toHaveLength(3);
    go();
    await mended;
    await eventually(() => node.daemon.manager.pool.entries.find(({ vf }) => vf.name === sick)?.state === 'free');
  });

  test('is not given away while its settings are put right', async () => {
    const dir = tempDir();
    const harness = sriovHarness(dir);
    const { provider, hold, go, waiting } = slow(harness.provider(), 'provision');
    const node = await startNode({ dir, provider, config: CONFIG });
    Object.assign(harness.kernel.pf('ens1').vfs[0] ?? {}, { spoofchk: false });
    hold();
    const mended = node.daemon.manager.reconcile(true);
    await eventually(waiting);
    expect(node.daemon.manager.pool.count('free')).toBe(3);
    // The three that are well are given out, and not touched.
    expect((await ask(node.lease, leaseRequest({ count: 3 }))).ok).toBe(true);
    go();
    await mended;
    expect(harness.kernel.pf('ens1').vfs[0]?.spoofchk).toBe(true);
  });

  test('that is being reset keeps only its own lease from ending', async () => {
    const dir = tempDir();
    const harness = sriovHarness(dir);
    const { provider, hold, go, waiting } = slow(harness.provider(), 'quiet');
    const node = await startNode({ dir, provider, config: CONFIG });
    const { reply, child } = await leaseHolder(node.lease, leaseRequest());
    hold();
    child.kill('SIGKILL');
    await eventually(waiting);
    expect((await ask(node.lease, leaseRequest({ job: 'other' }))).ok).toBe(true);
    go();
    await eventually(() => node.daemon.manager.pool.entries.find(({ vf }) => vf.name === reply.vfs[0]?.name)?.state === 'free');
  });
});

describe('a VF that cannot be set up', () => {
  const states = (node: FakeNode): string[] => node.daemon.manager.pool.entries.map(({ vf, state }) => `${vf.pf} ${state}`);

  test('keeps none of the others of its PF from being served: it is told, and served when it can be', async () => {
    const dir = tempDir();
    const harness = sriovHarness(dir);
    const sick = harness.vfBdf(PF_A, 0);
    harness.kernel.unbindable.add(sick);
    const node = await startNode({ dir, provider: harness.provider(), config: CONFIG });
    expect(states(node)).toEqual(['ens1 unhealthy', 'ens1 free', 'ens2 free', 'ens2 free']);
    const status = await apiClient(node.runDir).status();
    expect(status.vfs[0]).toMatchObject({ name: sick, state: 'unhealthy', reason: expect.stringContaining('did not appear') as string, lease: null });
    expect(status.troubles).toEqual([]);
    expect((await ask(node.lease, leaseRequest({ count: 3 }))).ok).toBe(true);
    expect((await ask(node.lease, leaseRequest({ job: 'more' }))).message).toContain('1 unhealthy');

    await node.daemon.manager.reconcile();
    expect(node.log.filter((line) => line.includes('VF is unhealthy'))).toHaveLength(1);
    harness.kernel.unbindable.clear();
    await node.daemon.manager.reconcile();
    expect(states(node)[0]).toBe('ens1 free');
    expect(node.daemon.manager.pool.entries[0]?.vf.device).toMatch(/uiovf/);
  });

  test('whose MAC cannot be fixed is nobody\'s, though it has its node; nothing of what was done to it stays', async () => {
    const dir = tempDir();
    const harness = sriovHarness(dir);
    const node = await startNode({ dir, provider: harness.provider(), config: CONFIG });
    Object.assign(harness.kernel.pf('ens1').vfs[1] ?? {}, { mac: '02:00:00:00:00:01', trust: true });
    harness.kernel.forgets.add('mac');
    await node.daemon.manager.reconcile(true);
    expect(states(node)).toEqual(['ens1 free', 'ens1 unhealthy', 'ens2 free', 'ens2 free']);
    expect(node.daemon.manager.pool.entries[1]?.reason).toContain('mac');
    expect(harness.kernel.pf('ens1').vfs[1]?.trust).toBe(true);
    harness.kernel.forgets.clear();
    await node.daemon.manager.reconcile();
    expect(states(node)[1]).toBe('ens1 free');
    expect(harness.kernel.pf('ens1').vfs[1]?.trust).toBe(false);
  });

  test('as one that a virtual machine holds: it is left to that, and the others are mended', async () => {
    const dir = tempDir();
    const harness = sriovHarness(dir);
    const node = await startNode({ dir, provider: harness.provider(), config: CONFIG });
    harness.kernel.bindTo(harness.vfBdf(PF_A, 0), 'vfio-pci');
    harness.kernel.bindTo(harness.vfBdf(PF_A, 1), 'igbvf');
    await node.daemon.manager.reconcile();
    expect(states(node)).toEqual(['ens1 unhealthy', 'ens1 free', 'ens2 free', 'ens2 free']);
    expect(node.daemon.manager.pool.entries[0]?.reason).toContain('vfio-pci');
    expect(harness.kernel.drivers()[harness.vfBdf(PF_A, 0)]).toBe('vfio-pci');
    // What is left to do, and a configuration that is taken over, are of the others alone, too.
    harness.kernel.bindTo(harness.vfBdf(PF_A, 1), 'igbvf');
    expect((await apiClient(node.runDir).plan()).steps.map(({ what }) => what)).toContainEqual(expect.stringContaining(`${harness.vfBdf(PF_A, 1)}/driver/unbind`));
    await node.daemon.reload(false);
    expect(states(node)).toEqual(['ens1 unhealthy', 'ens1 free', 'ens2 free', 'ens2 free']);
  });

  test('while a process still drives it is nobody\'s when that ends', async () => {
    const dir = tempDir();
    const harness = sriovHarness(dir);
    const node = await startNode({ dir, provider: harness.provider(), config: CONFIG });
    await ask(node.lease, leaseRequest());
    const [entry] = node.daemon.manager.pool.in('leased');
    const { vf } = entry as PoolEntry;
    harness.setOpen(vf, true);
    Object.assign(harness.kernel.pf(vf.pf).vfs[0] ?? {}, { mac: '02:00:00:00:00:01' });
    harness.kernel.forgets.add('mac');
    await node.daemon.reload(true);
    expect(states(node)[0]).toBe('ens1 draining');
    harness.setOpen(vf, false);
    await eventually(() => states(node)[0] !== 'ens1 draining');
    expect([states(node)[0], entry?.reason]).toEqual(['ens1 unhealthy', expect.stringContaining('mac')]);
    harness.kernel.forgets.clear();
    await node.daemon.manager.reconcile();
    expect(states(node)[0]).toBe('ens1 free');
  });

  test('and is the only one: that is why the daemon does not start', async () => {
    const dir = tempDir();
    const harness = sriovHarness(dir, { ens1: 1 });
    harness.kernel.unbindable.add(harness.vfBdf(PF_A, 0));
    await expect(startNode({ dir, provider: harness.provider(), config: sriovConfig({ ens1: 1 }) })).rejects.toMatchObject({ code: 'VFRING_ERR_VF_NO_NODE' });
  });
});

describe('a PF that is not there', () => {
  test('does not keep the others from being served: it is told', async () => {
    const dir = tempDir();
    const harness = sriovHarness(dir);
    const node = await startNode({ dir, provider: harness.of(sriovConfig({ ens1: 2, ens9: 2 }).provider.sriov as never), config: sriovConfig({ ens1: 2, ens9: 2 }) });
    expect((await ask(node.lease, leaseRequest({ count: 2 }))).ok).toBe(true);
    const status = await apiClient(node.runDir).status();
    expect(status.troubles).toEqual([{ pf: 'ens9', code: 'VFRING_ERR_PF_UNKNOWN', message: expect.stringContaining('ens9') as string, remedy: expect.stringMatching(/./) as string }]);
    expect(statusText(status)).toContain('PF ens9 gives no VFs: ');
    expect(node.log.filter((line) => line.includes('gives no VFs'))).toHaveLength(1);
    await node.daemon.manager.reconcile(true);
    expect(node.log.filter((line) => line.includes('gives no VFs'))).toHaveLength(1);
  });

  test('and goes away in the middle: VFs of the others are mended still, and it is taken up when it is back', async () => {
    const dir = tempDir();
    const harness = sriovHarness(dir);
    const node = await startNode({ dir, provider: harness.provider(), config: CONFIG });
    const [sick] = node.daemon.manager.pool.entries;
    harness.kernel.toOtherNamespace('ens2');
    harness.kernel.bindTo(sick?.vf.name ?? '', 'igbvf');
    await node.daemon.manager.reconcile();
    expect(node.daemon.manager.pool.entries.filter(({ vf, state }) => vf.pf === 'ens1' && state === 'free')).toHaveLength(2);
    expect(node.daemon.manager.troubles.map(({ code }) => code)).toEqual(['VFRING_ERR_PF_ELSEWHERE']);
    expect(node.daemon.manager.pool.entries).toHaveLength(4);
  });

  test('and is the only one: nothing is served', async () => {
    const dir = tempDir();
    const harness = sriovHarness(dir);
    await expect(startNode({ dir, provider: harness.of(sriovConfig({ ens9: 2 }).provider.sriov as never), config: sriovConfig({ ens9: 2 }) })).rejects.toMatchObject({ code: 'VFRING_ERR_PF_UNKNOWN', exitStatus: 78 });
  });
});

describe('a VF under lease', () => {
  test('is looked at: no link, and a device that is gone, are seen in API and metrics', async () => {
    const dir = tempDir();
    const harness = sriovHarness(dir);
    const node = await startNode({ dir, provider: harness.provider(), config: CONFIG });
    await leaseHolder(node.lease, leaseRequest());
    const api = apiClient(node.runDir);
    const mine = async () => (await api.status()).vfs.find((vf) => vf.state === 'leased');
    expect(await mine()).toMatchObject({ link_up: true, reason: null });

    harness.kernel.setCarrier('ens1', false);
    await node.daemon.manager.reconcile();
    expect(await mine()).toMatchObject({ link_up: false, reason: 'PF ens1 is down' });

    harness.kernel.setCarrier('ens1', true);
    await node.daemon.manager.reconcile();
    expect(await mine()).toMatchObject({ link_up: true, reason: null });

    harness.remove(node.daemon.manager.pool.in('leased')[0]?.vf as never);
    await node.daemon.manager.reconcile();
    expect((await mine())?.reason).toMatch(/not bound/);
  });

  test('has its link in what a daemon says that has just taken it over', async () => {
    const dir = tempDir();
    const ledgerFile = join(dir, 'ledger.db');
    const harness = sriovHarness(dir);
    const options = { dir, ledgerFile, provider: harness.provider(), config: CONFIG };
    const first = makeNode(options);
    await first.daemon.start();
    await leaseHolder(first.lease, leaseRequest());
    await first.daemon.stop();
    const next = await startNode({ ...options, provider: harness.provider() });
    expect((await apiClient(next.runDir).status()).vfs.find((vf) => vf.state === 'leased')).toMatchObject({ link_up: true, reason: null });
  });
});

test('counters that cannot be read are said once for each VF, and again only when they could be in between', async () => {
  const dir = tempDir();
  const harness = sriovHarness(dir);
  let broken = true;
  const provider = new Proxy(harness.provider(), {
    get: (target, key) => {
      const value = Reflect.get(target, key, target) as unknown;
      return key !== 'counters' || !broken ? (typeof value === 'function' ? (value.bind(target) as unknown) : value) : async () => {
        throw new Error('no answer');
      };
    },
  });
  broken = false;
  const node = await startNode({ dir, provider, config: CONFIG });
  await leaseHolder(node.lease, leaseRequest({ count: 4 }));
  broken = true;
  const lines = (): number => node.log.filter((line) => line.includes('counters')).length;
  for (let i = 0; i < 5; i++) {
    await node.daemon.manager.sample();
  }
  expect(lines()).toBe(4);
  broken = false;
  await node.daemon.manager.sample();
  broken = true;
  await node.daemon.manager.sample();
  expect(lines()).toBe(8);
});

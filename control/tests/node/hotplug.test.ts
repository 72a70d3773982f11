// SPDX-License-Identifier: BSD-3-Clause
import { writeFileSync } from 'node:fs';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { Hotplug } from '../../src/node/hotplug.js';
import { native } from '../../src/native.js';
import { sriovConfig } from '../helpers/config.js';
import { eventually } from '../helpers/eventually.js';
import { startNode } from '../helpers/fake-node.js';
import { tempDir } from '../helpers/temp-dir.js';
import { sriovHarness } from '../providers/harness.js';

describe('announcements', () => {
  test('lead to one look, when it is quiet; those that the look makes itself to none', async () => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    let looks = 0;
    const hotplug = new Hotplug({
      look: async () => {
        looks++;
        hotplug.announce();
      },
      failed: () => {},
      quietMs: 300,
      apartMs: 5000,
    });
    for (let i = 0; i < 10; i++) {
      hotplug.announce();
      await vi.advanceTimersByTimeAsync(100);
    }
    expect(looks).toBe(0);
    await vi.advanceTimersByTimeAsync(300);
    expect(looks).toBe(1);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(looks).toBe(1);
    // The next look keeps its distance from the last.
    hotplug.announce();
    await vi.advanceTimersByTimeAsync(300);
    expect(looks).toBe(2);
    hotplug.announce();
    await vi.advanceTimersByTimeAsync(4000);
    expect(looks).toBe(2);
    await vi.advanceTimersByTimeAsync(1000);
    expect(looks).toBe(3);
    hotplug.announce();
    hotplug.close();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(looks).toBe(3);
  });

  test('are followed after a look that failed, too; that is told', async () => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    const failed: unknown[] = [];
    const hotplug = new Hotplug({ look: () => Promise.reject(new Error('no answer')), failed: (error) => failed.push(error) });
    for (let i = 1; i <= 2; i++) {
      hotplug.announce();
      await vi.advanceTimersByTimeAsync(10_000);
      expect(failed).toHaveLength(i);
    }
  });

  test('make the daemon mend a VF at once', async () => {
    const dir = tempDir();
    const harness = sriovHarness(dir, { ens1: 2 });
    let changed = (): void => {};
    const node = await startNode({
      dir, provider: harness.provider(), config: sriovConfig({ ens1: 2 }),
      watchDevices: (callback) => {
        changed = callback;
        return { close: () => {} };
      },
    });
    const [entry] = node.daemon.manager.pool.entries;
    harness.kernel.bindTo(entry?.vf.name ?? '', 'igbvf');
    Object.assign(harness.kernel.pf('ens1').vfs[1] ?? {}, { spoofchk: false });
    changed();
    await eventually(async () => harness.kernel.pf('ens1').vfs[1]?.spoofchk === true && node.daemon.manager.pool.count('free') === 2);
  });
});

const uevent = '/sys/class/net/lo/uevent';
const mayAnnounce = ((): boolean => {
  try {
    writeFileSync(uevent, 'change');
    return true;
  } catch {
    return false;
  }
})();

test.skipIf(!mayAnnounce)('the kernel\'s own announcements come through (root only: one is asked for)', async () => {
  const seen: string[] = [];
  const watch = new (native().UeventWatch)((subsystem) => seen.push(subsystem));
  onTestFinished(() => watch.close());
  writeFileSync(uevent, 'change');
  await eventually(() => seen.includes('net'));
  watch.close();
  watch.close();
});

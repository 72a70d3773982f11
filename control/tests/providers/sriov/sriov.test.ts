// SPDX-License-Identifier: BSD-3-Clause
/** What only real VFs have: PFs, links, modules, IOMMU groups. */
import { describe, expect, test } from 'vitest';
import type { ErrorCode } from '../../../src/errors.js';
import { native } from '../../../src/native.js';
import { vfMac } from '../../../src/providers/sriov/mac.js';
import type { Exec } from '../../../src/exec.js';
import { silentLog, type Log } from '../../../src/log.js';
import { config, sriovConfig } from '../../helpers/config.js';
import { vfBdf } from '../../helpers/fake-kernel.js';
import { tempDir } from '../../helpers/temp-dir.js';
import { PF_A, sriovHarness, sriovProvider } from '../harness.js';
import { NONE, refusal, sriovSuite } from './suite.js';

const VF0 = vfBdf(PF_A.bdf, 0);

sriovSuite('a played machine', (dir) => sriovHarness(dir), 2);

describe('provisioning of real VFs', () => {
  test('a driver that forgets what was set is not believed', async () => {
    const { provider, kernel } = sriovHarness(tempDir(), { ens1: 1 });
    kernel.forgets.add('mac');
    const error = await refusal(provider().provision(NONE), 'VFRING_ERR_NOT_SETTLED');
    expect(error.message).toContain('vf 0 mac');
  });

  test('nodes of all VFs are waited for at once: where none comes, that is known after one wait', async () => {
    const { kernel } = sriovHarness(tempDir());
    const vfs = [0, 1, 2].map((index) => vfBdf(PF_A.bdf, index));
    vfs.forEach((bdf) => kernel.unbindable.add(bdf));
    let bound = 0;
    const write = async (path: string, value: string): Promise<void> => {
      await kernel.sysfs.write(path, value);
      // The first node comes when the last VF has been bound.
      if (path === 'bus/pci/drivers_probe' && ++bound === vfs.length) {
        kernel.unbindable.clear();
        vfs.forEach((bdf) => kernel.bindTo(bdf, 'uio_vf'));
      }
    };
    const provider = sriovProvider(kernel, sriovConfig({ ens1: 3 }).provider.sriov ?? { pf: [] }, { sysfs: { ...kernel.sysfs, write } });
    expect((await provider.provision(NONE)).map(({ name }) => name)).toEqual(vfs);
  });

  test('a link that does not come is waited for once, not for each VF that a rate cap is for', async () => {
    const { kernel } = sriovHarness(tempDir());
    kernel.linkComesUp = false;
    let looks = 0;
    const read = (path: string): Promise<string | undefined> => {
      looks += path === 'class/net/ens1/carrier' ? 1 : 0;
      return kernel.sysfs.read(path);
    };
    const { sriov } = config('version: 1\nprovider: {sriov: {pf: [{name: ens1, vfs: 4, max_tx_mbit: 100}]}}').provider;
    // Patience is counted in looks: 11 a wait.
    await sriovProvider(kernel, sriov ?? { pf: [] }, { sysfs: { ...kernel.sysfs, read }, patienceMs: 200 }).provision(NONE);
    expect(kernel.pf('ens1').vfs.map(({ max_tx_rate: rate }) => rate)).toEqual([100, 100, 100, 100]);
    // The PF's own, which was down, and one.
    expect(looks).toBeLessThan(3 * 11);
  });

  test('a VF that cannot be set up is tried again, which is logged once', async () => {
    const { kernel } = sriovHarness(tempDir());
    const logged: string[] = [];
    const log: Log = { ...silentLog, info: (_what, fields) => void logged.push(String(fields?.['do'])), warn: (what) => void logged.push(what) };
    const provider = sriovProvider(kernel, sriovConfig({ ens1: 2 }).provider.sriov ?? { pf: [] }, { log });
    const provision = async (): Promise<string[]> => {
      logged.length = 0;
      const sick: string[] = [];
      await provider.provision({ leased: new Set(), sick: (bdf) => sick.push(bdf) });
      return sick;
    };
    kernel.unbindable.add(VF0);
    expect(await provision()).toEqual([VF0]);
    expect(logged).toContain(`echo ${VF0} > /sys/bus/pci/drivers_probe`);
    expect([await provision(), logged]).toEqual([[VF0], []]);
    kernel.unbindable.clear();
    expect(await provision()).toEqual([]);
    kernel.bindTo(VF0, 'igbvf');
    expect(await provision()).toEqual([]);
    expect(logged).toContain(`echo ${VF0} > /sys/bus/pci/drivers_probe`);
  });
});

describe('udev, which may give a new node to root after it is a user\'s', () => {
  const withUdev = async (status: number): Promise<{ calls: string[]; warned: string[]; vfs: number }> => {
    const { kernel } = sriovHarness(tempDir());
    const calls: string[] = [];
    const warned: string[] = [];
    const played: Exec = async (program, args) => {
      calls.push([program, ...args].join(' '));
      return program === 'udevadm' ? { status, stdout: '', stderr: status === 0 ? '' : 'Timed out' } : kernel.exec(program, args);
    };
    const provider = sriovProvider(kernel, sriovConfig({ ens1: 2 }).provider.sriov ?? { pf: [] }, {
      exec: played, log: { ...silentLog, warn: (what) => void warned.push(what) },
    });
    const vfs = await provider.provision(NONE);
    await provider.provision(NONE);
    return { calls, warned, vfs: vfs.length };
  };

  test('is waited for once, when the last VF is bound, and not when none is', async () => {
    const { calls, warned } = await withUdev(0);
    expect(calls.filter((call) => call.startsWith('udevadm'))).toEqual(['udevadm settle --timeout=1']);
    expect(warned).toEqual([]);
  });

  test('and is no reason to give up', async () => {
    expect(await withUdev(1)).toMatchObject({ vfs: 2, warned: ['udev is still at work'] });
  });
});

describe('what provisioning refuses, before it changes anything', () => {
  const refused = async (pfs: Record<string, number>, code: ErrorCode, prepare = (_: ReturnType<typeof sriovHarness>): void => {}) => {
    const harness = sriovHarness(tempDir(), pfs);
    prepare(harness);
    const error = await refusal(harness.provider().provision(NONE), code);
    expect(harness.kernel.changes).toEqual([]);
    return error;
  };

  test('a PF may be named by any name of its interface', async () => {
    const { kernel, of } = sriovHarness(tempDir(), { ens1: 2 });
    kernel.altnames.set('enp1s0', 'ens1');
    const provider = of(sriovConfig({ enp1s0: 2 }).provider.sriov as never);
    expect((await provider.provision({ leased: new Set() })).map(({ pf }) => pf)).toEqual(['ens1', 'ens1']);
    expect(await provider.plan()).toEqual([]);
  });

  test('a PF without SR-IOV', async () => {
    await refused({ eno1: 1 }, 'VFRING_ERR_NO_SRIOV', ({ kernel }) =>
      kernel.addPf({ bdf: '0000:05:00.0', name: 'eno1', mac: '52:54:00:00:00:01', totalVfs: 0 }),
    );
  });

  test('no ip', async () => {
    await refused({ ens1: 1 }, 'VFRING_ERR_NO_IP', ({ kernel }) => void (kernel.hasIp = false));
  });

  test('no kernel module', async () => {
    const error = await refused({ ens1: 1 }, 'VFRING_ERR_NO_MODULE', ({ kernel }) => kernel.unloadModule());
    expect(error.remedy).toContain('modprobe uio_vf');
  });
});

describe('isolation', () => {
  test('without an IOMMU no VF is bound', async () => {
    const { provider, kernel } = sriovHarness(tempDir(), { ens1: 2 });
    kernel.iommu = false;
    const error = await refusal(provider().provision(NONE), 'VFRING_ERR_NO_IOMMU');
    expect(error.remedy).toContain('intel_iommu=on');
    expect(kernel.nodes.size).toBe(0);
  });

  test.each([
    ['no-interrupt-remapping', 'VFRING_ERR_NO_INTERRUPT_REMAPPING', 'intremap=off'],
    ['not-coherent', 'VFRING_ERR_VF_NOT_ISOLATED', 'uio_vf(4)'],
  ] as const)('a VF that uio_vf calls %s is refused before anybody gets it', async (isolation, code, remedy) => {
    const { provider, kernel } = sriovHarness(tempDir(), { ens1: 1 });
    kernel.isolation = isolation;
    const error = await refusal(provider().provision(NONE), code);
    expect(error.remedy).toContain(remedy);
  });

  test('a shared IOMMU group is refused, with who shares it', async () => {
    const { provider, kernel } = sriovHarness(tempDir(), { ens1: 2 });
    kernel.sharedGroups = true;
    const error = await refusal(provider().provision(NONE), 'VFRING_ERR_IOMMU_GROUP_SHARED');
    expect(error.message).toContain('0000:01:10.2');
    expect(kernel.nodes.size).toBe(0);
  });
});

describe('VFs at run time', () => {
  test('a link that does not come up does not stop provisioning', async () => {
    const { provider, kernel } = sriovHarness(tempDir(), { ens1: 1 });
    kernel.linkComesUp = false;
    expect(await provider().provision(NONE)).toHaveLength(1);
  });

  test('a function that reads as all ones has no counters', async () => {
    const { provider, kernel } = sriovHarness(tempDir(), { ens1: 1 });
    const p = provider();
    const [vf] = await p.provision(NONE);
    kernel.setRegisters(VF0, Object.fromEntries(Object.values(native().vfRegisters['82576']).map((offset) => [offset, 0xffff_ffff])));
    await expect(p.counters(vf ?? fail())).rejects.toThrow('does not answer');
  });

  test.each([
    ['0x1520', 'I350', '82576'], ['0x10ed', '82599', '82599'], ['0x1515', 'X540', '82599'], ['0x1565', 'X550', '82599'],
    ['0x15a8', 'X550EM_x', '82599'], ['0x15c5', 'X550EM_a', '82599'], ['0x57ad', 'E610', '82599'],
  ] as const)('the counters of a function %s (%s) stand where the %s has them', async (id, _card, family) => {
    const { provider, kernel } = sriovHarness(tempDir(), { ens1: 1 });
    const p = provider();
    const vf = (await p.provision(NONE))[0] ?? fail();
    kernel.setId(VF0, id);
    const { VFGPTC, VFGPRC, VFGOTC, VFGORC } = native().vfRegisters[family];
    // The bits beyond the 32nd have a register of their own, behind the lower ones', and are not asked for.
    kernel.setRegisters(VF0, { [VFGPTC]: 1, [VFGPRC]: 2, [VFGOTC]: 3, [VFGOTC + 4]: 15, [VFGORC]: 0xffff_ffff, [VFGORC + 4]: 15 });
    expect(await p.counters(vf)).toEqual({ txFrames: 1, rxFrames: 2, txBytes: 3, rxBytes: 0xffff_ffff });
  });

  test('a function that nobody here knows has no counters', async () => {
    const { provider, kernel } = sriovHarness(tempDir(), { ens1: 1 });
    const p = provider();
    const vf = (await p.provision(NONE))[0] ?? fail();
    kernel.setId(VF0, '0x154c');
    await expect(p.counters(vf)).rejects.toThrow('0x8086:0x154c are not known');
  });

  test('counters are not read while uio_vf resets the function', async () => {
    const { provider, kernel, setCounters } = sriovHarness(tempDir(), { ens1: 1 });
    const p = provider();
    const vf = (await p.provision(NONE))[0] ?? fail();
    const counters = { txFrames: 7, rxFrames: 6, txBytes: 500, rxBytes: 400 };
    setCounters(vf, counters);
    kernel.setNodeAttribute(vf.name, 'state', 'open');
    kernel.setNodeAttribute(vf.name, 'owner_pid', '0');
    await expect(p.counters(vf)).rejects.toThrow('being reset');
    const reading = p.counters(vf);
    kernel.setNodeAttribute(vf.name, 'owner_pid', '4711');
    await expect(reading).resolves.toEqual(counters);
  });

  test('a VF that was bound anew is not mistaken for the old node', async () => {
    const { provider, kernel } = sriovHarness(tempDir(), { ens1: 1 });
    const p = provider();
    const [vf] = await p.provision(NONE);
    kernel.bindTo(VF0, 'uio_vf');
    const error = await refusal(p.grant(vf ?? fail(), 1000, 4096), 'VFRING_ERR_VF_UNHEALTHY');
    expect(error.message).toContain('bound anew as uiovf1');
  });
});

describe('MAC of a VF', () => {
  test('keeps the PF recognisable and ends with the index', () => {
    expect(vfMac('02', 'A0:36:9F:12:34:56', 6)).toBe('02:9f:12:34:56:06');
    expect(vfMac('02:76:66', 'a0:36:9f:12:34:56', 255)).toBe('02:76:66:34:56:ff');
    expect(vfMac('0a:01:02:03', 'a0:36:9f:12:34:56', 1)).toBe('0a:01:02:03:56:01');
  });

  test('an index beyond a byte is an error, not another VF\'s MAC', () => {
    expect(() => vfMac('02', 'a0:36:9f:12:34:56', 256)).toThrow(RangeError);
  });

  test('two PFs whose VFs would share MACs are refused', async () => {
    const { kernel } = sriovHarness(tempDir());
    kernel.addPf({ bdf: '0000:03:00.0', name: 'ens3', mac: '52:54:11:12:34:56' });
    const text = 'version: 1\nprovider: {sriov: {pf: [{name: ens1, vfs: 1, mac_prefix: "02:76:66"}, {name: ens3, vfs: 1, mac_prefix: "02:76:66"}]}}';
    const provider = sriovProvider(kernel, config(text).provider.sriov ?? { pf: [] });
    await refusal(provider.plan(), 'VFRING_ERR_MAC_COLLISION');
    await refusal(provider.provision(NONE), 'VFRING_ERR_MAC_COLLISION');
  });
});

function fail(): never {
  throw new Error('no VF');
}

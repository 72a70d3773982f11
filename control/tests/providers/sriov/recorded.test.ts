// SPDX-License-Identifier: BSD-3-Clause
/** Discovery, planner and doctor on machines as they were recorded, not as somebody thought them to be. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { StatusView } from '../../../src/api/views.js';
import { examine, type Report } from '../../../src/doctor/check.js';
import { CHECKS } from '../../../src/doctor/doctor.js';
import { silentLog } from '../../../src/log.js';
import { native } from '../../../src/native.js';
import { version } from '../../../src/paths.js';
import type { PlannedStep } from '../../../src/providers/provider.js';
import { observePf, predictVfBdfs } from '../../../src/providers/sriov/observe.js';
import { selectPfs } from '../../../src/providers/sriov/select.js';
import { SriovProvider } from '../../../src/providers/sriov/sriov-provider.js';
import { sriovConfig } from '../../helpers/config.js';
import { FakeKernel } from '../../helpers/fake-kernel.js';
import { recordedMachine, readRecording, type RecordedMachine } from '../../recordings/recorded.js';
import type { Scenario } from '../../recordings/recording.js';
import { tempDir } from '../../helpers/temp-dir.js';
import { PF_A, sriovHarness } from '../harness.js';

const PF = 'eth0';
const machineOf = (scenario: Scenario): RecordedMachine => recordedMachine(scenario, tempDir());
const vfio = { probe: never, open: never, close: never };
const observe = ({ sysfs, ip }: RecordedMachine) => observePf(sriovConfig({ [PF]: 2 }).provider.sriov?.pf[0] ?? never(), { sysfs, ip, devDir: '/dev', vfio });

function plan(machine: RecordedMachine, vfs: number): Promise<readonly PlannedStep[]> {
  const { ip, exec } = machine;
  // uio_vf is loaded; a recording has the drivers that have a device.
  const sysfs = { ...machine.sysfs, list: async (path: string) => [...(await machine.sysfs.list(path)), ...(path === 'bus/pci/drivers' ? ['uio_vf'] : [])] };
  const { vfRegisters } = native();
  const ops = new FakeKernel(tempDir()).ops;
  const context = { sysfs, ip, exec, log: silentLog, devDir: '/dev', patienceMs: 10, ops, readRegisters: () => [], registers: vfRegisters, vfio };
  return new SriovProvider(sriovConfig({ [PF]: vfs }).provider.sriov ?? never(), context).plan();
}

const what = (steps: readonly PlannedStep[]): string[] => steps.map((step) => step.what);

describe('discovery', () => {
  test('finds the PFs by name, by driver and by device', async () => {
    const { sysfs } = machineOf('no-vfs');
    const base = { vfs: 2, mtu: 9000, up: true, mac_prefix: '02' };
    for (const select of [{ driver: 'igb' }, { vendor: '8086', device: '10c9' }]) {
      const found = await selectPfs({ pf: [{ ...base, select }] } as never, sysfs);
      expect(found.map(({ name }) => name)).toEqual(['eth0', 'eth1']);
    }
  });

  test.each<[Scenario, number, string | undefined, string | undefined]>([
    ['no-vfs', 0, undefined, undefined],
    ['igbvf-7', 7, 'igbvf', undefined],
    ['uio_vf-2', 2, 'uio_vf', 'isolated'],
  ])('sees %s as it is', async (scenario, count, driver, isolation) => {
    const pf = await observe(machineOf(scenario));
    expect(pf).toMatchObject({ name: PF, totalVfs: 7, numVfs: count, adminUp: true, permanentMac: '52:54:00:25:76:00' });
    expect(pf.vfs.map((vf) => vf.driver)).toEqual(Array(count).fill(driver));
    expect(pf.vfs.map((vf) => vf.isolation)).toEqual(Array(count).fill(isolation));
    const groups = pf.vfs.map((vf) => vf.iommuGroup).filter((group) => group !== undefined);
    expect(new Set(groups).size).toBe(count);
    expect(pf.vfs.every((vf) => vf.groupPeers.length === 0 && vf.admin.spoofchk === true && vf.admin.trust === false)).toBe(true);
  });

  test('sees that VFs have no IOMMU group where there is no IOMMU', async () => {
    const pf = await observe(machineOf('no-iommu'));
    expect(pf.vfs.map(({ driver, isolation, iommuGroup }) => [driver, isolation, iommuGroup])).toEqual(Array(2).fill(['uio_vf', 'no-iommu', undefined]));
  });

  test('knows where VFs will be', async () => {
    const before = machineOf('no-vfs');
    const made = await observe(machineOf('igbvf-7'));
    expect(await predictVfBdfs(before.sysfs, made.bdf, 7)).toEqual(made.vfs.map(({ bdf }) => bdf));
  });
});

describe('the planner', () => {
  test('makes VFs where there are none', async () => {
    const steps = what(await plan(machineOf('no-vfs'), 2));
    expect(steps).toContain('ip link set dev eth0 mtu 9000');
    expect(steps.filter((step) => step.endsWith('sriov_numvfs'))).toEqual(['echo 2 > /sys/bus/pci/devices/0000:01:00.0/sriov_numvfs']);
    expect(steps.filter((step) => step.endsWith('drivers_probe'))).toHaveLength(2);
    expect(steps.at(-1)).toBe('udevadm settle');
  });

  test('takes the VFs of igbvf over, each with a MAC of its own', async () => {
    const steps = what(await plan(machineOf('igbvf-7'), 7));
    expect(steps.filter((step) => step.endsWith('driver/unbind'))).toHaveLength(7);
    expect(steps.filter((step) => step.includes('driver_override'))).toHaveLength(7);
    expect(new Set(steps.filter((step) => step.includes(' mac '))).size).toBe(7);
    expect(steps.some((step) => step.includes('spoofchk') || step.includes('trust'))).toBe(false);
  });

  test('has nothing to do where it was done', async () => {
    expect(await plan(machineOf('uio_vf-2'), 2)).toEqual([]);
  });

  test('goes by way of 0 to another number', async () => {
    const steps = what(await plan(machineOf('uio_vf-2'), 3)).filter((step) => step.endsWith('sriov_numvfs'));
    expect(steps.map((step) => step.split(' ')[1])).toEqual(['0', '3']);
  });
});

describe('the doctor', () => {
  const look = async (scenario: Scenario, vfs: number): Promise<Report[]> => {
    const machine = machineOf(scenario);
    const status = { pid: 7, provider: 'sriov', vfs: [] } as unknown as StatusView;
    const reports = await examine(CHECKS, {
      sysfs: machine.sysfs, file: machine.file, exec: machine.exec, release: machine.recording.release,
      config: sriovConfig({ [PF]: vfs }), configTrouble: undefined, configUnread: false, status, statusTrouble: undefined, statusRemedy: undefined,
      memlock: () => 'unlimited', stat: async () => ({ uid: 0, mode: 0o600 }), openMpi: async () => ({ found: 'Open MPI', btl: version(), oneSided: undefined }), softTool: '',
    });
    return reports.filter(({ verdict }) => verdict === 'fail');
  };

  test('is content with a machine that vfringd has provisioned', async () => {
    expect(await look('uio_vf-2', 2)).toEqual([]);
  });

  test('names what is missing before', async () => {
    expect((await look('no-vfs', 2)).map(({ check, cause }) => `${check}: ${cause}`)).toEqual([
      'pf: eth0 has 0 VFs, the configuration asks for 2',
      'pf: eth0 has MTU 1500, the configuration vouches for 9000',
    ]);
  });

  test('names each VF of another driver', async () => {
    const found = (await look('igbvf-7', 7)).filter(({ check }) => check === 'groups');
    expect(found).toHaveLength(7);
    expect(found[0]?.cause).toMatch(/^VF 0000:01:10\.0 is bound to igbvf$/);
  });

  test('names the missing IOMMU, and what to do', async () => {
    const found = await look('no-iommu', 2);
    expect(found.map(({ check, cause }) => `${check}: ${cause}`)).toEqual([
      'iommu: the kernel finds none',
      'interrupt-remapping: no interrupt goes through it: a VF could raise any interrupt',
      'pf: eth0 has MTU 1500, the configuration vouches for 9000',
      'groups: VF 0000:01:10.0 is in no IOMMU group',
      'groups: VF 0000:01:10.2 is in no IOMMU group',
    ]);
    expect(found[0]?.remedy).toMatch(/VT-d/);
  });
});

describe('the played kernel', () => {
  /** Attributes below a folder, with what is made of them: nothing, a file or a link. */
  const played = async (): Promise<Map<string, Set<string>>> => {
    const dir = tempDir();
    const harness = sriovHarness(dir, { ens1: 2 });
    await harness.provider().provision({ leased: new Set() });
    const vf = harness.vfBdf(PF_A, 0);
    const names = (path: string): Set<string> =>
      new Set(readdirSync(join(dir, 'sys/bus/pci/devices', path), { withFileTypes: true }).filter((entry) => !entry.isDirectory()).map(({ name }) => name));
    const [node = ''] = readdirSync(join(dir, 'sys/bus/pci/devices', vf, 'uio_vf'));
    return new Map([['pf', names(PF_A.bdf)], ['vf', names(vf)], ['node', names(`${vf}/uio_vf/${node}`)]]);
  };

  test('has no attribute that the real one has not', async () => {
    const { sys } = readRecording('uio_vf-2');
    const real = (pattern: RegExp): Set<string> => new Set(Object.entries(sys).filter(([folder]) => pattern.test(folder)).flatMap(([, entries]) => Object.keys(entries)));
    const recorded = new Map([
      ['pf', real(/devices\/0000:01:00\.0$/)], ['vf', real(/devices\/0000:01:1\d\.\d$/)], ['node', real(/uio_vf\/uiovf\d+$/)],
    ]);
    // Read through mmap only, and 16 KiB of it: not recorded.
    const unrecorded = new Set(['resource0']);
    for (const [kind, names] of await played()) {
      expect([...names].filter((name) => !recorded.get(kind)?.has(name) && !unrecorded.has(name)), kind).toEqual([]);
    }
  });
});

function never(): never {
  throw new Error('no PF');
}

// SPDX-License-Identifier: BSD-3-Clause
/** VFs bound to vfio-pci: what is refused, what is opened, and what other drivers have. */
import { describe, expect, test } from 'vitest';
import type { SriovConfig } from '../../../src/config/schema.js';
import type { ErrorCode } from '../../../src/errors.js';
import type { Vf } from '../../../src/model/vf.js';
import { config } from '../../helpers/config.js';
import { vfBdf, type FakeKernel } from '../../helpers/fake-kernel.js';
import { tempDir } from '../../helpers/temp-dir.js';
import { PF_A, PF_B, sriovHarness, sriovProvider } from '../harness.js';
import { NONE, refusal } from './suite.js';

const sriov = (...pfs: string[]): SriovConfig => config(`version: 1\nprovider: {sriov: {pf: [${pfs.join(', ')}]}}`).provider.sriov ?? { pf: [] };
const OVER_VFIO = sriov('{name: ens1, vfs: 2, backend: vfio}');
const VF0 = vfBdf(PF_A.bdf, 0);

type Change = (kernel: FakeKernel) => void;

describe('a machine that does not confine processes', () => {
  test.each<[string, Change, ErrorCode, string]>([
    ['without vfio-pci', (k) => k.unloadModule('vfio-pci'), 'VFRING_ERR_NO_VFIO', 'vfio-pci is not loaded'],
    ['that allows devices without an IOMMU', (k) => k.setParameter('vfio/parameters/enable_unsafe_noiommu_mode', 'Y'), 'VFRING_ERR_VFIO_UNSAFE', 'vfio.enable_unsafe_noiommu_mode'],
    ['that allows interrupts of everybody', (k) => k.setParameter('vfio_iommu_type1/parameters/allow_unsafe_interrupts', 'Y'), 'VFRING_ERR_VFIO_UNSAFE', 'allow_unsafe_interrupts'],
    ['without an IOMMU', (k) => void (k.iommu = false), 'VFRING_ERR_NO_IOMMU', 'IOMMU'],
    ['whose VFs share a group', (k) => void (k.sharedGroups = true), 'VFRING_ERR_IOMMU_GROUP_SHARED', 'shares its IOMMU group'],
  ])('%s gives no VF, and what was done is undone', async (_name, change, code, text) => {
    const { kernel, show } = sriovHarness(tempDir());
    change(kernel);
    expect((await refusal(sriovProvider(kernel, OVER_VFIO).provision(NONE), code)).message).toContain(text);
    expect((await show(PF_A)).vfs).toEqual([]);
  });

  test('is none for PFs of uio_vf, and uio_vf is not needed for those of vfio', async () => {
    const { kernel } = sriovHarness(tempDir());
    kernel.unloadModule('vfio-pci');
    expect(await sriovProvider(kernel, sriov('{name: ens1, vfs: 2}')).provision(NONE)).toHaveLength(2);
    const other = sriovHarness(tempDir()).kernel;
    other.unloadModule();
    expect(await sriovProvider(other, OVER_VFIO).provision(NONE)).toHaveLength(2);
  });
});

describe('VFs of two backends', () => {
  test('a PF each: each VF is bound as its PF says, and those of vfio alone are opened, in one address space', async () => {
    const { kernel } = sriovHarness(tempDir());
    const provider = sriovProvider(kernel, sriov('{name: ens1, vfs: 2, backend: vfio}', '{name: ens2, vfs: 1}'));
    const vfs = await provider.provision(NONE);
    expect(vfs.map(({ backend }) => backend)).toEqual(['vfio', 'vfio', 'uio_vf']);
    expect(kernel.drivers()).toMatchObject({ [VF0]: 'vfio-pci', [vfBdf(PF_B.bdf, 0)]: 'uio_vf' });
    expect(await provider.plan()).toEqual([]);
    const opened = await provider.open(vfs);
    expect(opened?.descriptors).toHaveLength(3); // the container, and two VFs
    expect(kernel.descriptors.size).toBe(3);
    opened?.close();
    expect(kernel.descriptors.size).toBe(0);
    expect(await provider.open(vfs.slice(2))).toBeUndefined();
  });

  test('a PF that changes its backend has its VFs bound anew, but for one that is driven', async () => {
    const { kernel } = sriovHarness(tempDir());
    await sriovProvider(kernel, sriov('{name: ens1, vfs: 2}')).provision(NONE);
    kernel.setNodeAttribute(VF0, 'state', 'open');
    await sriovProvider(kernel, OVER_VFIO).provision(NONE);
    expect(kernel.drivers()).toMatchObject({ [VF0]: 'uio_vf', [vfBdf(PF_A.bdf, 1)]: 'vfio-pci' });
  });

  test('what vfio-pci has is somebody else\'s where the configuration does not say vfio', async () => {
    const { kernel } = sriovHarness(tempDir());
    await sriovProvider(kernel, OVER_VFIO).provision(NONE);
    await refusal(sriovProvider(kernel, sriov('{name: ens1, vfs: 2}')).provision(NONE), 'VFRING_ERR_VF_FOREIGN_DRIVER');
    expect(kernel.drivers()[VF0]).toBe('vfio-pci');
  });
});

test('a VF that cannot be opened is named, with what the kernel says, and none is open', async () => {
  const { kernel } = sriovHarness(tempDir());
  const provider = sriovProvider(kernel, OVER_VFIO);
  const vfs = await provider.provision(NONE);
  const [, second] = vfs as [Vf, Vf];
  kernel.unopenable.set(second.name, 'EPERM: give it an address space');
  const error = await refusal(provider.open(vfs), 'VFRING_ERR_VF_UNHEALTHY');
  expect(error.message).toContain(second.name);
  expect(error.message).toContain('without interrupt remapping');
  expect(kernel.descriptors.size).toBe(0);
});

test('a group that cannot be opened at all is no free VF', async () => {
  const { kernel } = sriovHarness(tempDir());
  const provider = sriovProvider(kernel, OVER_VFIO, {
    vfio: { ...kernel.vfio, probe: () => { throw Object.assign(new Error('EPERM: have the group alone'), { code: 'EPERM' }); } },
  });
  const [vf] = await provider.provision(NONE) as [Vf];
  expect(await provider.health(vf)).toMatchObject({ device: 'gone', detail: expect.stringContaining('have the group alone') });
  await refusal(provider.grant(vf, 4242, 1 << 20), 'VFRING_ERR_VF_UNHEALTHY');
});

test('neither memory nor traffic is counted, and the node of a group stays root\'s', async () => {
  const { kernel } = sriovHarness(tempDir());
  const provider = sriovProvider(kernel, OVER_VFIO);
  const [vf] = await provider.provision(NONE) as [Vf];
  await provider.grant(vf, 4242, 1 << 20);
  expect([await provider.memory(vf), await provider.counters(vf)]).toEqual([null, null]);
  Object.assign(kernel.nodes.get(vf.device) ?? {}, { uid: 4242, mode: 0o666 });
  expect(await provider.keepOwner(vf, 4242, 1 << 20)).toBeDefined(); // It was changed.
  expect(kernel.nodes.get(vf.device)).toMatchObject({ uid: 0, mode: 0o600 });
});

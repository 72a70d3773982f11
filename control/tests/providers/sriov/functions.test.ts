// SPDX-License-Identifier: BSD-3-Clause
/** VFs whose PF is not here, as a virtual machine has them. */
import { describe, expect, test } from 'vitest';
import { config } from '../../helpers/config.js';
import { FakeKernel } from '../../helpers/fake-kernel.js';
import { tempDir } from '../../helpers/temp-dir.js';
import type { Vf } from '../../../src/model/vf.js';
import type { SriovProvider } from '../../../src/providers/sriov/sriov-provider.js';
import { PF_A, sriovProvider } from '../harness.js';
import { NONE, refusal } from './suite.js';

const [A, B] = ['0000:08:00.0', '0000:09:00.0'];

function machine(backend = 'uio_vf', functions = [A, B]): { kernel: FakeKernel; provider: SriovProvider } {
  const kernel = new FakeKernel(tempDir());
  functions.forEach((bdf) => kernel.addFunction(bdf));
  const list = [A, B].map((bdf, i) => `{bdf: "${bdf}", mac: "02:AA:00:00:00:0${i}"}`).join(', ');
  const { provider } = config(`version: 1\nprovider: {sriov: {pf: [{functions: [${list}], mtu: 9000, backend: ${backend}}]}}`);
  return { kernel, provider: sriovProvider(kernel, provider.sriov ?? { pf: [] }) };
}

describe.each(['uio_vf', 'vfio'] as const)('VFs without a PF, bound to %s', (backend) => {
  test('are bound and nothing else, have the MACs that they were said to have, and are free and linked', async () => {
    const { kernel, provider } = machine(backend);
    const vfs = await provider.provision(NONE);
    expect(vfs).toMatchObject([A, B].map((name, i) => ({ name, mac: `02:aa:00:00:00:0${i}`, mtu: 9000, pf: A, backend })));
    expect(Object.values(kernel.drivers())).toEqual(Array(2).fill(backend === 'vfio' ? 'vfio-pci' : 'uio_vf'));
    expect(kernel.changes.filter((change) => change.startsWith('ip '))).toEqual([]);
    expect(await provider.plan()).toEqual([]);
    for (const vf of vfs) {
      expect(await provider.health(vf)).toEqual({ device: 'free', owned: true, linkDown: undefined });
    }
  });

  test('are given out and taken back', async () => {
    const { kernel, provider } = machine(backend);
    const [vf] = (await provider.provision(NONE)) as [Vf];
    await provider.grant(vf, 4242, 1 << 20);
    expect(kernel.nodes.get(vf.device)).toMatchObject({ uid: backend === 'vfio' ? 0 : 4242, mode: 0o600 });
    expect(await provider.takeBack(vf)).toBe('free');
    expect(kernel.nodes.get(vf.device)).toMatchObject({ uid: 0, mode: 0o600 });
  });
});

test('a VF that is not there is named, and those that are there stay as they are', async () => {
  const { kernel, provider } = machine('uio_vf', [A]);
  expect((await refusal(provider.provision(NONE), 'VFRING_ERR_VF_UNKNOWN')).message).toContain(B);
  expect(kernel.drivers()[A]).toBe('igbvf');
});

test('PFs beside them are served all the same', async () => {
  const kernel = new FakeKernel(tempDir());
  kernel.addPf(PF_A);
  const { provider } = config(`version: 1\nprovider: {sriov: {pf: [{functions: [{bdf: "${A}", mac: "02:aa:00:00:00:01"}]}, {name: ens1, vfs: 2}]}}`);
  const told: string[] = [];
  const vfs = await sriovProvider(kernel, provider.sriov ?? { pf: [] }).provision({ ...NONE, trouble: (pf) => told.push(pf) });
  expect(vfs.map(({ pf }) => pf)).toEqual(['ens1', 'ens1']);
  expect(told).toEqual([A]);
});

test('a VF that shares its group is refused as any other', async () => {
  const kernel = new FakeKernel(tempDir());
  kernel.sharedGroups = true;
  [A, B].forEach((bdf) => kernel.addFunction(bdf));
  const { provider } = config(`version: 1\nprovider: {sriov: {pf: [{functions: [{bdf: "${A}", mac: "02:aa:00:00:00:01"}]}]}}`);
  await refusal(sriovProvider(kernel, provider.sriov ?? { pf: [] }).provision(NONE), 'VFRING_ERR_IOMMU_GROUP_SHARED');
});

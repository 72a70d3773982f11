// SPDX-License-Identifier: BSD-3-Clause
import { expect, test } from 'vitest';
import { parseConfig } from '../../../src/config/load.js';
import type { SriovConfig } from '../../../src/config/schema.js';
import { selectPfs } from '../../../src/providers/sriov/select.js';
import { config } from '../../helpers/config.js';
import { FakeKernel } from '../../helpers/fake-kernel.js';
import { tempDir } from '../../helpers/temp-dir.js';

const text = (pf: string): string => `version: 1\nprovider: {sriov: {pf: [${pf}]}}\n`;
const sriov = (pf: string): SriovConfig => config(text(pf)).provider.sriov ?? { pf: [] };

function machine(): FakeKernel {
  const kernel = new FakeKernel(tempDir());
  const pf = (name: string, bdf: string, device: string, numa: number): void => kernel.addPf({ name, bdf, device, numa, mac: '52:54:00:00:00:01' });
  pf('c', '0000:3b:00.1', '0x10c9', 1);
  pf('a', '0000:3b:00.0', '0x10c9', 0);
  pf('b', '0000:02:00.0', '0x1521', 0);
  kernel.addPf({ name: 'plain', bdf: '0000:04:00.0', mac: '52:54:00:00:00:02', totalVfs: 0 });
  return kernel;
}

test.each<[string, string[]]>([
  ['{select: {vendor: "8086"}, vfs: 1}', ['b', 'a', 'c']],
  ['{select: {vendor: "8086", device: "10C9"}, vfs: 1}', ['a', 'c']],
  ['{select: {numa: 0}, vfs: 1}', ['b', 'a']],
  ['{select: {bdf: "0000:3b:00.0-0000:3b:00.3"}, vfs: 1}', ['a', 'c']],
  ['{select: {bdf: "0000:3b:00.1"}, vfs: 1}', ['c']],
  ['{select: {vendor: "8086"}, vfs: 1}, {name: a, vfs: 2}', ['b', 'c', 'a']],
  ['{select: {numa: 0}, vfs: 1}, {select: {vendor: "8086"}, vfs: 2}', ['b', 'a', 'c']],
  ['{name: z, vfs: 1}', ['z']],
])('%s', async (pf, names) => {
  const { sysfs } = machine();
  expect((await selectPfs(sriov(pf), sysfs)).map(({ name }) => name)).toEqual(names);
});

test('the fields of the entry hold for each PF that it selects', async () => {
  const [first] = await selectPfs(sriov('{select: {numa: 1}, vfs: 3, mtu: 9000, vlan: 5}'), machine().sysfs);
  expect(first).toMatchObject({ name: 'c', vfs: 3, mtu: 9000, vlan: 5 });
});

test('a selector without a match is an error that names what there is', async () => {
  await expect(selectPfs(sriov('{select: {device: "ffff"}, vfs: 1}'), machine().sysfs)).rejects.toMatchObject({
    code: 'VFRING_ERR_PF_UNKNOWN',
    message: 'there is no network interface that matches device: ffff on this machine (SR-IOV capable here: b, a, c)',
  });
});

test.each<[string, string]>([
  ['{select: {}, vfs: 1}', 'at least one of vendor:'],
  ['{select: {vendor: 8086}, vfs: 1}', 'in quotes'],
  ['{select: {bdf: "3b:00.0"}, vfs: 1}', 'with its domain'],
  ['{select: {numa: 0}, name: a, vfs: 1}', 'by exactly one of them'],
])('%s is refused', (pf, message) => {
  const result = parseConfig(text(pf), 'f');
  expect(result.ok ? '' : result.problems[0]?.message).toContain(message);
});

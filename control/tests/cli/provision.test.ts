// SPDX-License-Identifier: BSD-3-Clause
/** vfring provision --plan, on a played machine. */
import { expect, test } from 'vitest';
import { planned } from '../../src/cli/provision.js';
import { sriovConfig } from '../helpers/config.js';
import { tempDir } from '../helpers/temp-dir.js';
import { PF_A, sriovHarness } from '../providers/harness.js';

const NOBODY: ReadonlySet<string> = new Set();

test('the plan is of what can be set up; the rest is told', async () => {
  const harness = sriovHarness(tempDir());
  const provider = harness.of(sriovConfig({ ens1: 2, ens2: 2 }).provider.sriov ?? { pf: [] });
  await provider.provision({ leased: NOBODY });
  const [held, other] = [0, 1].map((index) => harness.vfBdf(PF_A, index)) as [string, string];
  harness.kernel.bindTo(held, 'vfio-pci');
  harness.kernel.bindTo(other, 'igbvf');
  harness.kernel.toOtherNamespace('ens2');
  const told: string[] = [];
  const steps = await planned(provider, NOBODY, (line) => told.push(line));
  expect(steps.map(({ touches }) => touches ?? [])).toContainEqual([other]);
  expect(steps.flatMap(({ touches }) => touches ?? [])).not.toContain(held);
  expect(told.sort()).toEqual([
    expect.stringMatching(/^PF ens2 is left as it is: /) as string,
    expect.stringMatching(new RegExp(`^VF ${held} is left as it is: .*vfio-pci`)) as string,
  ]);
});

test('where nothing can be set up, that is an error', async () => {
  const harness = sriovHarness(tempDir());
  harness.kernel.toOtherNamespace('ens1');
  const provider = harness.of(sriovConfig({ ens1: 2 }).provider.sriov ?? { pf: [] });
  await expect(planned(provider, NOBODY, () => {})).rejects.toMatchObject({ code: expect.stringMatching(/^VFRING_ERR_PF_/) as string });
});

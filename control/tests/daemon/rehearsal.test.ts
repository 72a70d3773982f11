// SPDX-License-Identifier: BSD-3-Clause
import { expect, test } from 'vitest';
import { MOST_TOGETHER } from '../../src/daemon/batches.js';
import { rehearse } from '../../src/daemon/rehearsal.js';
import { softConfig } from '../helpers/config.js';

test('all leases of a rehearsal come about, whatever the configuration allows users', async () => {
  const config = softConfig('/soft', 2, 'quotas: {vfs_per_user: 1}\nlimits: {memlock: 64KiB}\nnuma: require\nmanaged_by: slurm');
  const granted = await rehearse(config);
  expect(granted).toBeGreaterThan(50);
  expect(granted % MOST_TOGETHER).toBe(0);
});

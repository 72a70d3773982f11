// SPDX-License-Identifier: BSD-3-Clause
/** npm run record: writes control/tests/recordings anew, from what the emulated machine is like. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Recording, Scenario } from '../control/tests/recordings/recording.js';
import { Guest } from '../lab/src/guest.js';
import type { Machine } from '../lab/src/qemu.js';
import { copyTestsTo } from './lib/lab-e2e.js';
import { recordIn } from './lib/lab-suites.js';
import { root, runMain } from '../tools/steps.js';

const dir = join(root, 'control', 'tests', 'recordings');

async function record(machine: Partial<Machine>, scenarios: readonly Scenario[]): Promise<void> {
  const guest = await Guest.boot({ machine });
  try {
    await copyTestsTo(guest);
    for (const recording of await recordIn(guest, scenarios)) {
      writeFileSync(join(dir, `${recording.scenario}.json`), textOf(recording));
    }
  } finally {
    await guest.close();
  }
}

/** A line a folder, so that a difference is one in a diff, too. */
function textOf({ sys, ...rest }: Recording): string {
  const folders = Object.entries(sys).map(([folder, entries]) => `    ${JSON.stringify(folder)}: ${JSON.stringify(entries)}`);
  const others = Object.entries(rest).map(([key, value]) => `  ${JSON.stringify(key)}: ${JSON.stringify(value)},\n`);
  return `{\n${others.join('')}  "sys": {\n${folders.join(',\n')}\n  }\n}\n`;
}

await runMain(async () => {
  mkdirSync(dir, { recursive: true });
  await record({}, ['no-vfs', 'igbvf-7', 'uio_vf-2']);
  await record({ iommu: false }, ['no-iommu']);
  return 0;
});

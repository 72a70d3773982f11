// SPDX-License-Identifier: BSD-3-Clause
/** Runs what belongs to control's tests in a running guest, each program as one file: suites that vitest runs natively, too, and the recorder. */
import { isDeepStrictEqual } from 'node:util';
import { build } from 'esbuild';
import { join } from 'node:path';
import { readRecording } from '../../control/tests/recordings/recorded.js';
import { shapeOf, type Recording, type Scenario } from '../../control/tests/recordings/recording.js';
import type { Guest, Output } from '../../lab/src/guest.js';
import { StepError, buildDir, root } from '../../tools/steps.js';
import { judged, tallyOfTap, type Tally } from './tally.js';

/** Beside what is installed: the native addon and koffi are found from there. */
export const SUITES_DIR = '/usr/lib/vfring/control/tests';

/** Makes the programs in build/suites, to be brought into the guest with the other tests (lab-e2e.ts). */
export async function bundleSuites(): Promise<void> {
  const lab = join(root, 'control', 'tests', 'lab');
  await build({
    entryPoints: ['main', 'record'].map((name) => join(lab, `${name}.ts`)),
    outdir: join(buildDir, 'suites'),
    outExtension: { '.js': '.mjs' },
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    alias: { vitest: join(lab, 'vitest.ts') },
    external: ['koffi', 'better-sqlite3'],
    banner: { js: "import { createRequire as makeRequire } from 'node:module'; const require = makeRequire(import.meta.url);" },
    logLevel: 'warning',
  });
}

/** The providers' suites on real VFs. The guest must have the tests (copyTestsTo); no vfringd may run. */
export async function runSuites(guest: Guest, onOutput: Output): Promise<Tally> {
  const result = await guest.exec({ argv: ['sh', '-c', `modprobe -a igb uio_vf && exec node --test-reporter=tap ${SUITES_DIR}/main.mjs`], onOutput });
  return judged(tallyOfTap(result.stdout), result.status === 0);
}

/** Brings the guest into each state, and records it. The guest must have the tests (copyTestsTo); no vfringd may run. */
export async function recordIn(guest: Guest, scenarios: readonly Scenario[]): Promise<Recording[]> {
  const result = await guest.exec({ argv: ['sh', '-c', 'modprobe -a igb uio_vf && exec node "$@"', 'sh', `${SUITES_DIR}/record.mjs`, ...scenarios] });
  if (result.status !== 0) {
    throw new StepError(`the guest could not be recorded: ${result.stderr}`);
  }
  return result.stdout.trim().split('\n').map((line) => JSON.parse(line) as Recording);
}

/** Whether the recordings that vitest's tests are made from are still what the guest is like. */
export async function compareRecordings(guest: Guest, scenarios: readonly Scenario[], onOutput: Output): Promise<Tally> {
  const total = { passed: 0, failed: 0 };
  for (const fresh of await recordIn(guest, scenarios)) {
    const [now, then] = [fresh, readRecording(fresh.scenario)].map(shapeOf);
    const same = isDeepStrictEqual(now, then);
    total[same ? 'passed' : 'failed'] += 1;
    onOutput('stdout', Buffer.from(`${same ? 'ok' : 'not ok'} - the recording ${fresh.scenario} is what the machine is like\n`));
    if (!same) {
      onOutput('stdout', Buffer.from(`the machine now (npm run record writes all anew):\n${JSON.stringify(now, null, 1)}\nas recorded:\n${JSON.stringify(then, null, 1)}\n`));
    }
  }
  return total;
}

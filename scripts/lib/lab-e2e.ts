// SPDX-License-Identifier: BSD-3-Clause
/** Brings the end-to-end tests into a running guest. */
import { Readable } from 'node:stream';
import { execa } from 'execa';
import type { Guest } from '../../lab/src/guest.js';
import { SUITES_DIR, bundleSuites } from './lab-suites.js';
import { StepError, buildDir, root, step } from '../../tools/steps.js';

const GUEST_DIR = '/run/e2e';

/**
 * Compiles the tests, with the suites of lab-suites.ts, and unpacks them in the guest: once a boot, whose
 * jobs can have standard input but once. Returns the path of the end-to-end tests' main file there.
 */
export async function copyTestsTo(guest: Guest): Promise<string> {
  await step('compile the end-to-end tests', async () => {
    await execa('npx', ['tsc', '--outDir', `${buildDir}/ts`], { cwd: root });
    await bundleSuites();
  });
  const { stdout: tar } = await execa('tar', ['-c', '-C', buildDir, 'ts/e2e', 'suites'], { encoding: 'buffer' });
  const result = await guest.exec({
    argv: ['sh', '-c', [
      `mkdir -p ${GUEST_DIR} ${SUITES_DIR} && tar -x -C ${GUEST_DIR}`,
      `echo '{"type":"module"}' > ${GUEST_DIR}/package.json`,
      `mv ${GUEST_DIR}/suites/*.mjs ${SUITES_DIR}/`,
    ].join(' && ')],
    stdin: Readable.from([Buffer.from(tar)]),
  });
  if (result.status !== 0) {
    throw new StepError(`the tests could not be copied into the guest: ${result.stderr}`);
  }
  return `${GUEST_DIR}/ts/e2e/main.js`;
}

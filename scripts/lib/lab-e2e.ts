// SPDX-License-Identifier: BSD-3-Clause
/** Brings the end-to-end tests into a running guest. */
import { Readable } from 'node:stream';
import { execa } from 'execa';
import type { Guest } from '../../lab/src/guest.js';
import { StepError, buildDir, root, step } from './steps.js';

const GUEST_DIR = '/run/e2e';

/** Compiles the tests and unpacks them in the guest. Returns the path of their main file there. */
export async function copyTestsTo(guest: Guest): Promise<string> {
  await step('compile the end-to-end tests', async () => {
    await execa('npx', ['tsc', '--outDir', `${buildDir}/ts`], { cwd: root });
  });
  const { stdout: tar } = await execa('tar', ['-c', '-C', buildDir, 'ts/scripts'], { encoding: 'buffer' });
  const result = await guest.exec({
    argv: ['sh', '-c', `mkdir -p ${GUEST_DIR} && tar -x -C ${GUEST_DIR} && echo '{"type":"module"}' > ${GUEST_DIR}/package.json`],
    stdin: Readable.from([Buffer.from(tar)]),
  });
  if (result.status !== 0) {
    throw new StepError(`the tests could not be copied into the guest: ${result.stderr}`);
  }
  return `${GUEST_DIR}/ts/scripts/e2e/main.js`;
}

// SPDX-License-Identifier: BSD-3-Clause
/** npm run build: the native build, installed under build/prefix. */
import { buildNative, prefix } from '../tools/native.js';
import { runMain } from '../tools/steps.js';

await runMain(async () => {
  await buildNative();
  process.stdout.write(`built and installed under ${prefix}\n`);
  return 0;
});

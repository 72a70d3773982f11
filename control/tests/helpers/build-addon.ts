// SPDX-License-Identifier: BSD-3-Clause
/** Builds the native addon and the page once before the tests: they use the real ones. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { buildWeb } from '../../install/web.js';

export default async function setup(): Promise<void> {
  execFileSync('make', ['-s', '-C', join(import.meta.dirname, '..', '..', 'native')], { stdio: 'inherit' });
  await buildWeb(join(import.meta.dirname, '..', '..', '..', 'build', 'web'));
}

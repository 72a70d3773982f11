// SPDX-License-Identifier: BSD-3-Clause
/** Builds the native addon once before the tests: they use the real one. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

export default function setup(): void {
  execFileSync('make', ['-s', '-C', join(import.meta.dirname, '..', '..', 'native')], { stdio: 'inherit' });
}

// SPDX-License-Identifier: BSD-3-Clause
/** The listener's thread under sanitizers: without node, which they do not know. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { tempDir } from './helpers/temp-dir.js';

const native = join(import.meta.dirname, '../native');

test.each(['thread', 'address,undefined'])('among clients of all kinds: no race, nothing lost, nothing left open (%s)', { timeout: 120_000 }, (sanitizer) => {
  const dir = tempDir();
  const program = join(dir, `line_thread_stress-${sanitizer}`);
  execFileSync('make', ['-s', '-C', native, `OUT=${dir}`, `SANITIZE=${sanitizer}`, program], { stdio: ['ignore', 'inherit', 'inherit'] });
  // ThreadSanitizer cannot place its memory where the kernel scatters addresses widely.
  const out = execFileSync('setarch', ['--addr-no-randomize', program, join(dir, 's')], { encoding: 'utf8' });
  const counted = JSON.parse(out) as Record<string, number | boolean>;
  expect(counted['answered']).toBe(counted['asked']);
  expect(counted['asked']).toBeGreaterThan(900);
  expect(counted['lines']).toBeGreaterThan(Number(counted['asked']));
  expect(counted['faults']).toBeGreaterThan(300);
  expect(counted).toMatchObject({ over: true, left_open: 0 });
});

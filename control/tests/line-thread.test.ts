// SPDX-License-Identifier: BSD-3-Clause
/** The listener's thread under sanitizers: without node, which they do not know. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { tempDir } from './helpers/temp-dir.js';

const native = join(import.meta.dirname, '../native');
// Waited for, not blocked on: vitest gives a worker up that answers nothing for a minute, which it takes on a busy machine.
const run = promisify(execFile);

test.each(['thread', 'address,undefined'])('among clients of all kinds: no race, nothing lost, nothing left open (%s)', { timeout: 600_000 }, async (sanitizer) => {
  const dir = tempDir();
  const program = join(dir, `line_thread_stress-${sanitizer}`);
  await run('make', ['-s', '-C', native, `OUT=${dir}`, `SANITIZE=${sanitizer}`, program]);
  // ThreadSanitizer cannot place its memory where the kernel scatters addresses widely.
  const { stdout } = await run('setarch', ['--addr-no-randomize', program, join(dir, 's')]);
  const counted = JSON.parse(stdout) as Record<string, number | boolean>;
  expect(counted['answered']).toBe(counted['asked']);
  expect(counted['asked']).toBeGreaterThan(900);
  expect(counted['lines']).toBeGreaterThan(Number(counted['asked']));
  expect(counted['faults']).toBeGreaterThan(300);
  expect(counted).toMatchObject({ over: true, left_open: 0 });
});

// SPDX-License-Identifier: BSD-3-Clause
/** A file system that is soon full. */
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { tempDir } from './temp-dir.js';

/** Its folder, gone with the test; undefined where nobody may mount one. */
export function smallDisk(kib: number): string | undefined {
  const dir = join(tempDir(), 'small');
  mkdirSync(dir);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${kib}k`, 'tmpfs', dir], { stdio: 'ignore' });
  } catch {
    return undefined;
  }
  onTestFinished(() => void execFileSync('umount', [dir]));
  return dir;
}

// SPDX-License-Identifier: BSD-3-Clause
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { execa } from 'execa';
import { LabError } from './errors.js';
import { lineReader } from './lines.js';
import { say } from './progress.js';

/**
 * Runs `work` while holding an exclusive lock on `file`, so that two labs do
 * not make the same thing at once. flock(1) holds it for us until its standard
 * input closes, so a lock never outlives its owner.
 */
export async function withLock<T>(file: string, what: string, work: () => Promise<T>): Promise<T> {
  mkdirSync(path.dirname(file), { recursive: true });
  const holder = execa('flock', ['--exclusive', file, 'sh', '-c', 'echo locked; read -r _ || :'], {
    stdin: 'pipe', stdout: 'pipe', reject: false, cleanup: false, buffer: false, detached: true,
  });
  const waiting = setTimeout(() => say(`waiting for another lab that is ${what}`), 1000);
  try {
    const first = await Promise.race([lineReader(holder.stdout)(), holder]);
    if (first !== 'locked') {
      throw new LabError('VFRING_ERR_LAB_HOST', `cannot lock ${file}`, 'is flock(1) installed, and the folder writable?');
    }
    clearTimeout(waiting);
    return await work();
  } finally {
    clearTimeout(waiting);
    holder.stdin.end();
    await holder;
  }
}

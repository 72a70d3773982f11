// SPDX-License-Identifier: BSD-3-Clause
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

/** A new folder that goes with the test. Short: sockets' paths have to fit into 107 bytes. */
export function tempDir(): string {
  const dir = mkdtempSync(join(tmpdir(), 'vfr-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

// SPDX-License-Identifier: BSD-3-Clause
/** Soft VFs for a benchmark, in memory, gone at its end. */
import { accessSync, constants, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SoftVfTool } from '../providers/soft/softvf-tool.js';

export interface SoftVfs {
  readonly files: readonly string[];
  readonly mtu: number;
  readonly model: string;
  remove(): void;
}

const MTU = 9000;
const MODEL = '82576';
const NAME = 'vfring-bench-';

/** On a disk each page that a frame touches would be the file system's business, too. */
function memoryDir(): string {
  try {
    accessSync('/dev/shm', constants.W_OK);
    return '/dev/shm';
  } catch {
    return tmpdir();
  }
}

/** Of a benchmark that was killed: their process is gone. */
function removeStale(dir: string): void {
  for (const name of readdirSync(dir)) {
    const pid = new RegExp(`^${NAME}(\\d+)-`).exec(name)?.[1];
    if (pid === undefined) {
      continue;
    }
    try {
      process.kill(Number(pid), 0);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ESRCH') {
        try {
          rmSync(join(dir, name), { recursive: true, force: true });
        } catch {
          // Another user's.
        }
      }
    }
  }
}

/** Throws VFRING_ERR_SOFTVF_FAILED. */
export function makeSoftVfs(tool: SoftVfTool, count: number, parent = memoryDir()): SoftVfs {
  removeStale(parent);
  const dir = mkdtempSync(join(parent, `${NAME}${process.pid}-`));
  const remove = (): void => rmSync(dir, { recursive: true, force: true });
  try {
    const files = Array.from({ length: count }, (_unused, index) => {
      tool.create(dir, index, `02:76:66:62:${(index >> 8).toString(16).padStart(2, '0')}:${(index & 255).toString(16).padStart(2, '0')}`, MTU, MODEL);
      return join(dir, `vf${index}`);
    });
    return { files, mtu: MTU, model: MODEL, remove };
  } catch (error) {
    remove();
    throw error;
  }
}

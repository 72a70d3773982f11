// SPDX-License-Identifier: BSD-3-Clause
import { readFileSync } from 'node:fs';

/** What the kernel could give to new processes without swapping, in bytes. */
export function availableBytes(meminfo = readFileSync('/proc/meminfo', 'latin1')): number {
  return Number(/^MemAvailable:\s+(\d+) kB$/m.exec(meminfo)?.[1] ?? 0) * 1024;
}

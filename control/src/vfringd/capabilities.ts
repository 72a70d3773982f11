// SPDX-License-Identifier: BSD-3-Clause
/**
 * What of root's power vfringd keeps. The installed vfringd gives up the rest
 * before node starts, since each thread has capabilities of its own and node
 * has threads before the first line of JavaScript runs; the unit does the same.
 */
import { readFileSync } from 'node:fs';

/** By name without CAP_; `bit` of linux/capability.h. docs/admin-guide.md says what each is for. */
export const CAPABILITIES = {
  CHOWN: 0,
  DAC_OVERRIDE: 1,
  FOWNER: 3,
  KILL: 5,
  NET_ADMIN: 12,
  SYS_PTRACE: 19,
  SYS_RESOURCE: 24,
} as const;

export const CAPABILITY_MASK = Object.values(CAPABILITIES).reduce((mask, bit) => mask | (1n << BigInt(bit)), 0n);

/**
 * Capabilities beyond those, of this thread, as a mask of linux/capability.h.
 *
 * @param status text of /proc/PID/status
 */
export function surplusCapabilities(status: string = readFileSync('/proc/thread-self/status', 'latin1')): bigint {
  const permitted = /^CapPrm:\s*([0-9a-f]+)$/m.exec(status)?.[1];
  if (permitted === undefined) {
    throw new Error('/proc/PID/status has no CapPrm');
  }
  return BigInt(`0x${permitted}`) & ~CAPABILITY_MASK;
}

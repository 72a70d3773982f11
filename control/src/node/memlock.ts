// SPDX-License-Identifier: BSD-3-Clause
/** RLIMIT_MEMLOCK of a process that holds leases: raised to the policy, put back after. */
import { formatSize } from '../config/units.js';
import { VfringError, causeText, errnoCode } from '../errors.js';
import { RLIMIT_MEMLOCK, type LimitBytes, type Rlimit } from '../libc.js';

/** As libc.ts has it; an argument, so that tests need no other process. */
export interface Prlimit {
  (pid: number, resource: number): Rlimit;
  (pid: number, resource: number, limit: Rlimit): Rlimit | undefined;
}

export interface MemlockGrant {
  /** For the lease protocol: bytes, -1 for unlimited, null when it was left as it was. */
  readonly reported: number | null;
  /** What to put back when the process gives its last lease back. */
  readonly before: Rlimit | undefined;
}

const NOT_SET: MemlockGrant = { reported: null, before: undefined };

/**
 * Raises the soft limit, and the hard one where it must be. Never lowers one.
 * Where the daemon may not (it runs without CAP_SYS_RESOURCE) the limit stays.
 * Throws VFRING_ERR_LIMIT for any other failure.
 */
export function raiseMemlock(pid: number, policy: LimitBytes, prlimit: Prlimit): MemlockGrant {
  try {
    const before = prlimit(pid, RLIMIT_MEMLOCK);
    const wanted = { soft: higher(before.soft, policy), hard: higher(before.hard, policy) };
    if (wanted.soft === before.soft && wanted.hard === before.hard) {
      return NOT_SET;
    }
    if (prlimit(pid, RLIMIT_MEMLOCK, wanted) === undefined) {
      return NOT_SET;
    }
    return { reported: wanted.soft === 'unlimited' ? -1 : wanted.soft, before };
  } catch (error) {
    if (errnoCode(error) === 'EPERM') {
      return NOT_SET;
    }
    const text = policy === 'unlimited' ? policy : formatSize(policy);
    throw new VfringError('VFRING_ERR_LIMIT', { pid, wanted: text, cause: causeText(error) }, { cause: error });
  }
}

function higher(a: LimitBytes, b: LimitBytes): LimitBytes {
  return a === 'unlimited' || b === 'unlimited' ? 'unlimited' : Math.max(a, b);
}

/** Puts a limit back. Throws when that cannot be done. */
export function restoreMemlock(pid: number, before: Rlimit, prlimit: Prlimit): void {
  if (prlimit(pid, RLIMIT_MEMLOCK, before) === undefined) {
    throw Object.assign(new Error('EPERM, prlimit'), { code: 'EPERM' });
  }
}

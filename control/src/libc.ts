// SPDX-License-Identifier: BSD-3-Clause
/** Plain C library calls that node does not offer: through koffi, and by the addon what every lease needs. */
import koffi from 'koffi';
import os from 'node:os';
import { native } from './native.js';

export const RLIMIT_MEMLOCK = 8; // asm-generic/resource.h; the same on x86 and arm64
/** RLIM_INFINITY, as the addon has it. */
const INFINITY = -1;
const LOCK_EX = 2;
const LOCK_NB = 4;

/** A resource limit in bytes; "unlimited" is RLIM_INFINITY. */
export type LimitBytes = number | 'unlimited';

export interface Rlimit {
  readonly soft: LimitBytes;
  readonly hard: LimitBytes;
}

const flockCall = koffi.load(null).func('int flock(int fd, int operation)');

/**
 * prlimit(2) on another process. Returns the limit before the call; undefined
 * when this process may not set it (EPERM: raising a hard limit needs
 * CAP_SYS_RESOURCE, or the process is of another user). Throws with `code`:
 * ESRCH (it is gone), EPERM (it may not even be asked).
 */
export function prlimit(pid: number, resource: number): Rlimit;
export function prlimit(pid: number, resource: number, limit: Rlimit): Rlimit | undefined;
export function prlimit(pid: number, resource: number, limit?: Rlimit): Rlimit | undefined {
  const addon = native();
  const before = limit === undefined ? addon.prlimit(pid, resource) : addon.prlimit(pid, resource, toKernel(limit.soft), toKernel(limit.hard));
  return before === null ? undefined : { soft: fromKernel(before[0]), hard: fromKernel(before[1]) };
}

/** flock(2) without waiting. False when another open file holds the lock. */
export function tryLock(fd: number): boolean {
  if (flockCall(fd, LOCK_EX | LOCK_NB) === 0) {
    return true;
  }
  const errno = koffi.errno();
  if (errno === os.constants.errno.EWOULDBLOCK) {
    return false;
  }
  throw systemError('flock', errno);
}

const toKernel = (limit: LimitBytes): number => (limit === 'unlimited' ? INFINITY : limit);
const fromKernel = (limit: number): LimitBytes => (limit === INFINITY ? 'unlimited' : limit);

const ERRNO_NAMES = new Map(Object.entries(os.constants.errno).map(([name, value]) => [value, name]));

function systemError(syscall: string, errno: number): NodeJS.ErrnoException {
  const code = ERRNO_NAMES.get(errno) ?? `E${errno}`;
  return Object.assign(new Error(`${code}, ${syscall}`), { code, errno, syscall });
}

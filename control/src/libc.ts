// SPDX-License-Identifier: BSD-3-Clause
/** Plain C library calls that node does not offer, through koffi. What needs structures or keeps descriptors is the addon's (docs/decisions/koffi-and-addon.md). */
import koffi from 'koffi';
import os from 'node:os';

export const RLIMIT_MEMLOCK = 8; // asm-generic/resource.h; the same on x86 and arm64
/** RLIM64_INFINITY of sys/resource.h. */
const INFINITY = 2n ** 64n - 1n;
const LOCK_EX = 2;
const LOCK_NB = 4;

/** A resource limit in bytes; "unlimited" is RLIM_INFINITY. */
export type LimitBytes = number | 'unlimited';

export interface Rlimit {
  readonly soft: LimitBytes;
  readonly hard: LimitBytes;
}

const libc = koffi.load(null);
const flockCall = libc.func('int flock(int fd, int operation)');
// struct rlimit64 is two numbers of 64 bits, the soft limit first.
const prlimitCall = libc.func('int prlimit64(int pid, int resource, const uint64_t *limit, _Out_ uint64_t *before)');

/**
 * prlimit(2) on another process. Returns the limit before the call; undefined
 * when this process may not set it (EPERM: raising a hard limit needs
 * CAP_SYS_RESOURCE, or the process is of another user). Throws with `code`:
 * ESRCH (it is gone), EPERM (it may not even be asked).
 */
export function prlimit(pid: number, resource: number): Rlimit;
export function prlimit(pid: number, resource: number, limit: Rlimit): Rlimit | undefined;
export function prlimit(pid: number, resource: number, limit?: Rlimit): Rlimit | undefined {
  const before: (number | bigint)[] = [0, 0];
  if (prlimitCall(pid, resource, limit === undefined ? null : [toKernel(limit.soft), toKernel(limit.hard)], before) === 0) {
    return { soft: fromKernel(before[0]), hard: fromKernel(before[1]) };
  }
  const errno = koffi.errno();
  if (limit !== undefined && errno === os.constants.errno.EPERM) {
    return undefined;
  }
  throw systemError('prlimit', errno);
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

const toKernel = (limit: LimitBytes): bigint => (limit === 'unlimited' ? INFINITY : BigInt(limit));
const fromKernel = (limit: number | bigint = 0): LimitBytes => (BigInt(limit) === INFINITY ? 'unlimited' : Number(limit));

const ERRNO_NAMES = new Map(Object.entries(os.constants.errno).map(([name, value]) => [value, name]));

function systemError(syscall: string, errno: number): NodeJS.ErrnoException {
  const code = ERRNO_NAMES.get(errno) ?? `E${errno}`;
  return Object.assign(new Error(`${code}, ${syscall}`), { code, errno, syscall });
}

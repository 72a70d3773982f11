// SPDX-License-Identifier: BSD-3-Clause
/** Plain C library calls that node does not offer, through koffi. */
import koffi from 'koffi';
import os from 'node:os';

export const RLIMIT_MEMLOCK = 8; // asm-generic/resource.h; the same on x86 and arm64
const RLIM_INFINITY = 0xffff_ffff_ffff_ffffn;
const LOCK_EX = 2;
const LOCK_NB = 4;

/** A resource limit in bytes; "unlimited" is RLIM_INFINITY. */
export type LimitBytes = number | 'unlimited';

export interface Rlimit {
  readonly soft: LimitBytes;
  readonly hard: LimitBytes;
}

const libc = koffi.load(null);
koffi.struct('vfring_rlimit64', { rlim_cur: 'uint64_t', rlim_max: 'uint64_t' });
const prlimit64 = libc.func(
  'int prlimit64(int pid, int resource, const vfring_rlimit64 *new_limit, _Out_ vfring_rlimit64 *old_limit)',
);
const flockCall = libc.func('int flock(int fd, int operation)');

/**
 * prlimit(2) on another process. Returns the limit before the call.
 * Throws with `code`: EPERM (raising a hard limit needs CAP_SYS_RESOURCE, or
 * the process is of another user), ESRCH (it is gone).
 */
export function prlimit(pid: number, resource: number, limit?: Rlimit): Rlimit {
  const wanted = limit && { rlim_cur: toKernel(limit.soft), rlim_max: toKernel(limit.hard) };
  const before: { rlim_cur?: number | bigint; rlim_max?: number | bigint } = {};
  if (prlimit64(pid, resource, wanted ?? null, before) !== 0) {
    throw systemError('prlimit', koffi.errno());
  }
  return { soft: fromKernel(before.rlim_cur), hard: fromKernel(before.rlim_max) };
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

function toKernel(limit: LimitBytes): bigint {
  return limit === 'unlimited' ? RLIM_INFINITY : BigInt(limit);
}

function fromKernel(value: number | bigint | undefined): LimitBytes {
  if (value === undefined) {
    throw new TypeError('the C library returned no limit');
  }
  return BigInt(value) === RLIM_INFINITY ? 'unlimited' : Number(value);
}

const ERRNO_NAMES = new Map(Object.entries(os.constants.errno).map(([name, value]) => [value, name]));

function systemError(syscall: string, errno: number): NodeJS.ErrnoException {
  const code = ERRNO_NAMES.get(errno) ?? `E${errno}`;
  // Where an unprivileged daemon is refused at every lease, the stack would cost more than the call.
  const depth = Error.stackTraceLimit;
  Error.stackTraceLimit = 0;
  try {
    return Object.assign(new Error(`${code}, ${syscall}`), { code, errno, syscall });
  } finally {
    Error.stackTraceLimit = depth;
  }
}

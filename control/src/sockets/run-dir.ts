// SPDX-License-Identifier: BSD-3-Clause
/** The run directory: who may serve it. */
import { chmodSync, closeSync, constants, fchmodSync, lstatSync, mkdirSync, openSync, readFileSync, writeSync, ftruncateSync } from 'node:fs';
import { join } from 'node:path';
import { VfringError, causeText } from '../errors.js';
import { tryLock } from '../libc.js';

/** sun_path holds 108 bytes with the closing NUL. */
const SOCKET_PATH_MAX_BYTES = 107;

export interface RunDir {
  readonly path: string;
  /** Lets another daemon have it. */
  release(): void;
}

/**
 * Makes the directory, checks that nobody else can put things into it, and
 * locks it. The lock goes with the process, however it ends. Throws
 * VFRING_ERR_RUN_DIR or VFRING_ERR_ALREADY_RUNNING.
 */
export function claimRunDir(path: string): RunDir {
  let lock: number;
  try {
    if (Buffer.byteLength(join(path, 'lease.sock')) > SOCKET_PATH_MAX_BYTES) {
      throw new Error(`its name is too long: the path of a socket in it may have ${SOCKET_PATH_MAX_BYTES} bytes`);
    }
    mkdirSync(path, { recursive: true, mode: 0o755 });
    const stat = lstatSync(path);
    if (!stat.isDirectory()) {
      throw new Error('it is not a directory');
    }
    if (stat.uid !== process.getuid?.() || (stat.mode & 0o022) !== 0) {
      throw new Error('others than this user can write to it');
    }
    chmodSync(path, 0o755);
    lock = openSync(join(path, 'vfringd.lock'), constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
    // Who can open it can hold its lock.
    fchmodSync(lock, 0o600);
    for (const socket of ['lease.sock', 'api.sock']) {
      checkPlace(join(path, socket));
    }
  } catch (error) {
    throw new VfringError('VFRING_ERR_RUN_DIR', { dir: path, cause: causeText(error) }, { cause: error });
  }
  if (!tryLock(lock)) {
    const pid = readFileSync(lock, 'utf8').trim();
    closeSync(lock);
    throw new VfringError('VFRING_ERR_ALREADY_RUNNING', { dir: path, pid: /^\d+$/.test(pid) ? ` (process ${pid})` : '' });
  }
  ftruncateSync(lock);
  writeSync(lock, `${process.pid}\n`, 0);
  return { path, release: () => closeSync(lock) };
}

/** Throws when something is in the place of a socket that is none: before anything is started that would have to be stopped for it. */
function checkPlace(path: string): void {
  const there = lstatSync(path, { throwIfNoEntry: false });
  if (there !== undefined && !there.isSocket()) {
    throw new Error(`${path} is there and is no socket`);
  }
}

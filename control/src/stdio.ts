// SPDX-License-Identifier: BSD-3-Clause
/** Standard output and standard error when nobody reads them, or the disk behind them is full. */
import { fstatSync, writeSync } from 'node:fs';
import { isatty } from 'node:tty';
import { EXIT, VfringError, causeText, errnoCode } from './errors.js';

const STDOUT = 1;

/**
 * No line for people is worth an end: whoever cannot write to standard error
 * goes on. Each program says for itself what becomes of its standard output.
 */
export function outliveStderr(): void {
  process.stderr.on('error', () => {});
}

/** For a daemon: its sockets are what it is for. */
export function outliveStdout(): void {
  process.stdout.on('error', () => {});
}

/**
 * For a command, whose output is its result. A reader that has gone
 * (`vfring status | head -1`) has what it wanted; anything else is an error.
 */
export function endWithStdout(complain: (error: VfringError) => void): void {
  process.stdout.on('error', (error) => {
    if (errnoCode(error) === 'EPIPE') {
      process.exit(process.exitCode ?? EXIT.OK);
    }
    const known = outputError(error);
    complain(known);
    process.exit(known.exitStatus);
  });
}

/** Writes all of it to standard output. Throws VFRING_ERR_OUTPUT where that is known at once. */
export function writeOut(text: string): void {
  if (!isFile(STDOUT)) {
    process.stdout.write(text);
    return;
  }
  // node takes a short write to a file, of a disk that is almost full, for a whole one.
  const bytes = Buffer.from(text);
  try {
    for (let at = 0; at < bytes.length; ) {
      at += writeSync(STDOUT, bytes, at);
    }
  } catch (error) {
    throw outputError(error);
  }
}

function isFile(fd: number): boolean {
  try {
    const stat = fstatSync(fd);
    return stat.isFile() || (stat.isCharacterDevice() && !isatty(fd));
  } catch {
    return false;
  }
}

function outputError(error: unknown): VfringError {
  return new VfringError('VFRING_ERR_OUTPUT', { cause: causeText(error) }, { cause: error });
}

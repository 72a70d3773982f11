// SPDX-License-Identifier: BSD-3-Clause
import type { Duplex } from 'node:stream';
import { say } from './progress.js';

/** Ctrl-], as in telnet: all other keys belong to the guest. */
const ESCAPE_KEY = 0x1d;

/**
 * Connects this process's terminal to the guest's.
 * @returns a function that takes the connection away and restores the terminal
 */
export function connectTerminal(tty: Duplex): () => void {
  const { stdin, stdout } = process;
  const onInput = (chunk: Buffer): void => {
    if (stdin.isTTY && chunk.includes(ESCAPE_KEY)) {
      process.kill(process.pid, 'SIGINT');
      return;
    }
    tty.write(chunk);
  };
  const onOutput = (chunk: Buffer): void => {
    stdout.write(chunk);
  };
  if (stdin.isTTY) {
    say('Ctrl-] ends the guest');
    stdin.setRawMode(true);
  }
  stdin.on('data', onInput);
  tty.on('data', onOutput);
  return () => {
    stdin.off('data', onInput);
    tty.off('data', onOutput);
    if (stdin.isTTY) {
      stdin.setRawMode(false);
    }
    stdin.pause();
  };
}

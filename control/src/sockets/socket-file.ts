// SPDX-License-Identifier: BSD-3-Clause
/** Files of sockets: those that a dead daemon left, and those that every user may connect to. */
import { chmodSync, lstatSync, unlinkSync } from 'node:fs';
import type { Server } from 'node:net';
import { VfringError, causeText, errnoCode } from '../errors.js';

/** Removes a socket file that a dead daemon left: the caller holds the lock. */
export function clearSocket(path: string): void {
  try {
    if (lstatSync(path).isSocket()) {
      unlinkSync(path);
    }
  } catch (error) {
    if (errnoCode(error) !== 'ENOENT') {
      throw error;
    }
  }
}

/** Listens at `path` for every user. */
export async function listenForAll(server: Server, path: string): Promise<void> {
  clearSocket(path);
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => {
      reject(new VfringError('VFRING_ERR_RUN_DIR', { dir: path, cause: causeText(error) }, { cause: error }));
    });
    server.listen(path, resolve);
  });
  chmodSync(path, 0o666);
}

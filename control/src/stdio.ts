// SPDX-License-Identifier: BSD-3-Clause
/**
 * A reader of our output that goes away (`vfring status | head -1`, a log
 * collector that dies) is no reason to fail, let alone for the daemon to end.
 */
export function outliveReaders(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') {
        throw error;
      }
    });
  }
}

// SPDX-License-Identifier: BSD-3-Clause
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';

/**
 * Gives the lines of a stream, one for each call; lines that nobody asked for yet are kept. Once the stream has
 * ended or is broken nobody gets an answer: whoever asks also waits for the end of what is at its other end, which knows the cause.
 */
export function lineReader(input: Readable): () => Promise<string> {
  const lines = createInterface({ input })[Symbol.asyncIterator]();
  return async () => {
    const line = await lines.next().catch(() => ({ done: true as const, value: undefined }));
    return line.done === true ? await new Promise<never>(() => undefined) : line.value;
  };
}

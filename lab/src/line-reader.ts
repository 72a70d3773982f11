// SPDX-License-Identifier: BSD-3-Clause
import type {Readable} from 'node:stream';

/** Lines of a stream, to be asked for one at a time; lines that nobody asked for yet are kept. */
export class LineReader {
  sawLine = false;
  private rest = '';
  private readonly lines: string[] = [];
  private readonly waiting: ((line: string) => void)[] = [];

  constructor(stream: Readable) {
    stream.on('data', (chunk: Buffer) => {
      const pieces = (this.rest + chunk.toString('latin1')).split('\n');
      this.rest = pieces.pop()!;
      for (const line of pieces) {
        this.sawLine = true;
        const wanted = this.waiting.shift();
        if (wanted) {
          wanted(line);
        } else {
          this.lines.push(line);
        }
      }
    });
  }

  async next(): Promise<string> {
    return this.lines.shift() ?? await new Promise((resolve) => {
      this.waiting.push(resolve);
    });
  }
}

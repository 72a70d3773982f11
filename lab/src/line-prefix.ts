// SPDX-License-Identifier: BSD-3-Clause

/**
 * Writes whole lines, each behind `prefix`, so that what several hosts print at once can be told apart.
 * A line without end is written by `flush`.
 */
export class LinePrefix {
  #rest: Buffer = Buffer.alloc(0);
  readonly #prefix: string;
  readonly #write: (line: Buffer) => void;

  constructor(prefix: string, write: (line: Buffer) => void) {
    this.#prefix = prefix;
    this.#write = write;
  }

  push(chunk: Buffer): void {
    let data = Buffer.concat([this.#rest, chunk]);
    for (let end = data.indexOf('\n'); end >= 0; end = data.indexOf('\n')) {
      this.#write(Buffer.concat([Buffer.from(this.#prefix), data.subarray(0, end + 1)]));
      data = data.subarray(end + 1);
    }
    this.#rest = data;
  }

  flush(): void {
    if (this.#rest.length > 0) {
      this.push(Buffer.from('\n'));
    }
  }
}

// SPDX-License-Identifier: BSD-3-Clause

/**
 * Passes a byte stream on until a marker comes, which may be split over
 * chunks. Bytes after the marker wait for the next marker.
 */
export class MarkerStream {
  #held: Buffer = Buffer.alloc(0);
  #marker: Buffer | undefined;
  #sink: ((chunk: Buffer) => void) | undefined;
  #found: (() => void) | undefined;

  /** Resolves when the marker was seen; all before it went to `sink`. */
  until(marker: string, sink: (chunk: Buffer) => void): Promise<void> {
    this.#marker = Buffer.from(marker);
    this.#sink = sink;
    return new Promise((resolve) => {
      this.#found = resolve;
      this.push(Buffer.alloc(0));
    });
  }

  push(chunk: Buffer): void {
    this.#held = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    if (this.#marker === undefined) {
      return;
    }
    const at = this.#held.indexOf(this.#marker);
    if (at >= 0) {
      this.#emit(at);
      this.#held = this.#held.subarray(this.#marker.length);
      this.#marker = undefined;
      this.#found?.();
      return;
    }
    this.#emit(this.#held.length - partialMatch(this.#held, this.#marker));
  }

  #emit(length: number): void {
    if (length > 0) {
      this.#sink?.(this.#held.subarray(0, length));
      this.#held = this.#held.subarray(length);
    }
  }
}

/** Length of the longest end of `data` that is a beginning of `marker`. */
function partialMatch(data: Buffer, marker: Buffer): number {
  for (let length = Math.min(data.length, marker.length - 1); length > 0; length--) {
    if (data.subarray(data.length - length).equals(marker.subarray(0, length))) {
      return length;
    }
  }
  return 0;
}

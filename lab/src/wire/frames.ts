// SPDX-License-Identifier: BSD-3-Clause
/** Frames in a stream, as QEMU's `-netdev stream` sends them: a length of four bytes, big endian, before each (net/stream.c in QEMU). */

export const PREFIX_BYTES = 4;
/** What QEMU itself accepts at most (NET_BUFSIZE in include/net/net.h). */
export const LONGEST_FRAME = 4096 + 65536;

export class FrameReader {
  #rest: Buffer = Buffer.alloc(0);

  /**
   * @param sink gets each frame that is whole now, with its prefix
   * @throws RangeError for a length that no frame has: the stream is lost
   */
  push(chunk: Buffer, sink: (prefixed: Buffer) => void): void {
    const data = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = 0;
    while (data.length - at >= PREFIX_BYTES) {
      const length = data.readUInt32BE(at);
      if (length === 0 || length > LONGEST_FRAME) {
        throw new RangeError(`a frame of ${length} bytes`);
      }
      const end = at + PREFIX_BYTES + length;
      if (end > data.length) {
        break;
      }
      sink(data.subarray(at, end));
      at = end;
    }
    this.#rest = data.subarray(at);
  }
}

/** The frame without its prefix. */
export const bare = (prefixed: Buffer): Buffer => prefixed.subarray(PREFIX_BYTES);

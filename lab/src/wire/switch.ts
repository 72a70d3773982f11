// SPDX-License-Identifier: BSD-3-Clause
/** A learning switch (IEEE 802.1D without its spanning tree: there are no loops). Knows no sockets. */

const MAC_BYTES = 6;
const HEADER_BYTES = 14;
const isGroup = (frame: Buffer): boolean => (frame[0]! & 1) === 1;

export class Switch<Port> {
  readonly #ports = new Set<Port>();
  readonly #known = new Map<number, Port>();

  connect(port: Port): void {
    this.#ports.add(port);
  }

  /** Takes a port away, with what was learnt of it. */
  disconnect(port: Port): void {
    this.#ports.delete(port);
    for (const [mac, at] of this.#known) {
      if (at === port) {
        this.#known.delete(mac);
      }
    }
  }

  /**
   * @param frame an Ethernet frame that came from `from`; what is shorter than a header goes nowhere
   * @returns where it goes
   */
  route(frame: Buffer, from: Port): readonly Port[] {
    if (frame.length < HEADER_BYTES) {
      return [];
    }
    if ((frame[MAC_BYTES]! & 1) === 0) {
      this.#known.set(frame.readUIntBE(MAC_BYTES, MAC_BYTES), from);
    }
    if (!isGroup(frame)) {
      const to = this.#known.get(frame.readUIntBE(0, MAC_BYTES));
      if (to !== undefined) {
        return to === from ? [] : [to];
      }
    }
    return [...this.#ports].filter((port) => port !== from);
  }
}

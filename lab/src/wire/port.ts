// SPDX-License-Identifier: BSD-3-Clause
/** The end of a cable: a listening UNIX socket, QEMU's connection to it, and what may happen to the frames of either direction. */
import net from 'node:net';
import { type LaneCounters, Lane } from './lane.js';
import { FrameReader, bare } from './frames.js';
import { randomFrom } from './random.js';
import type { Switch } from './switch.js';

/** As the device at the cable's end sees it. */
export const DIRECTIONS = ['tx', 'rx'] as const;
export type Direction = (typeof DIRECTIONS)[number];

export interface PortCounters {
  tx: LaneCounters;
  rx: LaneCounters;
  /** Frames that came faster than the device took them. */
  overrun: number;
}

/** Of what waits for the device. A switch has no more memory than that; TCP and vfring send again. */
const QUEUE_BYTES = 8 * 1024 * 1024;

class TimedLane {
  readonly lane: Lane<Buffer>;
  #timer: NodeJS.Timeout | undefined;
  readonly #sink: (prefixed: Buffer) => void;

  constructor(seed: string, sink: (prefixed: Buffer) => void) {
    this.#sink = sink;
    this.lane = new Lane(randomFrom(seed));
  }

  push(prefixed: Buffer): void {
    if (this.lane.transparent) {
      this.lane.counters.passed++;
      this.#sink(prefixed);
      return;
    }
    this.lane.push(prefixed, performance.now()).forEach(this.#sink);
    this.#arm();
  }

  #arm(): void {
    clearTimeout(this.#timer);
    const at = this.lane.nextDue;
    if (at !== undefined) {
      this.#timer = setTimeout(() => {
        this.lane.due(performance.now()).forEach(this.#sink);
        this.#arm();
      }, Math.max(0, at - performance.now()));
    }
  }
}

export class Port {
  #socket: net.Socket | undefined;
  #overrun = 0;
  #corked = false;
  readonly #timed: Readonly<Record<Direction, TimedLane>>;
  readonly #wire: Switch<Port>;

  /** @param name `HOST.WIRE` */
  constructor(readonly name: string, seed: number, wire: Switch<Port>) {
    this.#wire = wire;
    this.#timed = {
      tx: new TimedLane(`${seed} ${name} tx`, (prefixed) => {
        for (const port of this.#wire.route(bare(prefixed), this)) {
          port.#timed.rx.push(prefixed);
        }
      }),
      rx: new TimedLane(`${seed} ${name} rx`, (prefixed) => this.#deliver(prefixed)),
    };
  }

  lane(direction: Direction): Lane<Buffer> {
    return this.#timed[direction].lane;
  }

  get counters(): PortCounters {
    return { tx: this.lane('tx').counters, rx: this.lane('rx').counters, overrun: this.#overrun };
  }

  /** Listens for QEMU; a later connection takes the place of an earlier one, whose machine has ended. */
  async listen(file: string): Promise<void> {
    const server = net.createServer((socket) => {
      this.#socket?.destroy();
      this.#socket = socket;
      this.#wire.connect(this);
      const reader = new FrameReader();
      socket.on('data', (chunk) => {
        try {
          reader.push(chunk, (prefixed) => this.#timed.tx.push(prefixed));
        } catch (error) {
          socket.destroy(error as Error);
        }
      });
      socket.on('error', (error: NodeJS.ErrnoException) => {
        // That a machine ended is told by those who watch it.
        if (error.code !== 'ECONNRESET' && error.code !== 'EPIPE') {
          process.stderr.write(`lab: wire: ${this.name}: ${error.message}\n`);
        }
      });
      socket.on('close', () => {
        if (this.#socket === socket) {
          this.#socket = undefined;
          this.#wire.disconnect(this);
        }
      });
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(file, resolve);
    });
  }

  #deliver(prefixed: Buffer): void {
    const socket = this.#socket;
    if (socket === undefined || socket.destroyed) {
      return;
    }
    if (socket.writableLength > QUEUE_BYTES) {
      this.#overrun++;
      return;
    }
    // What one reading brings is one writing.
    if (!this.#corked) {
      this.#corked = true;
      socket.cork();
      process.nextTick(() => {
        this.#corked = false;
        socket.uncork();
      });
    }
    socket.write(prefixed);
  }
}

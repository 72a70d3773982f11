// SPDX-License-Identifier: BSD-3-Clause
/** The QEMU Machine Protocol (docs/interop/qmp-spec.rst in QEMU), as far as saving and resuming a machine needs it. */
import type { Duplex } from 'node:stream';
import { lineReader } from './lines.js';

interface Message {
  return?: unknown;
  error?: { class: string; desc: string };
}

export class Qmp {
  readonly #nextLine: () => Promise<string>;
  #ready: Promise<unknown> | undefined;
  #before: Promise<unknown> = Promise.resolve();
  readonly #stream: Duplex;

  constructor(stream: Duplex) {
    this.#stream = stream;
    this.#nextLine = lineReader(stream);
  }

  /**
   * Commands are sent one after the other.
   * @throws Error with QEMU's description when it refuses
   */
  async execute(command: string, args: Record<string, unknown> = {}): Promise<unknown> {
    const result = this.#before.then(() => this.#executeNow(command, args));
    this.#before = result.catch(() => undefined);
    return await result;
  }

  async #executeNow(command: string, args: Record<string, unknown>): Promise<unknown> {
    // QEMU greets first and accepts nothing before the capabilities were negotiated.
    this.#ready ??= this.#nextLine().then(() => this.#send('qmp_capabilities', {}));
    await this.#ready;
    return await this.#send(command, args);
  }

  async #send(command: string, args: Record<string, unknown>): Promise<unknown> {
    this.#stream.write(`${JSON.stringify({ execute: command, arguments: args })}\n`);
    for (;;) {
      const message = JSON.parse(await this.#nextLine()) as Message;
      if (message.error) {
        throw new Error(`${command}: ${message.error.desc}`);
      }
      // All else are events.
      if (message.return !== undefined) {
        return message.return;
      }
    }
  }
}

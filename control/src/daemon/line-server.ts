// SPDX-License-Identifier: BSD-3-Clause
/**
 * A UNIX stream socket that takes one line and gives one line back. Whatever
 * a client does or leaves undone costs nobody else anything: every connection
 * has its own time and size limits, and every uid its own number of them.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { listenForAll } from './run-dir.js';

export interface LineLimits {
  /** Bytes of a request with its newline. */
  readonly lineBytes: number;
  /** A client that sends nothing for this long is cut off. */
  readonly silenceMs: number;
  /** A client that has not sent its whole line by then is cut off, however it trickles. */
  readonly lineMs: number;
  /** Connections of one uid at the same time. */
  readonly perUid: number;
}

export const LINE_LIMITS: LineLimits = { lineBytes: 4096, silenceMs: 5000, lineMs: 15_000, perUid: 1024 };

/** Why a client gets no more than an error. */
export type LineFault = 'too long' | 'silent' | 'ended early' | 'more than a line' | 'not UTF-8' | 'too many connections';

export interface LineHandler<P> {
  /** Called once at the start; when it throws, the connection is closed. */
  accept(socket: Socket): P & { readonly uid: number };
  /** Answers a line (without its newline). Must not throw. */
  answer(line: string, peer: P, socket: Socket): Promise<LineAnswer>;
  fault(fault: LineFault): LineAnswer;
}

export interface LineAnswer {
  /** Without a newline. */
  readonly line: string;
  /** The client was gone before it could have the answer. */
  readonly undelivered?: () => void;
}

const NEWLINE = 0x0a;

export class LineServer<P> {
  readonly #handler: LineHandler<P>;
  readonly #limits: LineLimits;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #perUid = new Map<number, number>();

  constructor(handler: LineHandler<P>, limits: LineLimits = LINE_LIMITS) {
    this.#handler = handler;
    this.#limits = limits;
    // Half-open: a client that ends its side after the line still gets its answer.
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.#serve(socket));
  }

  listen(path: string): Promise<void> {
    return listenForAll(this.#server, path);
  }

  /** Takes no more connections; those there are end with their answers. */
  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#sockets) {
      // Those still in the middle of their line have nothing to wait for.
      if (!socket.isPaused()) {
        socket.destroy();
      }
    }
    await closed;
  }

  #serve(socket: Socket): void {
    socket.on('error', () => socket.destroy());
    let peer: P & { readonly uid: number };
    try {
      peer = this.#handler.accept(socket);
    } catch {
      socket.destroy();
      return;
    }
    const { uid } = peer;
    this.#sockets.add(socket);
    this.#perUid.set(uid, (this.#perUid.get(uid) ?? 0) + 1);
    socket.once('close', () => {
      this.#sockets.delete(socket);
      const left = (this.#perUid.get(uid) ?? 1) - 1;
      if (left > 0) {
        this.#perUid.set(uid, left);
      } else {
        this.#perUid.delete(uid);
      }
    });
    if ((this.#perUid.get(uid) ?? 0) > this.#limits.perUid) {
      this.#reply(socket, this.#handler.fault('too many connections'));
      return;
    }
    this.#readLine(socket, (result) => {
      if (typeof result !== 'string') {
        this.#reply(socket, this.#handler.fault(result.fault));
        return;
      }
      void this.#handler.answer(result, peer, socket).then((answer) => this.#reply(socket, answer));
    });
  }

  /** Calls back once, with the line or with what is wrong; not at all when the client is gone. */
  #readLine(socket: Socket, done: (result: string | { fault: LineFault }) => void): void {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const whole = setTimeout(() => finish({ fault: 'silent' }), this.#limits.lineMs);
    socket.setTimeout(this.#limits.silenceMs, () => finish({ fault: 'silent' }));

    const finish = (result: string | { fault: LineFault }): void => {
      clearTimeout(whole);
      socket.setTimeout(0);
      socket.off('data', onData).off('end', onEnd);
      socket.pause();
      done(result);
    };
    const onData = (chunk: Buffer): void => {
      chunks.push(chunk);
      bytes += chunk.length;
      const end = chunk.indexOf(NEWLINE);
      if (end < 0 && bytes < this.#limits.lineBytes) {
        return;
      }
      const text = Buffer.concat(chunks);
      const length = text.length - chunk.length + end;
      if (end < 0 || length >= this.#limits.lineBytes) {
        finish({ fault: 'too long' });
      } else if (text.length > length + 1) {
        finish({ fault: 'more than a line' });
      } else {
        finish(decode(text.subarray(0, length)) ?? { fault: 'not UTF-8' });
      }
    };
    const onEnd = (): void => finish({ fault: 'ended early' });
    socket.on('data', onData).on('end', onEnd);
    socket.once('close', () => clearTimeout(whole));
  }

  #reply(socket: Socket, answer: LineAnswer): void {
    if (socket.destroyed) {
      answer.undelivered?.();
      return;
    }
    let delivered = false;
    socket.once('close', () => {
      if (!delivered) {
        answer.undelivered?.();
      }
    });
    // A client that does not read cannot hold the connection either.
    socket.setTimeout(this.#limits.silenceMs, () => socket.destroy());
    socket.once('finish', () => {
      delivered = true;
      socket.destroy();
    });
    socket.end(`${answer.line}\n`);
  }
}

function decode(bytes: Buffer): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

// SPDX-License-Identifier: BSD-3-Clause
/**
 * A UNIX stream socket that takes one line and gives one line back. Whatever
 * a client does or leaves undone costs nobody else anything: every connection
 * has its own limits of time and size, and every uid its own number of them.
 */
import { createServer, type Server, type Socket } from 'node:net';
import type { PeerCred } from '../native.js';
import type { OpenedVfs } from '../providers/provider.js';
import type { Peer } from '../node/processes.js';
import { clearSocket, listenForAll } from './socket-file.js';

export interface LineLimits {
  /** Bytes of a request with its newline. */
  readonly lineBytes: number;
  /** A client that sends nothing, or does not take its answer, for this long is cut off. */
  readonly silenceMs: number;
  /** A client that has not sent its whole line by then is cut off, however it trickles. */
  readonly lineMs: number;
  /** Connections of one uid at the same time. */
  readonly perUid: number;
}

export const LINE_LIMITS: LineLimits = { lineBytes: 4096, silenceMs: 5000, lineMs: 15_000, perUid: 1024 };

/** Why a client gets no more than an error. */
export type LineFault = 'too long' | 'silent' | 'ended early' | 'more than a line' | 'not UTF-8' | 'too many connections';

export interface LineAnswer {
  /** Without a newline. */
  readonly line: string;
  /** The client was gone before it could have it. */
  readonly undelivered?: () => void;
  /** Go with the line, and are closed here then. */
  readonly opened?: OpenedVfs | undefined;
}

export interface LineHandler {
  /** Who is at the other end. Throws when it is gone. */
  peerOf(socket: Socket): PeerCred;
  /** Answers a line (without its newline); the peer's connection is open until then. Must not throw. */
  answer(line: string, peer: Peer): Promise<LineAnswer>;
  fault(fault: LineFault): LineAnswer;
  /** Sends the beginning of an answer with descriptors. How many bytes went. Throws when the client is gone. */
  sendOpened?(socket: Socket, text: Buffer, descriptors: readonly number[]): number;
}

type Read = { readonly line: string } | { readonly fault: LineFault };

export class LineServer {
  readonly #handler: LineHandler;
  readonly #limits: LineLimits;
  // A client may end its side after its line, and still wants the answer.
  readonly #server: Server = createServer({ allowHalfOpen: true }, (socket) => this.#serve(socket));
  readonly #perUid = new Map<number, number>();
  /** In the middle of their line. */
  readonly #reading = new Set<Socket>();
  readonly #answering = new Set<Promise<void>>();
  #path = '';

  constructor(handler: LineHandler, limits: LineLimits = LINE_LIMITS) {
    this.#handler = handler;
    this.#limits = limits;
  }

  /** A socket file that a dead daemon left is replaced. Throws VFRING_ERR_RUN_DIR. */
  async listen(path: string): Promise<void> {
    await listenForAll(this.#server, path);
    this.#path = path;
  }

  /** Takes no more connections; those whose lines are whole end with their answers. */
  async close(): Promise<void> {
    if (this.#path !== '') {
      clearSocket(this.#path);
      this.#server.close();
      this.#reading.forEach((socket) => socket.destroy());
      await Promise.all(this.#answering);
    }
  }

  /** How many are open. */
  get connections(): number {
    return [...this.#perUid.values()].reduce((sum, count) => sum + count, 0);
  }

  #serve(socket: Socket): void {
    // What becomes of it is seen when it closes, or when the answer is written.
    socket.on('error', () => {});
    let peer: PeerCred;
    try {
      peer = this.#handler.peerOf(socket);
    } catch {
      socket.destroy();
      return;
    }
    const fits = this.#count(peer.uid, 1) <= this.#limits.perUid;
    socket.once('close', () => this.#count(peer.uid, -1));
    const done = this.#answer(socket, peer, fits).finally(() => this.#answering.delete(done));
    this.#answering.add(done);
  }

  #count(uid: number, more: 1 | -1): number {
    const count = (this.#perUid.get(uid) ?? 0) + more;
    if (count > 0) {
      this.#perUid.set(uid, count);
    } else {
      this.#perUid.delete(uid);
    }
    return count;
  }

  async #answer(socket: Socket, peer: PeerCred, fits: boolean): Promise<void> {
    this.#reading.add(socket);
    const read: Read = fits ? await readLine(socket, this.#limits) : { fault: 'too many connections' };
    this.#reading.delete(socket);
    const { line, undelivered, opened } = 'line' in read ? await this.#handler.answer(read.line, { ...peer, socket }) : this.#handler.fault(read.fault);
    const text = Buffer.from(`${line}\n`);
    const rest = opened === undefined ? text : this.#begin(socket, text, opened);
    // All of it went with the descriptors: the client may have closed by now, which a write would find out.
    const delivered = rest !== undefined && (rest.length === 0 || (await deliver(socket, rest, this.#limits.silenceMs)));
    socket.destroy();
    if (!delivered) {
      undelivered?.();
    }
  }

  /** What is left of the text once its beginning has gone with the descriptors; undefined: the client is gone. */
  #begin(socket: Socket, text: Buffer, opened: OpenedVfs): Buffer | undefined {
    try {
      return text.subarray(this.#handler.sendOpened?.(socket, text, opened.descriptors) ?? 0);
    } catch {
      return undefined;
    } finally {
      opened.close();
    }
  }
}

/** Reads no further than to the first newline: what a client sends after it stays in the kernel. */
function readLine(socket: Socket, { lineBytes, silenceMs, lineMs }: LineLimits): Promise<Read> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const finish = (read: Read): void => {
      clearTimeout(wholeLine);
      socket.setTimeout(0).pause().off('close', gone).off('end', gone).off('timeout', tooSlow).removeAllListeners('data');
      resolve(read);
    };
    const tooSlow = (): void => finish({ fault: 'silent' });
    const gone = (): void => finish({ fault: 'ended early' });
    const wholeLine = setTimeout(tooSlow, lineMs);
    socket.setTimeout(silenceMs, tooSlow);
    socket.once('close', gone);
    socket.once('end', gone);
    socket.on('data', (chunk) => {
      const newline = chunk.indexOf('\n');
      chunks.push(chunk);
      bytes += chunk.length;
      if (newline < 0 ? bytes >= lineBytes : bytes - chunk.length + newline >= lineBytes) {
        finish({ fault: 'too long' });
      } else if (newline >= 0 && newline + 1 < chunk.length) {
        finish({ fault: 'more than a line' });
      } else if (newline >= 0) {
        finish(decode(Buffer.concat(chunks).subarray(0, -1)));
      }
    });
  });
}

function decode(bytes: Buffer): Read {
  try {
    return { line: new TextDecoder('utf-8', { fatal: true }).decode(bytes) };
  } catch {
    return { fault: 'not UTF-8' };
  }
}

/** Sends the line and closes. False: the client is gone, or does not read. */
function deliver(socket: Socket, text: Buffer, silenceMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const finish = (delivered: boolean): void => {
      resolve(delivered);
      socket.destroy();
    };
    socket.setTimeout(silenceMs, () => finish(false));
    socket.write(text, (error) => finish(error === undefined || error === null));
  });
}

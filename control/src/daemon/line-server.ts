// SPDX-License-Identifier: BSD-3-Clause
/**
 * A UNIX stream socket that takes one line and gives one line back. Whatever
 * a client does or leaves undone costs nobody else anything: every connection
 * has its own time and size limits, and every uid its own number of them. The
 * addon's thread sees to that; here are the lines that are whole.
 */
import { VfringError, causeText } from '../errors.js';
import type { LineFault as ReadFault, LineLimits, LineListener, LineRequest, Native, PeerCred } from '../native.js';
import { MOST_TOGETHER } from './batches.js';
import { clearSocket } from './run-dir.js';

export const LINE_LIMITS: LineLimits = { lineBytes: 4096, silenceMs: 5000, lineMs: 15_000, perUid: 1024, together: MOST_TOGETHER, pauseUs: 100 };

const ALL = 2 ** 31 - 1;

export type LineFault = ReadFault | 'not UTF-8';

/** Who sent a line. Its connection is open until the line is answered. */
export interface LinePeer extends PeerCred {
  readonly fd: number;
  /** A pidfd of the process by the kernel's word, the caller's from now on. Null: ask by `fd`. */
  held(): number | null;
  /** When the process of that pid started; null: not read yet. */
  startTicks(): number | null;
}

export interface LineHandler {
  /** Answers a line (without its newline). Must not throw. */
  answer(line: string, peer: LinePeer): Promise<LineAnswer>;
  fault(fault: LineFault): LineAnswer;
  /** The client was gone before it could have the answer with this tag. */
  undelivered(tag: string, pid: number): void;
}

export interface LineAnswer {
  /** Without a newline. */
  readonly line: string;
  /** What to know it by, if somebody must be told that it could not be delivered. */
  readonly tag?: string;
}

export class LineServer {
  readonly #handler: LineHandler;
  readonly #limits: LineLimits;
  readonly #addon: Pick<Native, 'LineListener'>;
  readonly #pending = new Set<Promise<void>>();
  #listener: LineListener | undefined;
  #path = '';

  constructor(handler: LineHandler, addon: Pick<Native, 'LineListener'>, limits: LineLimits = LINE_LIMITS) {
    this.#handler = handler;
    this.#addon = addon;
    this.#limits = limits;
  }

  /** A socket file that a dead daemon left is replaced. Throws VFRING_ERR_RUN_DIR. */
  listen(path: string): void {
    try {
      clearSocket(path);
      this.#listener = new this.#addon.LineListener(path, this.#limits, () => this.#serve());
    } catch (error) {
      throw new VfringError('VFRING_ERR_RUN_DIR', { dir: path, cause: causeText(error) }, { cause: error });
    }
    this.#path = path;
  }

  /** Takes no more connections; those whose lines are whole end with their answers. */
  async close(): Promise<void> {
    if (this.#listener === undefined) {
      return;
    }
    clearSocket(this.#path);
    this.#listener.close();
    this.#serve(ALL);
    await Promise.all(this.#pending);
    this.#serve(ALL);
    this.#listener = undefined;
  }

  /** @param most others wait: these are to be served first */
  #serve(most = this.#limits.together): void {
    const listener = this.#listener;
    if (listener === undefined) {
      return;
    }
    const { requests, undelivered } = listener.take(most);
    for (const request of requests) {
      const done = this.#answer(listener, request).then(({ line, tag }) => {
        this.#pending.delete(done);
        listener.answer(request.fd, `${line}\n`, tag ?? '');
      });
      this.#pending.add(done);
    }
    for (const { tag, pid } of undelivered) {
      this.#handler.undelivered(tag, pid);
    }
  }

  async #answer(listener: LineListener, { line: bytes, fault, fd, pid, uid, gid }: LineRequest): Promise<LineAnswer> {
    const line = bytes === undefined ? undefined : decode(bytes);
    if (line === undefined) {
      return this.#handler.fault(fault ?? 'not UTF-8');
    }
    return this.#handler.answer(line, { fd, pid, uid, gid, held: () => listener.held(fd), startTicks: () => listener.startTicks(fd) });
  }
}

/** @param bytes one in each character */
function decode(bytes: string): string | undefined {
  // What well-behaved clients send has nothing to decode.
  if (!/[\x80-\xff]/.test(bytes)) {
    return bytes;
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(bytes, 'latin1'));
  } catch {
    return undefined;
  }
}

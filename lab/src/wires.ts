// SPDX-License-Identifier: BSD-3-Clause
/** The wires between several hosts: a process of their own (wire/main.ts), and what can be done to them while a test runs. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { LabError } from './errors.js';
import { MANAGEMENT_WIRE } from './network.js';
import { buildDir, labDir } from './paths.js';
import type { Impairment } from './wire/impairment.js';
import { type Direction, type PortCounters, DIRECTIONS } from './wire/port.js';
import { type Question, type Reply, type WireSetUp, portName } from './wire/protocol.js';

/** Which ports: without a field, all of them; the management network only when it is named. */
export interface Where {
  host?: string;
  /** `pf0`, `pf1` ... or `mgmt`. */
  wire?: string;
  /** As the device sees it. Without, frames on their way to the device, so that each frame meets its fate once; a cut is both. */
  direction?: Direction;
}

const folderName = (pid: number, count: number): string => `wires-${pid}-${count}`;
let started = 0;

/** Removes the sockets of labs that were killed. */
function sweep(): void {
  for (const name of readdirSync(buildDir)) {
    const pid = /^wires-(\d+)-\d+$/.exec(name)?.[1];
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) {
      rmSync(path.join(buildDir, name), { recursive: true, force: true });
    }
  }
}

export class Wires {
  /** Never resolves; rejects when the process has ended by itself. */
  readonly lost: Promise<never>;
  readonly #waiting = new Map<number, { resolve: (counters: Readonly<Record<string, PortCounters>>) => void; reject: (error: Error) => void }>();
  readonly #exited: Promise<void>;
  #lastId = 0;
  #closing = false;
  #ready!: () => void;
  readonly #child: ChildProcess;
  readonly #setUp: WireSetUp;

  private constructor(child: ChildProcess, setUp: WireSetUp) {
    this.#child = child;
    this.#setUp = setUp;
    let lose: (error: Error) => void;
    this.lost = new Promise((_, reject) => {
      lose = reject;
    });
    this.lost.catch(() => undefined);
    child.on('message', (reply: Reply) => this.#take(reply));
    this.#exited = new Promise((resolve) => {
      const onEnd = (cause: string): void => {
        const error = new LabError('VFRING_ERR_LAB_WIRE', `the process of the wires ended (${cause})`, 'see what it printed above, and run it again');
        this.#waiting.forEach(({ reject }) => reject(error));
        this.#waiting.clear();
        if (!this.#closing) {
          lose(error);
        }
        resolve();
      };
      child.on('error', (error) => onEnd(error.message));
      child.on('exit', (code, signal) => onEnd(signal ?? `exit status ${code}`));
    });
  }

  /** Starts the process; when this resolves, machines can be connected. */
  static async start(hosts: readonly string[], wires: readonly string[], seed = 1): Promise<Wires> {
    mkdirSync(buildDir, { recursive: true });
    sweep();
    const setUp = { folder: folderName(process.pid, ++started), hosts, wires, seed };
    mkdirSync(path.join(buildDir, setUp.folder), { mode: 0o700 });
    const child = spawn(process.execPath, ['--import', createRequire(import.meta.url).resolve('tsx'), path.join(labDir, 'src/wire/main.ts'), JSON.stringify(setUp)], {
      // Ctrl-C on the terminal is for us: it ends when we let go of it.
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'], cwd: buildDir, detached: true,
    });
    const result = new Wires(child, setUp);
    await Promise.race([new Promise<void>((resolve) => {
      result.#ready = resolve;
    }), result.lost]);
    return result;
  }

  get pid(): number {
    return this.#child.pid!;
  }

  /** Where a host's end of a wire is plugged in; relative to build/lab. */
  socketOf(host: string, wire: string): string {
    return this.pathOf(portName(host, wire));
  }

  /** A path for a socket of that name that is not ours; it is gone after {@link close}. */
  pathOf(name: string): string {
    return path.join(this.#setUp.folder, name);
  }

  /** Changes what happens to frames from now on; fields that are not named stay as they are. */
  async impair(where: Where, change: Partial<Impairment>): Promise<void> {
    await this.#ask({ ask: 'impair', ...this.#select(where), change });
  }

  /** Loses the next `count` frames of each of these ports. */
  async lose(where: Where, count = 1): Promise<void> {
    await this.#ask({ ask: 'lose', ...this.#select(where), count });
  }

  /** No frame gets through until {@link heal}. The devices keep their carrier. */
  async cut(where: Where): Promise<void> {
    await this.#ask({ ask: 'impair', ...this.#select(where, DIRECTIONS), change: { cut: true } });
  }

  async heal(where: Where): Promise<void> {
    await this.#ask({ ask: 'impair', ...this.#select(where, DIRECTIONS), change: { cut: false } });
  }

  /** Since the start, by `HOST.WIRE`. */
  async counters(): Promise<Readonly<Record<string, PortCounters>>> {
    return await this.#ask({ ask: 'counters' });
  }

  async close(): Promise<void> {
    this.#closing = true;
    if (this.#child.connected) {
      this.#child.disconnect();
    }
    await this.#exited;
    rmSync(path.join(buildDir, this.#setUp.folder), { recursive: true, force: true });
  }

  #select(where: Where, otherwise: readonly Direction[] = ['rx']): { ports: string[]; directions: readonly Direction[] } {
    const { hosts, wires } = this.#setUp;
    if (where.host !== undefined && !hosts.includes(where.host)) {
      throw new RangeError(`there is no host ${where.host}; hosts are ${hosts.join(', ')}`);
    }
    if (where.wire !== undefined && !wires.includes(where.wire)) {
      throw new RangeError(`there is no wire ${where.wire}; wires are ${wires.join(', ')}`);
    }
    const on = where.wire === undefined ? wires.filter((wire) => wire !== MANAGEMENT_WIRE) : [where.wire];
    const of = where.host === undefined ? hosts : [where.host];
    return {
      ports: on.flatMap((wire) => of.map((host) => portName(host, wire))),
      directions: where.direction === undefined ? otherwise : [where.direction],
    };
  }

  async #ask(question: Question): Promise<Readonly<Record<string, PortCounters>>> {
    if (!this.#child.connected) {
      return await this.lost;
    }
    const id = ++this.#lastId;
    return await new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#child.send({ ...question, id });
    });
  }

  #take(reply: Reply): void {
    if (reply.id === 0) {
      this.#ready();
      return;
    }
    const asked = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    if ('error' in reply) {
      asked?.reject(new RangeError(reply.error));
    } else if ('counters' in reply) {
      asked?.resolve(reply.counters);
    }
  }
}

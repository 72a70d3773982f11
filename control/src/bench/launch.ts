// SPDX-License-Identifier: BSD-3-Clause
/** One launch of a program that measures: what it printed, or why it failed. */
import { spawn } from 'node:child_process';
import { causeText, errnoCode } from '../errors.js';
import { printable } from '../shell.js';
import type { Row } from './result.js';

export interface Launched {
  readonly seconds: number;
  /** null: it ended well. */
  readonly failure: string | null;
  /** What it measured; of one that failed, until then. */
  readonly rows: readonly Row[];
}

export interface LaunchOptions {
  readonly env: NodeJS.ProcessEnv;
  /** Against hanging only. */
  readonly timeoutMs: number;
  /** Ends it. */
  readonly signal: AbortSignal;
}

export type Launcher = (argv: readonly [string, ...string[]], options: LaunchOptions) => Promise<Launched>;

/** The failure of a launch that was ended with the run. */
export const INTERRUPTED = 'interrupted';

/** mpirun ends its ranks within this, and vfring run tells vfringd. */
const KILL_AFTER_MS = 10_000;
/** Whoever was killed may leave somebody behind who holds its output open. */
const OUTPUT_ENDS_MS = 2000;
const FIRST_WORDS = 8000;
const LAST_WORDS = 4000;
const MOST_ROWS = 10_000;
const LONGEST_LINE = 1 << 16;

/** Takes the lines of JSON out of what a program prints: between them is its table for people, cut anywhere. */
export class RowReader {
  readonly rows: Row[] = [];
  /** The line that ends a run that went well has come. */
  whole = false;
  #rest = '';

  add(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = (lines.pop() ?? '').slice(-LONGEST_LINE);
    lines.forEach((line) => this.#line(line));
  }

  #line(line: string): void {
    const start = line.indexOf('{"test": ');
    if (start < 0) {
      return;
    }
    let value: Record<string, unknown>;
    try {
      value = JSON.parse(line.slice(start)) as Record<string, unknown>;
    } catch {
      return;
    }
    if (value['ok'] === true) {
      this.whole = true;
      return;
    }
    const fields = Object.entries(value).filter((entry): entry is [string, number | string | null] => entry[0] !== 'test' && (entry[1] === null || ['number', 'string'].includes(typeof entry[1])));
    if (this.rows.length < MOST_ROWS) {
      this.rows.push(Object.fromEntries(fields));
    }
  }
}

export const launch: Launcher = ([program, ...args], { env, timeoutMs, signal }) =>
  new Promise((resolve) => {
    const start = performance.now();
    const reader = new RowReader();
    let [first, last] = ['', ''];
    let ended: string | undefined;
    // A group of its own: the keys of a terminal reach it through us, once, and it can be ended whole.
    const child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    const timers: NodeJS.Timeout[] = [];
    const killAll = (): void => {
      try {
        process.kill(-(child.pid as number), 'SIGKILL');
      } catch {
        // All of them have ended already.
      }
    };
    const end = (why: string): void => {
      ended ??= why;
      // It alone: it tells its ranks, and to mpirun a second one would mean haste.
      child.kill('SIGTERM');
      timers.push(setTimeout(killAll, KILL_AFTER_MS));
    };
    const interrupt = (): void => end(INTERRUPTED);
    const done = (failure: string | null): void => {
      timers.forEach(clearTimeout);
      signal.removeEventListener('abort', interrupt);
      resolve({ seconds: (performance.now() - start) / 1000, failure, rows: reader.rows });
    };
    timers.push(setTimeout(() => end(`it did not end within ${timeoutMs / 1000} s`), timeoutMs));
    signal.addEventListener('abort', interrupt);
    if (signal.aborted) {
      interrupt();
    }
    child.stdout.setEncoding('utf8').on('data', (text: string) => reader.add(text.replace(/\r/g, '')));
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      first = (first + text).slice(0, FIRST_WORDS);
      last = (last + text).slice(-LAST_WORDS);
    });
    child.once('error', (error) => done(errnoCode(error) === 'ENOENT' ? `${program} was not found` : causeText(error)));
    child.once('exit', () => timers.push(setTimeout(() => {
      child.stdout.destroy();
      child.stderr.destroy();
    }, OUTPUT_ENDS_MS)));
    child.once('close', (status, by) => {
      const how = status === 0 ? (reader.whole ? null : 'it ended without its last line') : by === null ? `exit status ${status}` : `ended by ${by}`;
      done(ended ?? (how === null ? null : [how, wordsOf(first, last)].filter((text) => text !== '').join(': ')));
    });
  });

/** Open MPI's messages for people stand between lines of dashes. */
const MESSAGE = /^-{20,}\n(.*?)\n-{20,}$/ms;
/** What mpirun says about such messages of other processes. */
const ABOUT_MESSAGES = /has sent help message|_base_help_aggregate/;
const LONGEST_WORDS = 600;

/** What a program that failed said: the error of vfring, else Open MPI's first message, which the others follow from, else the last lines. */
function wordsOf(first: string, last: string): string {
  const lines = (text: string): string[] => text.split('\n').map((line) => line.trim()).filter((line) => /\w/.test(line) && !ABOUT_MESSAGES.test(line));
  const ours = lines(last).filter((line) => /VFRING_ERR_/.test(line));
  const message = MESSAGE.exec(first)?.[1];
  const said = ours.length > 0 ? ours.join('; ') : message !== undefined ? lines(message).join(' ') : lines(last).slice(-3).join('; ');
  return printable(said.length > LONGEST_WORDS ? `${said.slice(0, LONGEST_WORDS)} …` : said);
}

// SPDX-License-Identifier: BSD-3-Clause
/** Long steps that show that they live, and keep their output for when they fail. */
import { createWriteStream, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa, type Options } from 'execa';

export const root = join(import.meta.dirname, '..');
export const buildDir = join(root, 'build');

const HEARTBEAT_MS = 15_000;
/** A step that was over so soon needs no line that says so. */
const QUICK_MS = 2000;

/** Takes the newest line of a step's own output, to be shown with the time that has passed. */
export type Note = (line: string) => void;

/** Runs `work`, with a line on standard error at its start and end and one every 15 s between. */
export async function step<T>(title: string, work: (note: Note) => Promise<T>): Promise<T> {
  const start = performance.now();
  const elapsedMs = (): number => performance.now() - start;
  const seconds = (): string => `${(elapsedMs() / 1000).toFixed(0)} s`;
  let last = '';
  process.stderr.write(`==> ${title}\n`);
  const beat = setInterval(() => process.stderr.write(`    ... ${title}: ${seconds()}${last && `, ${last.slice(0, 100)}`}\n`), HEARTBEAT_MS);
  try {
    const result = await work((line) => {
      last = line.trim() || last;
    });
    if (elapsedMs() > QUICK_MS) {
      process.stderr.write(`    ${title}: done in ${seconds()}\n`);
    }
    return result;
  } finally {
    clearInterval(beat);
  }
}

/** A command whose output goes to build/log/NAME.log, and is shown if it fails. */
export async function logged(name: string, file: string, args: readonly string[], options: Options = {}): Promise<void> {
  const dir = join(buildDir, 'log');
  mkdirSync(dir, { recursive: true });
  const path = join(dir, `${name}.log`);
  const child = execa(file, args, { ...options, stdin: 'ignore', all: true, buffer: false, reject: false });
  child.all?.pipe(createWriteStream(path));
  const result = await child;
  if (result.exitCode !== 0) {
    const tail = readFileSync(path, 'utf8').split('\n').slice(-40).join('\n');
    throw new StepError(`${file} ${args.join(' ')} failed (${result.shortMessage ?? 'no status'}); the end of ${path}:\n${tail}`);
  }
}

/** Something the person at the keyboard has to know; shown without a stack. */
export class StepError extends Error {}

/** Runs a script's main function and turns what it throws into a message and a status. */
export async function runMain(main: () => Promise<number>): Promise<never> {
  try {
    process.exit(await main());
  } catch (error) {
    if (error instanceof StepError) {
      process.stderr.write(`E: ${error.message}\n`);
    } else {
      process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    }
    process.exit(1);
  }
}

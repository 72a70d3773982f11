// SPDX-License-Identifier: BSD-3-Clause
/** Long steps that show that they live, and keep their output for when they fail. */
import { createWriteStream, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa, type Options } from 'execa';

export const root = join(import.meta.dirname, '..');
export const buildDir = join(root, 'build');

const HEARTBEAT_MS = 15_000;
const seconds = (since: number): string => `${((Date.now() - since) / 1000).toFixed(0)} s`;

/** Runs `work`, with a line at its start and end and one every 15 s between. */
export async function step<T>(title: string, work: () => Promise<T>): Promise<T> {
  const start = Date.now();
  process.stderr.write(`==> ${title}\n`);
  const beat = setInterval(() => process.stderr.write(`    ... ${title}: ${seconds(start)}\n`), HEARTBEAT_MS);
  try {
    const result = await work();
    if (Date.now() - start > 2000) {
      process.stderr.write(`    ${title}: done in ${seconds(start)}\n`);
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

// SPDX-License-Identifier: BSD-3-Clause
/** Scripts of this machine, run in the guest: those of --script, and the lab's own. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { LabError, EXIT_STATUS } from './errors.js';
import { labDir } from './paths.js';
import { shellQuote } from './shell-quote.js';

export function readScript(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new LabError('VFRING_ERR_LAB_USAGE', `cannot read the script: ${(error as Error).message}`,
      'give a file of this machine', EXIT_STATUS.usage);
  }
}

/** @param files scripts for `sh` below lab/, the last one's own functions before it; returned behind those that all of them share */
export function labScript(...files: readonly string[]): string {
  return ['functions.sh', ...files].map((name) => readFileSync(path.join(labDir, name), 'utf8')).join('');
}

/**
 * Command that runs `text` by the interpreter its first line names, or sh. The
 * text travels as an argument, so nothing needs to be mounted.
 */
export function scriptArgv(text: string, args: readonly string[]): string[] {
  // As the kernel reads it: the rest of the line is one argument.
  const match = /^#![ \t]*([^ \t\n]+)(?:[ \t]+([^\n]*[^ \t\n]))?/.exec(text);
  const interpreter = match ? [match[1]!, ...(match[2] === undefined ? [] : [match[2]])] : ['sh'];
  const run = `f=$(mktemp /tmp/lab-script.XXXXXX) && printf %s "$1" >"$f" && shift && exec ${interpreter.map(shellQuote).join(' ')} "$f" "$@"`;
  return ['sh', '-c', run, 'sh', text, ...args];
}

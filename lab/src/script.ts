// SPDX-License-Identifier: BSD-3-Clause
// --script: a script of this machine, run in the guest.
import {readFileSync} from 'node:fs';
import {LabError, exitStatus} from './errors.js';
import {shellQuote} from './shell-quote.js';

export function readScript(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new LabError('VFRING_ERR_LAB_USAGE', `cannot read the script: ${(error as Error).message}`,
      'give a file of this machine', exitStatus.usage);
  }
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

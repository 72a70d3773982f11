// SPDX-License-Identifier: BSD-3-Clause
/** vfring: the command line. */
import '../signals.js';
import { CommanderError } from 'commander';
import { EXIT, asVfringError, type VfringError } from '../errors.js';
import { endWithStdout, outliveStderr } from '../stdio.js';
import { ReportedError } from '../api/client.js';
import { say } from './output.js';
import { buildProgram } from './program.js';
import { splitCommandLine } from './run-args.js';

async function main(): Promise<number> {
  try {
    const { ours, commandLine } = splitCommandLine(process.argv.slice(2));
    await buildProgram(commandLine).parseAsync(ours, { from: 'user' });
    return typeof process.exitCode === 'number' ? process.exitCode : EXIT.OK;
  } catch (error) {
    if (error instanceof CommanderError) {
      // Help on request is 0; commander has printed the message for the rest.
      return error.exitCode === 0 ? EXIT.OK : EXIT.USAGE;
    }
    const known = error instanceof ReportedError ? error : asVfringError(error);
    complain(known);
    return known.exitStatus;
  }
}

function complain({ code, message, remedy }: VfringError | ReportedError): void {
  say(`${code}: ${message}`);
  say(`remedy: ${remedy}`);
}

outliveStderr();
endWithStdout(complain);
process.exitCode = await main();

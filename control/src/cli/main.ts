// SPDX-License-Identifier: BSD-3-Clause
/** vfring: the command line. */
import { CommanderError } from 'commander';
import { EXIT, asVfringError } from '../errors.js';
import { outliveReaders } from '../stdio.js';
import { ReportedError } from './api-client.js';
import { say } from './output.js';
import { buildProgram } from './program.js';

async function main(): Promise<number> {
  try {
    await buildProgram().parseAsync();
    return typeof process.exitCode === 'number' ? process.exitCode : EXIT.OK;
  } catch (error) {
    if (error instanceof CommanderError) {
      // Help on request is 0; commander has printed the message for the rest.
      return error.exitCode === 0 ? EXIT.OK : EXIT.USAGE;
    }
    const known = error instanceof ReportedError ? error : asVfringError(error);
    say(`${known.code}: ${known.message}`);
    say(`remedy: ${known.remedy}`);
    return known.exitStatus;
  }
}

outliveReaders();
process.exitCode = await main();

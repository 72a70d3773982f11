// SPDX-License-Identifier: BSD-3-Clause
// npm run lab:wire: changes the wires of a lab that runs in another terminal.
import {CommanderError} from 'commander';
import {LabError, exitStatus} from './errors.js';
import {say} from './progress.js';
import {sendOrder} from './site-control.js';
import {wireProgram} from './wire-options.js';

try {
  await wireProgram(sendOrder, (text) => process.stdout.write(`${text}\n`)).parseAsync(process.argv.slice(2), {from: 'user'});
} catch (error) {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? 0 : exitStatus.usage;
  } else if (error instanceof LabError) {
    say(error.text());
    process.exitCode = error.status;
  } else {
    throw error;
  }
}

// SPDX-License-Identifier: BSD-3-Clause
/** npm run lab:wire: changes the wires of a lab that runs in another terminal. */
import { exitWith } from './exit.js';
import { sendOrder } from './site-control.js';
import { wireProgram } from './wire-options.js';

await exitWith(async () => {
  await wireProgram(sendOrder, (text) => process.stdout.write(`${text}\n`)).parseAsync(process.argv.slice(2), { from: 'user' });
});

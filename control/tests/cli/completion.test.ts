// SPDX-License-Identifier: BSD-3-Clause
/** Each shell is asked for real what it offers. */
import { spawnSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { completion } from '../../src/cli/completion.js';
import { visible } from '../../src/cli/manual.js';
import { buildProgram } from '../../src/cli/program.js';
import { bashAsks, fishAsks, zshAsks } from '../helpers/shells.js';

const SHELLS = { bash: bashAsks, zsh: zshAsks, fish: fishAsks } as const;

const EXPECTED = new Map([
  ['vfring pr', ['preflight', 'provision']],
  ['vfring config c', ['check']],
  ['vfring job e', ['end']],
  ['vfring job create --v', ['--vfs']],
  ['vfring job --uid 7 end --k', ['--kill']],
  ['vfring provision --', ['--config', '--force', '--help', '--json', '--plan']],
  ['vfring job create --spread ', ['pack', 'pf']],
  ['vfring completion z', ['zsh']],
  ['vfring run --lo', ['--local']],
  ['vfring run --local ', ['sm', 'vf']],
  // An argument that is called like a command is none.
  ['vfring explain job cr', []],
  // A number, which nothing here can know.
  ['vfring job create --vfs ', []],
  ['vfring man', []],
  // What follows the double dash is the program's: none of it is vfring's.
  ['vfring run -n 2 -- ./p --lo', []],
  ['vfring run -- ./p job e', []],
]);

/** bash is everywhere; the others are tested where they are installed. */
const has = (shell: string): boolean => spawnSync(shell, ['--version']).status === 0;

describe.each(['bash', 'zsh', 'fish'] as const)('completion of %s', (shell) => {
  const ask = SHELLS[shell](completion(shell, buildProgram()));
  const asked = test.skipIf(shell !== 'bash' && !has(shell));

  asked('offers what the commands typed so far take', () => {
    expect(ask(...EXPECTED.keys())).toEqual([...EXPECTED.values()]);
  });

  asked('offers every command', () => {
    const program = buildProgram();
    const parents = program.commands.filter((command) => command.commands.length > 0);
    const offered = ask('vfring ', ...parents.map((command) => `vfring ${command.name()} `));
    for (const [i, command] of [program, ...parents].entries()) {
      expect(offered[i]).toEqual(expect.arrayContaining(visible(command).map((sub) => sub.name())));
    }
  });

  asked('offers every option', () => {
    const commands = visible(buildProgram());
    const offered = ask(...commands.map((command) => `vfring ${command.name()} --`));
    for (const [i, command] of commands.entries()) {
      expect(offered[i]).toEqual(expect.arrayContaining(command.createHelp().visibleOptions(command).flatMap((option) => option.long ?? [])));
    }
  });
});

// SPDX-License-Identifier: BSD-3-Clause
/** Manual pages come from the same tree as --help, and roff takes them. */
import { spawnSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { manual, visible } from '../../src/cli/manual.js';
import { buildProgram } from '../../src/cli/program.js';
import { daemonCommand } from '../../src/vfringd/command.js';

const has = (program: string): boolean => spawnSync('sh', ['-c', `command -v ${program}`]).status === 0;

describe.each([['vfring', manual(buildProgram(), 1), buildProgram()], ['vfringd', manual(daemonCommand(), 8), daemonCommand()]] as const)('the manual of %s', (_name, page, program) => {
  test('has every command and option', () => {
    const text = page.replace(/\\-/g, '-');
    const commands = [program, ...program.commands.flatMap((command) => [command, ...command.commands])].filter((command) => command === program || visible(command.parent ?? program).includes(command));
    for (const command of commands) {
      for (const option of command.createHelp().visibleOptions(command)) {
        expect(option.long === '--help' || text.includes(option.flags)).toBe(true);
      }
      expect(text).toContain(command.description());
    }
  });

  test.skipIf(!has('groff'))('is roff without a warning', () => {
    const { stdout, stderr, status } = spawnSync('groff', ['-man', '-ww', '-Tutf8'], { input: page, encoding: 'utf8' });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toContain('vfring');
  });
});

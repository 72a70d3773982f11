// SPDX-License-Identifier: BSD-3-Clause
/** Manual pages and completion come from the same tree as --help, and shells and roff take them. */
import { spawnSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { completion } from '../../src/cli/completion.js';
import { manual, visible } from '../../src/cli/manual.js';
import { buildProgram } from '../../src/cli/program.js';
import { daemonCommand } from '../../src/daemon/command.js';

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

describe('completion', () => {
  const complete = (typed: string): string[] => {
    const words = typed.split(' ');
    const script = `${completion('bash', buildProgram())}
COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}; _vfring; printf '%s\\n' "\${COMPREPLY[@]}"`;
    return spawnSync('bash', ['-c', script], { encoding: 'utf8' }).stdout.trim().split('\n');
  };

  test.each<[string, string[]]>([
    ['vfring pr', ['preflight', 'provision']],
    ['vfring job ', ['create', 'end', '--json', '--uid', '--help', '-h']],
    ['vfring job create --v', ['--vfs']],
    ['vfring job --uid 7 end --k', ['--kill']],
    ['vfring config ', ['check', '--help', '-h']],
    ['vfring man', ['']],
  ])('bash: %s', (typed, words) => {
    expect(complete(typed)).toEqual(words);
  });

  test.skipIf(!has('zsh'))('zsh takes it', () => {
    const { status, stderr } = spawnSync('zsh', ['-n'], { input: completion('zsh', buildProgram()), encoding: 'utf8' });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });

  test.skipIf(!has('fish'))('fish takes it', () => {
    const { status, stderr } = spawnSync('fish', ['-n'], { input: completion('fish', buildProgram()), encoding: 'utf8' });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });
});

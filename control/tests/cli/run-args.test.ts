// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, test } from 'vitest';
import { parseRunArgs, splitCommandLine } from '../../src/cli/run-args.js';

const parseWords = (words: readonly string[]) => {
  const { ours, commandLine } = splitCommandLine(['run', ...words]);
  return parseRunArgs(ours.slice(1), commandLine);
};
const parse = (text: string) => parseWords(text.split(' '));

describe('vfring run', () => {
  test('takes its own options, passes on the rest', () => {
    expect(parse('--local vf -n 4 --mpirun /opt/bin/mpirun --bind-to core -x A=b -- ./prog -n 7 --local')).toEqual({
      local: 'vf',
      rails: undefined,
      ranks: 4,
      mpirun: '/opt/bin/mpirun',
      mpirunOptions: ['--bind-to', 'core', '-x', 'A=b'],
      program: ['./prog', '-n', '7', '--local'],
      hosts: { lists: [], files: [] },
      placed: false,
    });
  });

  test.each(['-n 3 -- p', '-np 3 -- p', '--np 3 -- p', '-c 3 -- p', '--n=3 -- p', '-n 2 -n 3 -- p'])('%s: three ranks', (text) =>
    expect(parse(text).ranks).toBe(3),
  );

  test('shared memory within a node is the default', () => expect(parse('-n 1 -- p').local).toBe('sm'));

  test.each(['--rails 2', '--rails=2'])('%s: so many VFs for each process', (option) => expect(parse(`-n 1 ${option} -- p`)).toMatchObject({ rails: 2, mpirunOptions: [] }));

  test('an empty argument stays one', () => {
    expect(parseWords(['-n', '1', '-x', '', '--', 'p', ''])).toMatchObject({ mpirunOptions: ['-x', ''], program: ['p', ''] });
  });

  test('a double dash of the program is the program\'s', () => {
    expect(parse('-n 1 -- p -- q').program).toEqual(['p', '--', 'q']);
    expect(parse('-n 1 -- p --').program).toEqual(['p', '--']);
  });

  test.each(['-h 0.01', '--help', '--version', '-n 3 --local vf', '-- -h', 'run -- x'])('%s of the program is the program\'s', (text) => {
    expect(parse(`-n 1 -- p ${text}`)).toMatchObject({ ranks: 1, local: 'sm', mpirunOptions: [], program: ['p', ...text.split(' ')] });
  });

  test('a double dash of another command is left to it', () => {
    expect(splitCommandLine(['job', '--', 'x'])).toEqual({ ours: ['job', '--', 'x'], commandLine: [] });
  });

  test.each<[string, string[], string[]]>([
    ['-H a,b', ['a,b'], []], ['--host a:2', ['a:2'], []], ['--host=a:2', ['a:2'], []], ['-host a --host b', ['a', 'b'], []],
    ['--hostfile f', [], ['f']], ['-machinefile f', [], ['f']], ['--hostfile=f --host a', ['a'], ['f']], ['--bind-to host', [], []],
  ])('%s: hosts that mpirun is told are told', (options, lists, files) => {
    expect(parse(`-n 2 ${options} -- p`)).toMatchObject({ hosts: { lists, files }, mpirunOptions: options.split(' ') });
  });

  test('where ranks run may be said by more than slots', () => {
    expect(['', '--map-by node ', '--map-by=ppr:1:node ', '-N 1 ', '--oversubscribe '].map((options) => parse(`-n 2 ${options}-- p`).placed)).toEqual([false, true, true, true, true]);
  });

  test.each([
    ['-n 2 p', /program is missing/],
    ['-n 2 --', /program is missing/],
    ['-n 2 -- -h', /-h behind the double dash is no program.*\.\/-h/],
    ['--local vf -- p', /number of processes is missing/],
    ['-n 0 -- p', /whole number/],
    ['-n x -- p', /whole number/],
    ['-n -- p', /needs a value/],
    ['-n 2 --rails 0 -- p', /--rails 0: .* whole number from 1 to 8/],
    ['-n 2 --rails 9 -- p', /from 1 to 8/],
    ['-n 2 --rails two -- p', /from 1 to 8/],
    ['-n 2 --rails= -- p', /--rails needs a value/],
    ['-n 2 --rails 2 --mca btl_vfring_rails 3 -- p', /both say which VFs/],
    ['-n 2 --rails 2 --mca btl_vfring_devices /dev/uiovf0 -- p', /both say which VFs/],
    ['-n 2 --local tcp -- p', /sm .* or vf/],
    ['-n 2 --mca btl tcp,self -- p', /sets it itself/],
    ['-n 2 --mca pml ucx -- p', /sets it itself/],
  ])('%s is refused', (text, expected) => {
    expect(() => parse(text)).toThrow(expected);
    try {
      parse(text);
    } catch (error) {
      expect(error).toMatchObject({ code: 'VFRING_ERR_USAGE', exitStatus: 64 });
    }
  });
});

// SPDX-License-Identifier: BSD-3-Clause
import {CommanderError} from 'commander';
import {describe, expect, it} from 'vitest';
import {LabError} from '../src/errors.js';
import {parseOptions} from '../src/options.js';
import {defaultMachine} from '../src/qemu.js';

const parse = (...args: string[]) => parseOptions(args, true);

describe('parseOptions', () => {
  it('leaves the words of the command alone', () => {
    expect(parse('--', 'sh', '-c', 'exit 7').argv).toEqual(['sh', '-c', 'exit 7']);
    expect(parse('ls', '-l', '--shell').argv).toEqual(['ls', '-l', '--shell']);
    expect(parse('--user', 'mpi', '--', 'a', '--', 'b')).toMatchObject({user: 'mpi', argv: ['a', '--', 'b']});
  });

  it('has a machine with an IOMMU and two PFs by default', () => {
    expect(parse('--', 'true').machine).toEqual(defaultMachine);
  });

  it('changes the machine', () => {
    expect(parse('--pfs', '1', '--no-intremap', '--append', 'a=1 b', '--', 'true').machine)
      .toEqual({...defaultMachine, pfs: 1, intremap: false, append: 'a=1 b'});
    expect(parse('--no-iommu', '--', 'true').machine).toEqual({...defaultMachine, iommu: false});
  });

  it('builds the parts it is told to', () => {
    expect(parse('--parts', 'kmod,c', '--', 'true').parts).toEqual(['kmod', 'c']);
    expect(parse('--parts', '', '--', 'true').parts).toEqual([]);
    expect(() => parse('--parts', 'kmod,foo', '--', 'true')).toThrow(/no part 'foo'/);
  });

  it.each([
    [[]], [['--shell', '--', 'ls']], [['--prune', '--', 'ls']], [['--shell', '--script', 'x']], [['--no-iommu', '--no-intremap', '--', 'ls']],
  ])('refuses %j as usage', (args) => {
    expect(() => parse(...args)).toThrow(expect.objectContaining({code: 'VFRING_ERR_LAB_USAGE', status: 64}) as LabError);
  });

  it.each([
    [['--pfs', '9', '--', 'ls']], [['--pfs', '-1', '--', 'ls']], [['--timeout', '1.5', '--', 'ls']], [['--timeout', '0', '--', 'ls']],
    [['--memory', '12', '--', 'ls']], [['--bogus', '--', 'ls']],
  ])('refuses %j as an option', (args) => {
    expect(() => parse(...args)).toThrow(CommanderError);
  });
});

// SPDX-License-Identifier: BSD-3-Clause
import { CommanderError } from 'commander';
import { describe, expect, it } from 'vitest';
import { LabError } from '../src/errors.js';
import { parseOptions } from '../src/options.js';
import { DEFAULT_MACHINE } from '../src/qemu.js';
import { defaultCpus } from '../src/site.js';

const parse = (...args: string[]) => parseOptions(args, true);

describe('parseOptions', () => {
  it('leaves the words of the command alone', () => {
    expect(parse('--', 'sh', '-c', 'exit 7').argv).toEqual(['sh', '-c', 'exit 7']);
    expect(parse('ls', '-l', '--shell').argv).toEqual(['ls', '-l', '--shell']);
    expect(parse('--user', 'mpi', '--', 'a', '--', 'b')).toMatchObject({ user: 'mpi', argv: ['a', '--', 'b'] });
  });

  it('has a machine with an IOMMU and two PFs by default', () => {
    expect(parse('--', 'true').machine).toEqual(DEFAULT_MACHINE);
  });

  it('changes the machine', () => {
    expect(parse('--pfs', '1', '--no-intremap', '--append', 'a=1 b', '--', 'true').machine)
      .toEqual({ ...DEFAULT_MACHINE, pfs: 1, intremap: false, append: 'a=1 b' });
    expect(parse('--no-iommu', '--', 'true').machine).toEqual({ ...DEFAULT_MACHINE, iommu: false });
  });

  it('runs commands on several hosts', () => {
    expect(parse('--hosts', '2', '--user', 'mpi', '--', 'a', '-b', '--on', 'host2', '--', 'c', '--', 'd', '--on', 'host1', '--', 'e')).toMatchObject({
      hosts: 2, user: 'mpi', argv: ['a', '-b'], commands: [{ host: 'host2', argv: ['c', '--', 'd'] }, { host: 'host1', argv: ['e'] }], machine: { network: 'site' },
    });
    expect(parse('--hosts=3', '--on', 'host3', '--', 'x')).toMatchObject({ hosts: 3, argv: [], commands: [{ host: 'host3', argv: ['x'] }] });
  });

  it('leaves --on to the command where there are no hosts', () => {
    expect(parse('--', 'a', '--on', 'host2', '--', 'c')).toMatchObject({ hosts: undefined, argv: ['a', '--on', 'host2', '--', 'c'], commands: [] });
    expect(parse('--', 'npm', '--hosts', '2', '--on', 'host2', '--', 'c').argv).toHaveLength(7);
  });

  it('gives each of several hosts its share of the processors', () => {
    expect([1, 2, 3].map((hosts) => defaultCpus(hosts, 2))).toEqual([2, 1, 1]);
    expect(defaultCpus(2, 16)).toBe(8);
    expect(parse('--hosts', '2', '--cpus', '5', '--', 'x').machine.cpus).toBe(5);
  });

  it('reads what the wires are to do', () => {
    expect(parse('--hosts', '2', '--wire', 'loss=1%,duplicate=0.5,delay=2.5ms,seed=7', '--', 'x').wire)
      .toEqual({ impairment: { loss: 0.01, duplicate: 0.5, delayMs: 2.5 }, seed: 7 });
  });

  it('builds the parts it is told to', () => {
    expect(parse('--parts', 'kmod,c', '--', 'true').parts).toEqual(['kmod', 'c']);
    expect(parse('--parts', '', '--', 'true').parts).toEqual([]);
    expect(() => parse('--parts', 'kmod,foo', '--', 'true')).toThrow(/no part 'foo'/);
  });

  it.each([
    [[]], [['--shell', '--', 'ls']], [['--prune', '--', 'ls']], [['--shell', '--script', 'x']], [['--no-iommu', '--no-intremap', '--', 'ls']],
    [['--on', 'host2', '--', 'ls']], [['--wire', 'loss=1%', '--', 'ls']], [['--hosts', '2', '--on', 'host3', '--', 'ls']], [['--hosts', '2', '--on', 'host2', '--']],
    [['--hosts', '2']], [['--hosts', '2', '--on', 'host2', 'ls']], [['--hosts', '2', '--prune']],
  ])('refuses %j as usage', (args) => {
    expect(() => parse(...args)).toThrow(expect.objectContaining({ code: 'VFRING_ERR_LAB_USAGE', status: 64 }) as LabError);
  });

  it.each([
    [['--pfs', '9', '--', 'ls']], [['--pfs', '-1', '--', 'ls']], [['--timeout', '1.5', '--', 'ls']], [['--timeout', '0', '--', 'ls']],
    [['--memory', '12', '--', 'ls']], [['--bogus', '--', 'ls']],
    [['--hosts', '0', '--', 'ls']], [['--hosts', '5', '--', 'ls']], [['--hosts', '2', '--wire', 'loss=2', '--', 'ls']], [['--hosts', '2', '--wire', 'lost=1%', '--', 'ls']],
    [['--hosts', '2', '--wire', 'delay=5', '--', 'ls']],
  ])('refuses %j as an option', (args) => {
    expect(() => parse(...args)).toThrow(CommanderError);
  });
});

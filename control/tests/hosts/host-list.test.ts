// SPDX-License-Identifier: BSD-3-Clause
import { join } from 'node:path';
import { writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { allocatedHosts, hostsOfSlurmJob } from '../../src/hosts/allocation.js';
import { dealRanks, parseHostfile, parseHosts, readHostfile, type HostEntry } from '../../src/hosts/host-list.js';
import { hostsAsMpirun } from '../../src/cli/over-hosts.js';
import type { Exec } from '../../src/exec.js';
import { tempDir } from '../helpers/temp-dir.js';

const host = (name: string, slots?: number): HostEntry => ({ name, slots });

describe('a list of hosts', () => {
  test.each<[string, HostEntry[]]>([
    ['a', [host('a')]],
    ['a:2,b', [host('a', 2), host('b')]],
    ['a, b:*', [host('a'), host('b')]],
    ['a,a,b', [host('a', 2), host('b')]],
    ['a:2,a:3', [host('a', 5)]],
    ['node-1.cluster.example:16', [host('node-1.cluster.example', 16)]],
    ['10.99.0.1:2,[fe80::1]:3,[::1]', [host('10.99.0.1', 2), host('fe80::1', 3), host('::1')]],
  ])('%s', (text, expected) => expect(parseHosts(text)).toEqual(expected));

  // What ssh would take for an option, or a shell for more than a word, is no name of a host.
  test.each(['', 'a,,b', '-oProxyCommand=x', 'a;reboot', 'a b', '$(x)', 'a:x', 'a:-1', '../a'])('"%s" is none', (text) => {
    expect(() => parseHosts(text)).toThrow(expect.objectContaining({ code: 'VFRING_ERR_USAGE' }) as Error);
  });
});

describe('a hostfile', () => {
  test('has a line a host, with slots, and comments', () => {
    expect(parseHostfile('# mine\na slots=2 max_slots=4\n\nb # the other\n  user@c slots = 3\n^d\nb\ne:5\n', 'f')).toEqual([host('a', 2), host('b', 2), host('c', 3), host('e', 5)]);
  });

  test('with nonsense in it is refused with the line', () => {
    expect(() => parseHostfile('a\n-b\n', 'f')).toThrow(expect.objectContaining({ code: 'VFRING_ERR_HOSTFILE', message: expect.stringContaining('line 2: -b') as string }) as Error);
  });

  test('that is not there is named', async () => {
    await expect(readHostfile('/nowhere/f')).rejects.toMatchObject({ code: 'VFRING_ERR_HOSTFILE', exitStatus: 65, message: expect.stringContaining('/nowhere/f') as string });
  });
});

describe('ranks are dealt out', () => {
  test.each<[string, HostEntry[], number, number[]]>([
    ['by slots, in the order of the list', [host('a', 2), host('b', 2)], 3, [2, 1]],
    ['evenly beyond them', [host('a', 1), host('b', 1)], 5, [3, 2]],
    ['evenly where there are none', [host('a'), host('b'), host('c')], 4, [2, 1, 1]],
  ])('%s', (_what, hosts, ranks, expected) => expect(dealRanks(hosts, ranks)).toEqual(expected));
});

describe('hosts that only the environment names', () => {
  const scontrol: Exec = async (program, args) => {
    expect(program).toBe('scontrol');
    if (args[1] === 'job') {
      return args[3] === '7' ? { status: 0, stdout: 'JobId=7 UserId=x NodeList=n[1-2] BatchHost=n1\n', stderr: '' } : { status: 1, stdout: '', stderr: 'slurm_load_jobs error: Invalid job id specified' };
    }
    expect(args).toEqual(['show', 'hostnames', 'n[1-2]']);
    return { status: 0, stdout: 'n1\nn2\n', stderr: '' };
  };
  const file = (text: string): string => {
    const path = join(tempDir(), 'hosts');
    writeFileSync(path, text);
    return path;
  };

  test.each<[string, () => NodeJS.ProcessEnv, HostEntry[] | undefined]>([
    ['Slurm', () => ({ SLURM_JOB_ID: '7', SLURM_JOB_NODELIST: 'n[1-2]' }), [host('n1'), host('n2')]],
    ['PBS', () => ({ PBS_NODEFILE: file('n1\nn1\nn2\n') }), [host('n1', 2), host('n2')]],
    ['LSF', () => ({ LSB_DJOB_HOSTFILE: file('n1\nn2\n') }), [host('n1'), host('n2')]],
    ['Grid Engine', () => ({ PE_HOSTFILE: file('n1 4 all.q@n1 UNDEFINED\nn2 4 all.q@n2 UNDEFINED\n') }), [host('n1'), host('n2')]],
    ['nobody', () => ({}), undefined],
  ])('by %s', async (_system, env, expected) => expect(await allocatedHosts(env(), scontrol)).toEqual(expected));

  test('give way to those that mpirun is told, and come before the default file', async () => {
    const slurm = { SLURM_JOB_ID: '7', SLURM_JOB_NODELIST: 'n[1-2]', PRTE_MCA_prte_default_hostfile: file('d\n') };
    expect(await hostsAsMpirun({ lists: ['a:2'], files: [] }, slurm, scontrol)).toEqual([host('a', 2)]);
    expect(await hostsAsMpirun({ lists: ['+n1'], files: [] }, slurm, scontrol)).toEqual([host('n1'), host('n2')]);
    expect(await hostsAsMpirun({ lists: [], files: [] }, slurm, scontrol)).toEqual([host('n1'), host('n2')]);
    expect(await hostsAsMpirun({ lists: [], files: [] }, { OMPI_MCA_orte_default_hostfile: file('d\n') }, scontrol)).toEqual([host('d')]);
    expect(await hostsAsMpirun({ lists: [], files: [] }, {}, scontrol)).toEqual([]);
  });

  test('of a job of Slurm are those that Slurm says, or it is told what it says', async () => {
    expect(await hostsOfSlurmJob('7', scontrol)).toEqual([host('n1'), host('n2')]);
    await expect(hostsOfSlurmJob('8', scontrol)).rejects.toMatchObject({ code: 'VFRING_ERR_NO_HOST_LIST', message: expect.stringContaining('Invalid job id') as string });
    const none: Exec = () => Promise.reject(Object.assign(new Error('spawn scontrol ENOENT'), { code: 'ENOENT' }));
    await expect(hostsOfSlurmJob('7', none)).rejects.toMatchObject({ code: 'VFRING_ERR_NO_HOST_LIST', exitStatus: 69 });
  });
});

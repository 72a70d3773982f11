// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, test } from 'vitest';
import { reachOf } from '../../src/hosts/reach.js';

describe('other hosts are reached', () => {
  test('by ssh, which may ask for nothing, and takes no host for an option', () => {
    const { name, argv } = reachOf({});
    const words = argv('h', 'command');
    expect(name).toBe('ssh');
    expect(words.slice(-3)).toEqual(['--', 'h', 'command']);
    expect(words.join(' ')).toMatch(/-o BatchMode=yes/);
  });

  test.each<[string, NodeJS.ProcessEnv, string[], string]>([
    ['an option for Open MPI 4.1', {}, ['--mca', 'plm_rsh_agent', '/opt/ssh -p 2222'], '/opt/ssh -p 2222 -T'],
    ['an option for Open MPI 5', {}, ['--prtemca', 'plm_ssh_agent', 'ssh -p 2222'], 'ssh -p 2222 -T'],
    ['the environment', { PRTE_MCA_plm_ssh_agent: 'ssh -l x' }, [], 'ssh -l x -T'],
    ['an option before the environment', { OMPI_MCA_plm_rsh_agent: 'rsh' }, ['--mca', 'plm_rsh_agent', 'ssh : rsh'], 'ssh -T'],
    // Not ssh: it is called as mpirun calls it.
    ['an agent of one\'s own', { OMPI_MCA_plm_rsh_agent: '/opt/enter -q' }, [], '/opt/enter -q h command'],
  ])('as mpirun is told by %s', (_how, env, options, expected) => {
    const words = reachOf({ ...env, SLURM_JOB_ID: '7' }, options).argv('h', 'command').join(' ');
    expect(words.startsWith(expected)).toBe(true);
  });

  test('by srun within a job of Slurm, beside what runs there, and in no turn of the queue', () => {
    const { name, argv } = reachOf({ SLURM_JOB_ID: '7' });
    expect(name).toBe('srun');
    expect(argv('h', 'command')).toEqual(expect.arrayContaining(['srun', '--jobid=7', '--overlap', '--nodelist=h', '--mpi=none']));
    expect(argv('h', 'command').slice(-3)).toEqual(['/bin/sh', '-c', 'command']);
  });
});

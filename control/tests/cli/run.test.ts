// SPDX-License-Identifier: BSD-3-Clause
/** `vfring run` against a real daemon, with an mpirun that only looks like one. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createServer } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { apiClient } from '../../src/api/client.js';
import { ONE_SIDED_QUERY, btlList, btlRelease, componentPath, findOpenMpi, launcherEnv, oneSided } from '../../src/mpi/open-mpi.js';
import { parseRunArgs, splitCommandLine } from '../../src/cli/run-args.js';
import { explain } from '../../src/cli/explain.js';
import { jobHereAlone } from '../../src/cli/run-job.js';
import { run } from '../../src/cli/run.js';
import { exec } from '../../src/exec.js';
import { realSysfs } from '../../src/providers/sriov/sysfs.js';
import { fakeOpenMpi, script } from '../helpers/fake-mpi.js';
import { startNode } from '../helpers/fake-node.js';
import { tempDir } from '../helpers/temp-dir.js';

const HOLDER = join(import.meta.dirname, '../helpers/lease-holder.mjs');

/** Shell text of a rank that leases a VF, waits for the answer, gives it back unless it is to die, and ends. */
const rank = (lease: string, index: number, how: 'release' | 'die' = 'release', count = 1): string =>
  `${process.execPath} ${HOLDER} ${lease} '{"v":1,"op":"lease","count":${count},"job":"'$VFRING_JOB'","rank":${index},"ranks":2}' ${how} </dev/null >/dev/null`;

async function runIt(body: (lease: string) => string, args: string, version?: string, btlIn?: 'components' | 'prefix' | 'nowhere', info?: string) {
  const node = await startNode();
  const dir = tempDir();
  const mpi = fakeOpenMpi(dir, body(node.lease), version, btlIn, info);
  const said: string[] = [];
  const { ours, commandLine } = splitCommandLine(['run', '--mpirun', mpi.mpirun, ...args.split(' ')]);
  const status = await run(parseRunArgs(ours.slice(1), commandLine), {
    api: apiClient(node.runDir),
    exec,
    sysfs: realSysfs(),
    prefix: mpi.prefix,
    env: { ...process.env, VFRING_RUN_DIR: node.runDir, HOME: '/home/x' },
    say: (line) => said.push(line),
  });
  const read = (name: string): string => readFileSync(join(dir, name), 'utf8');
  return { status, said, mpi, node, arguments: () => read('arguments').trim().split('\n'), environment: () => read('environment') };
}

describe('a run', () => {
  test('sets the transport, names the job, passes the rest on, and says what it chose', async () => {
    const result = await runIt((lease) => `${rank(lease, 0)} & ${rank(lease, 1)} & wait`, '--local vf -n 2 --bind-to core -- prog -x y');
    const id = result.node.daemon.ledger.jobs(1)[0]?.id ?? '';
    expect(result.arguments()).toEqual([
      ...['-n', '2', '--mca', 'pml', 'ob1', '--mca', 'btl', 'self,vfring', '-x', 'VFRING_JOB', '--mca', 'btl_vfring_lease', 'always', '-x', 'VFRING_RUN_DIR'],
      ...['--bind-to', 'core', 'prog', '-x', 'y'],
    ]);
    expect(result.environment()).toContain(`VFRING_JOB=${id}\n`);
    expect(result.environment()).toContain(`OMPI_MCA_opal_mca_base_component_path=${result.mpi.components}\n`);
    expect(result.environment()).not.toContain('EVENT_NOEPOLL');
    expect(result.said[0]).toBe(`job ${id}: 2 ranks, --local vf: every message over VFs (Open MPI 5.0.7, btl self,vfring)`);
    expect(result.said.slice(1)).toEqual([
      expect.stringMatching(/^rank 0: VF vf\d of PF soft: out 0 frames 0 B, in 0 frames 0 B$/) as string,
      expect.stringMatching(/^rank 1: VF vf\d of PF soft: out 0 frames 0 B, in 0 frames 0 B$/) as string,
    ]);
    expect(result.status).toBe(0);
    expect(result.node.daemon.ledger.jobs(1)[0]?.endedAt).toBeDefined();
  });

  test('that ends well without leases was not carried: status 76', async () => {
    const { status, said } = await runIt(() => 'exit 0', '--local vf -n 2 -- prog');
    expect(status).toBe(76);
    expect(said.join('\n')).toContain('0 of 2 processes took a lease');
  });

  test('with several VFs each tells them apart, and is not carried if a rank had fewer', async () => {
    const both = await runIt((lease) => `${rank(lease, 0, 'release', 2)} & ${rank(lease, 1, 'release', 2)} & wait`, '--local vf --rails 2 -n 2 -- prog');
    expect(both.status).toBe(0);
    expect(both.arguments().join(' ')).toContain('-x VFRING_JOB --mca btl_vfring_lease always --mca btl_vfring_rails 2 -x VFRING_RUN_DIR');
    expect(both.said[0]).toContain('--local vf --rails 2: every message over VFs');
    expect(both.said.slice(1).map((line) => line.split(':')[0] + (/rail \d/.exec(line)?.[0] ?? '')).sort()).toEqual(['rank 0rail 0', 'rank 0rail 1', 'rank 1rail 0', 'rank 1rail 1']);

    const short = await runIt((lease) => `${rank(lease, 0, 'release', 2)} & ${rank(lease, 1)} & wait`, '--local vf --rails 2 -n 2 -- prog');
    expect(short.status).toBe(76);
    expect(short.said.join('\n')).toContain('not every process took 2 VFs: rank 1 had 1');
  });

  test('of more ranks than VFs can be had is refused before anything runs, with the numbers', async () => {
    await expect(runIt(() => 'exit 0', '--local vf -n 5 -- prog')).rejects.toMatchObject({
      code: 'VFRING_ERR_TOO_MANY_RANKS', exitStatus: 69, message: '5 ranks need a VF each, and 4 can be had on this host',
      remedy: expect.stringMatching(/--local sm.*vfring status/) as string,
    });
    // With shared memory none is needed.
    expect((await runIt(() => 'exit 0', '-n 5 -- prog')).status).toBe(0);
  });

  test('waits a moment for VFs whose processes have just ended', async () => {
    const { runDir } = await startNode();
    const api = apiClient(runDir);
    const { vfs: [held, ...others], ...more } = await api.status();
    const looks = [[{ ...held, state: 'draining' }, ...others], [held, ...others]];
    const status = async (): Promise<unknown> => ({ ...more, vfs: looks.shift() });
    const job = await jobHereAlone({ api: { ...api, status } as typeof api, env: {} }, { ranks: 4, rails: undefined }, false);
    expect(looks).toEqual([]);
    expect((await job.finish())[0]?.job?.ranks).toBe(4);
  });

  test('that asks for more VFs a rank than there are is refused before anything runs, with the numbers', async () => {
    await expect(runIt(() => 'exit 0', '--local vf --rails 3 -n 2 -- prog')).rejects.toMatchObject({
      code: 'VFRING_ERR_TOO_MANY_RAILS', exitStatus: 69, message: '2 ranks with 3 VFs each need 6 VFs, and 4 can be had on this host',
    });
  });

  test('on one host with shared memory leases no VF, and explain says so', async () => {
    const { status, said, node, arguments: args } = await runIt(() => 'exit 0', '--rails 2 -n 2 -- prog');
    expect(status).toBe(0);
    expect(said).toEqual([expect.stringMatching(/^job job-\S+: 2 ranks, --local sm: all on this host, shared memory carries everything and no VF is leased \(Open MPI 5\.0\.7, btl self,sm\)$/) as string]);
    expect(args()).not.toContain('btl_vfring_rails');
    const api = apiClient(node.runDir);
    const job = await api.job(node.daemon.ledger.jobs(1)[0]?.id ?? '');
    expect(job.shares_memory).toBe(true);
    const { pairs, notes } = explain(job, await api.status());
    expect(pairs).toMatchObject([{ ranks: [0, 1], path: 'memory' }]);
    expect(notes).toEqual([expect.stringMatching(/^no VF is leased: .*--local sm.*--local vf/) as string]);
    expect((await runIt(() => 'exit 3', '-n 2 -- prog')).status).toBe(3);
  });

  test('that one rank only took part in was not carried either', async () => {
    const { status, said } = await runIt((lease) => rank(lease, 0), '--local vf -n 2 -- prog');
    expect(status).toBe(76);
    expect(said.join('\n')).toContain('1 of 2 processes took a lease');
  });

  test('on hosts that are all this one needs no connection', async () => {
    const { status, said } = await runIt((lease) => `${rank(lease, 0)} & ${rank(lease, 1)} & wait`, '--local vf -n 2 --host localhost:2 -- prog');
    expect({ status, first: said[0] }).toEqual({ status: 0, first: expect.stringMatching(/^job job-\S+: 2 ranks, --local vf/) as string });
  });

  test('that fails names the rank that ended first without giving its VF back, with host and VF', async () => {
    // Longer apart than what is told together.
    const { status, said } = await runIt((lease) => `${rank(lease, 1, 'die')}; sleep 0.5; ${rank(lease, 0, 'die')}; exit 137`, '--local vf -n 2 -- prog');
    expect(status).toBe(137);
    expect(said.at(-1)).toMatch(/^rank 1 \(VF vf\d of PF soft\) ended without MPI_Finalize, before the others$/);
  });

  test('in which all have given their VFs back blames nobody', async () => {
    const { status, said } = await runIt((lease) => `${rank(lease, 0)}; ${rank(lease, 1)}; exit 3`, '--local vf -n 2 -- prog');
    expect(status).toBe(3);
    expect(said.join('\n')).not.toContain('MPI_Finalize');
  });

  test('that mpirun calls good although a rank was lost is not: status 71, unless a run may outlive its processes', async () => {
    const body = (lease: string): string => `${rank(lease, 0)}; ${rank(lease, 1, 'die')}`;
    const { status, said } = await runIt(body, '--local vf -n 2 -- prog');
    expect(status).toBe(71);
    expect(said.join('\n')).toMatch(/VFRING_ERR_RANKS_LOST: .*rank 1 \(VF vf\d of PF soft\) ended without MPI_Finalize$/m);
    expect((await runIt(body, '--local vf -n 2 --enable-recovery -- prog')).status).toBe(0);
  });

  test('that fails has mpirun\'s own status', async () => {
    expect((await runIt(() => 'exit 13', '--local vf -n 2 -- prog')).status).toBe(13);
    expect((await runIt(() => 'kill -TERM $$', '--local vf -n 2 -- prog')).status).toBe(143);
  });
});

describe('Open MPI', () => {
  test('calls shared memory vader before version 5', () => {
    expect([btlList('sm', 4), btlList('sm', 5), btlList('sm', 6), btlList('vf', 4)]).toEqual([
      'self,vader,vfring',
      'self,sm,vfring',
      'self,sm,vfring',
      'self,vfring',
    ]);
  });

  test('is told where the BTL is, without forgetting its own folder', async () => {
    const { mpi, environment } = await runIt(() => 'exit 1', '-n 1 -- p', '4.1.4', 'prefix');
    expect(environment()).toContain(
      `OMPI_MCA_opal_mca_base_component_path=${mpi.prefix}/lib/openmpi:${mpi.components}\n`,
    );
  });

  test('whose components path is set keeps it', () => {
    const dir = tempDir();
    const { mpirun, components, prefix } = fakeOpenMpi(dir, '', '5.0.7', 'prefix');
    const mpi = { mpirun, components, version: '5.0.7', major: 5 };
    const [short, long] = ['OMPI_MCA_mca_base_component_path', 'OMPI_MCA_opal_mca_base_component_path'];
    const both = `${prefix}/lib/openmpi:/mine`;
    expect(componentPath(mpi, prefix, { [short]: '/mine' })).toEqual({ [long]: both });
    expect(componentPath(mpi, prefix, { [short]: '/other', [long]: '/mine' })).toEqual({ [long]: both });
    expect(componentPath(mpi, prefix, { [long]: both })).toEqual({ [long]: both });
  });

  test('loads the BTL or says why not, in its own words', async () => {
    const dir = tempDir();
    const { mpirun, components } = fakeOpenMpi(dir, '');
    const mpi = { mpirun, components, version: '5.0.7', major: 5 };
    const path = { OMPI_MCA_opal_mca_base_component_path: '/a:/b' };
    const said = (stdout: string, stderr = '') => async (_program: string, args: readonly string[]) => {
      expect(args).toContain('OMPI_MCA_opal_mca_base_component_path=/a:/b');
      return { status: 0, stdout, stderr };
    };
    expect(await btlRelease(mpi, path, said('mca:btl:vfring:version:"mca:2.1.0"\nmca:btl:vfring:version:"component:0.4.1"\n'))).toBe('0.4.1');
    const trouble = 'unable to open mca_btl_vfring: undefined symbol: x (ignored)';
    await expect(btlRelease(mpi, path, said('', `unable to open mca_mtl_psm\n${trouble}\n`))).rejects.toMatchObject({
      code: 'VFRING_ERR_BTL_UNLOADABLE',
      message: `Open MPI 5.0.7 finds the component mca_btl_vfring.so and does not load it: ${trouble}`,
    });
  });

  test('hears what it spawns, unless the user has chosen how; of Open MPI 5, which does anyway, none would start so', () => {
    expect(launcherEnv({ major: 4 }, {})).toEqual({ EVENT_NOEPOLL: '1' });
    expect(launcherEnv({ major: 4 }, { EVENT_NOEPOLL: '' })).toEqual({});
    expect(launcherEnv({ major: 5 }, {})).toEqual({});
  });

  describe('whose installation switches one-sided operations off', () => {
    const FILE = '/etc/openmpi/openmpi-mca-params.conf';
    const says = (value: string, source: string) => async () => ({
      status: 0, stderr: '', stdout: `mca:osc:base:param:osc:value:${value}\nmca:osc:base:param:osc:source:${source}\n`,
    });
    const mpi = { mpirun: '/usr/bin/mpirun', components: '/c', version: '4.1.4', major: 4 };
    const debian = says('^ucx,pt2pt', `file (${FILE}:70)`);
    const env = { HOME: '/home/x' };

    test('has osc/pt2pt again, and nothing else of it changes', async () => {
      expect(await oneSided(mpi, [], env, debian)).toEqual({ OMPI_MCA_osc: '^ucx' });
      expect(await oneSided(mpi, [], env, says('^pt2pt', `file (${FILE}:1)`))).toEqual({ OMPI_MCA_osc: '^ucx' });
    });

    test.each<[string, Parameters<typeof oneSided>]>([
      ['an Open MPI that needs none', [{ ...mpi, version: '5.0.7', major: 5 }, [], env, debian]],
      ['one that switches nothing off', [mpi, [], env, says('', 'default')]],
      ['one that has chosen pt2pt', [mpi, [], env, says('pt2pt', `file (${FILE}:70)`)]],
      ['an environment that says otherwise', [mpi, [], { ...env, OMPI_MCA_osc: '^pt2pt' }, debian]],
      ['a file of the user that does', [mpi, [], env, says('^pt2pt', 'file (/home/x/.openmpi/mca-params.conf:3)')]],
      ['an option that does', [mpi, ['--mca', 'osc', 'rdma'], env, debian]],
      ['a file of options', [mpi, ['--tune', 'mine.conf'], env, debian]],
      ['no ompi_info', [mpi, [], env, () => Promise.reject(new Error('ENOENT'))]],
    ])('%s: nothing is set', async (_name, args) => expect(await oneSided(...args)).toEqual({}));

    test.skipIf(spawnSync('ompi_info', ['--version']).status !== 0)('is asked in words that a real ompi_info answers', () => {
      const { stdout } = spawnSync('ompi_info', [...ONE_SIDED_QUERY], { encoding: 'utf8' });
      expect(stdout).toMatch(/^mca:osc:base:param:osc:value:/m);
      expect(stdout).toMatch(/^mca:osc:base:param:osc:source:/m);
    });

    test('and vfring run says what it sets', async () => {
      const { said, environment } = await runIt(() => 'exit 1', '--local vf -n 1 -- p', '4.1.4', 'components',
        `mca:osc:base:param:osc:value:^ucx,pt2pt\nmca:osc:base:param:osc:source:file (${FILE}:70)`);
      expect(said[0]).toMatch(/btl self,vfring, osc \^ucx\)$/);
      expect(environment()).toContain('OMPI_MCA_osc=^ucx\n');
    });
  });

  test('without the BTL is refused before anything runs', async () => {
    await expect(runIt(() => 'exit 0', '-n 1 -- p', '5.0.7', 'nowhere')).rejects.toMatchObject({
      code: 'VFRING_ERR_NO_BTL',
      exitStatus: 69,
    });
  });

  test.each([
    ['mpirun (Open MPI) 4.0.3', 'VFRING_ERR_NOT_OPEN_MPI'],
    ['HYDRA build details: Version: 4.0', 'VFRING_ERR_NOT_OPEN_MPI'],
  ])('that says "%s" is refused', async (says, code) => {
    const dir = tempDir();
    script(join(dir, 'mpirun'), `echo '${says}'`);
    await expect(findOpenMpi(join(dir, 'mpirun'), exec)).rejects.toMatchObject({ code });
  });

  test('that is not there is named', async () => {
    await expect(findOpenMpi('/nowhere/mpirun', exec)).rejects.toMatchObject({
      code: 'VFRING_ERR_NO_MPIRUN',
      message: 'cannot run /nowhere/mpirun: it was not found',
    });
  });
});

test('a daemon that is there and closes every connection, as one without descriptors does, is not to be started', async () => {
  const dir = tempDir();
  const server = createServer((socket) => socket.destroy()).listen(join(dir, 'api.sock'));
  onTestFinished(() => void server.close());
  await expect(apiClient(dir).status()).rejects.toMatchObject({
    code: 'VFRING_ERR_NO_ANSWER', exitStatus: 69, message: expect.stringMatching(/runs and gives no answer/) as string, remedy: expect.stringMatching(/LimitNOFILE/) as string,
  });
});

test('without a daemon nothing is run: status 69, with the socket named', async () => {
  const dir = tempDir();
  const mpi = fakeOpenMpi(dir, 'exit 0');
  const work = run(parseRunArgs(['--mpirun', mpi.mpirun, '-n', '1'], ['p']), {
    api: apiClient(join(dir, 'run')),
    exec,
    sysfs: realSysfs(),
    prefix: mpi.prefix,
    env: process.env,
    say: () => {},
  });
  await expect(work).rejects.toMatchObject({ code: 'VFRING_ERR_NO_DAEMON', exitStatus: 69 });
  expect(() => readFileSync(join(dir, 'arguments'))).toThrow('ENOENT');
});

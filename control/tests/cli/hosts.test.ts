// SPDX-License-Identifier: BSD-3-Clause
/** Commands over several hosts, played on one machine: real daemons, real vfring at both ends, an ssh that stays here. */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { audit, auditText, type Audit } from '../../src/cli/audit.js';
import { parseRunArgs, splitCommandLine } from '../../src/cli/run-args.js';
import { run } from '../../src/cli/run.js';
import { factsSchema } from '../../src/cli/node-facts.js';
import { overHosts } from '../../src/cli/over-hosts.js';
import { hostsOfJob, hostsPreflightText, preflightOver } from '../../src/cli/several-hosts.js';
import { apiClient } from '../../src/api/client.js';
import { exec } from '../../src/exec.js';
import { reachOf } from '../../src/hosts/reach.js';
import { realSysfs } from '../../src/providers/sriov/sysfs.js';
import { softConfig } from '../helpers/config.js';
import { ask, ended, leaseRequest } from '../helpers/lease-client.js';
import { eventually } from '../helpers/eventually.js';
import { script } from '../helpers/fake-mpi.js';
import { fakeHosts, rankOn, type FakeHosts } from '../helpers/fake-hosts.js';
import { startNode, type FakeNode } from '../helpers/fake-node.js';
import { tempDir } from '../helpers/temp-dir.js';

const NO_API = apiClient('/nowhere');

const context = ({ env, prefix }: FakeHosts, api = NO_API) => ({ api, exec, sysfs: realSysfs('/nowhere'), env, prefix });

async function runOn(hosts: FakeHosts, args: string) {
  const said: string[] = [];
  const { ours, commandLine } = splitCommandLine(['run', '--mpirun', hosts.mpirun, ...args.split(' ')]);
  const work = run(parseRunArgs(ours.slice(1), commandLine), { ...context(hosts), say: (line) => said.push(line) });
  return { said, work };
}

const jobs = (node: FakeNode): string[] => node.daemon.ledger.jobs(9).map(({ state }) => state);
const free = (node: FakeNode): boolean => node.daemon.manager.pool.entries.every(({ state }) => state === 'free');

const TWO = { a: { vfs: 2 }, b: { vfs: 2 } };
const two = (mpirun: (node: (host: string) => FakeNode) => string = () => 'exit 0') => fakeHosts(TWO, mpirun);

/** Ranks 0 and 1 on a, 2 and 3 on b. */
const four = (node: (host: string) => FakeNode): string =>
  `${[0, 1].map((i) => rankOn(node('a'), i, 4)).join(' & ')} & ${[2, 3].map((i) => rankOn(node('b'), i, 4)).join(' & ')} & wait`;

describe('vfring run over two hosts', () => {
  test('makes one job on both, by one connection to each, and tells what the VFs of every rank carried', async () => {
    const hosts = await two(four);
    const { said, work } = await runOn(hosts, '-n 4 --host a:2,b:2 --local vf -- prog x');
    expect(await work).toBe(0);
    expect(said[0]).toMatch(/^job run-\S+: 4 ranks on a, b, --local vf: every message over VFs/);
    expect(said.slice(1)).toEqual([[0, 'a'], [1, 'a'], [2, 'b'], [3, 'b']].map(([rank, host]) =>
      expect.stringMatching(new RegExp(`^rank ${rank} on ${host}: VF vf\\d of PF soft: out 0 frames 0 B, in 0 frames 0 B$`)) as string));
    expect(hosts.arguments()).toEqual([
      '-n', '4', '--mca', 'pml', 'ob1', '--mca', 'btl', 'self,vfring', '-x', 'VFRING_JOB', '--mca', 'btl_vfring_job', expect.stringMatching(/^run-/), '--mca', 'btl_vfring_lease', 'always', '--host', 'a:2,b:2', 'prog', 'x',
    ]);
    for (const host of ['a', 'b']) {
      expect(hosts.asked().filter((line) => line.includes(` -- ${host} `))).toHaveLength(2); // its begin and its end
      expect(jobs(hosts.node(host))).toEqual(['ended']);
      expect(free(hosts.node(host))).toBe(true);
      expect(hosts.node(host).daemon.ledger.jobs(1)[0]).toMatchObject({ id: /job (\S+):/.exec(said[0] ?? '')?.[1], hosts: ['a', 'b'], ranks: 4 });
    }
    // Nothing may ask for anything, and nothing waits for ever.
    expect(hosts.asked()[0]).toMatch(/-o BatchMode=yes -o ConnectTimeout=\d+/);
  });

  test('was not carried when a rank of the other host took no VF: status 76', async () => {
    const { said, work } = await runOn(await two((node) => `${rankOn(node('a'), 0, 2)}`), '-n 2 --host a,b -- prog');
    expect(await work).toBe(76);
    expect(said.join('\n')).toContain('1 of 2 processes took a lease of a VF, none on b');
  });

  test('finds its hosts in a hostfile, and this one among them', async () => {
    const hosts = await two((node) => `${rankOn(node('a'), 0, 2)}; ${rankOn(node('b'), 1, 2)}`);
    const file = join(tempDir(), 'hosts');
    writeFileSync(file, `# mine\n${os.hostname()} slots=1\nb slots=1\n`);
    const said: string[] = [];
    const args = parseRunArgs(['--mpirun', hosts.mpirun, '-n', '2', '--hostfile', file], ['p']);
    const status = await run(args, { ...context(hosts, apiClient(hosts.node('a').runDir)), say: (line) => said.push(line) });
    expect({ status, asked: hosts.asked().length }).toEqual({ status: 0, asked: 2 });
    expect(said[1]).toMatch(new RegExp(`^rank 0 on ${os.hostname()}: `));
    expect(said[2]).toMatch(/^rank 1 on b: /);
  });

  test.each([
    ['nowhere', 'VFRING_ERR_HOST_UNKNOWN', /host nowhere: its name does not resolve/],
    ['locked', 'VFRING_ERR_HOST_LOGIN', /lets nobody in without a question: .*Permission denied/],
    ['stranger', 'VFRING_ERR_HOST_LOGIN', /Host key verification failed/],
    ['off', 'VFRING_ERR_HOST_SILENT', /host off does not answer: .*No route to host/],
    ['bare', 'VFRING_ERR_HOST_NO_VFRING', /host bare has no vfring/],
    ['old', 'VFRING_ERR_HOST_RELEASE', /another release of vfring: .*does not know what it is asked/],
    ['noisy', 'VFRING_ERR_HOST_RELEASE', /what it says is not understood/],
  ])('is refused when a host is %s, and leaves nothing behind', async (ill, code, message) => {
    const hosts = await two();
    const { work } = await runOn(hosts, `-n 2 --host a:1,${ill}:1 -- prog`);
    await expect(work).rejects.toMatchObject({ code, message: expect.stringMatching(message) as string });
    expect(jobs(hosts.node('a'))).toEqual(['ended']);
    expect(existsSync(join(hosts.dir, 'arguments'))).toBe(false);
  });

  test('is refused when vfringd of a host is down, in its own words and with the host\'s name', async () => {
    const hosts = await two();
    await hosts.node('b').daemon.stop('end');
    const { work } = await runOn(hosts, '-n 2 --host a:1,b:1 -- prog');
    await expect(work).rejects.toMatchObject({
      code: 'VFRING_ERR_NO_DAEMON', exitStatus: 69, message: expect.stringMatching(/^host b: vfringd cannot be reached/) as string, remedy: expect.stringMatching(/^on b: start it/) as string,
    });
    expect(jobs(hosts.node('a'))).toEqual(['ended']);
  });

  test.each([
    ['FAKE_WIRE', '2', /version of the wire format: .*2 on b/],
    ['FAKE_OPEN_MPI', '4.1.4', /Open MPI: .*4\.1\.4 on b/],
  ])('is refused when a host has another %s', async (variable, value, message) => {
    const hosts = await two();
    hosts.set('b', variable, value);
    const { work } = await runOn(hosts, '-n 2 --host a:1,b:1 -- prog');
    await expect(work).rejects.toMatchObject({ code: 'VFRING_ERR_HOSTS_DIFFER', message: expect.stringMatching(message) as string });
    expect([jobs(hosts.node('a')), jobs(hosts.node('b'))]).toEqual([['ended'], ['ended']]);
  });

  test('is refused when their VFs have different MTUs, which do not reach each other, unless the job has one of its own', async () => {
    const hosts = await fakeHosts({ a: { vfs: 2 }, b: { vfs: 2, mtu: 1500 } }, (node) => `${rankOn(node('a'), 0, 2)}; ${rankOn(node('b'), 1, 2)}`);
    const refused = await runOn(hosts, '-n 2 --host a:1,b:1 -- prog');
    await expect(refused.work).rejects.toMatchObject({ code: 'VFRING_ERR_HOSTS_DIFFER', message: expect.stringMatching(/MTU: 9000 on a; 1500 on b/) as string });
    expect([jobs(hosts.node('a')), jobs(hosts.node('b'))]).toEqual([['ended'], ['ended']]);
    const told = await runOn(hosts, '-n 2 --host a:1,b:1 --mca btl_vfring_mtu 1500 -- prog');
    expect(await told.work).toBe(0);
    expect(told.said.join('\n')).toContain('warning: the hosts differ in MTU: 9000 on a; 1500 on b');
  });

  test('is refused when their VFs are on different networks', async () => {
    const dir = tempDir();
    const hosts = await fakeHosts({ a: {}, b: { dir, config: softConfig(join(dir, 'soft'), 4) } }, (node) => `${rankOn(node('a'), 0, 2)}; ${rankOn(node('b'), 1, 2)}`);
    const { soft, daemon } = hosts.node('b');
    soft.fake.segment = 'switch-2';
    await daemon.reload(false);
    const refused = await runOn(hosts, '-n 2 --host a:1,b:1 -- prog');
    await expect(refused.work).rejects.toMatchObject({ code: 'VFRING_ERR_HOSTS_DIFFER', message: expect.stringMatching(/segment and VLAN: .*switch-2 on b/) as string });
  });

  test('is refused when a host has fewer free VFs than ranks are to run there', async () => {
    const hosts = await fakeHosts({ a: { vfs: 4 }, b: { vfs: 1 } }, () => 'exit 0');
    const { work } = await runOn(hosts, '-n 4 --host a:2,b:2 -- prog');
    await expect(work).rejects.toMatchObject({ code: 'VFRING_ERR_HOST_NO_FREE_VF', message: 'ranks that are to run on host b: 2; free VFs there: 1' });
    expect([jobs(hosts.node('a')), jobs(hosts.node('b'))]).toEqual([['ended'], ['ended']]);
  });

  test('tells that nobody knows what a host carried that died meanwhile, and has mpirun\'s status', async () => {
    const hosts = await two((node) => `${rankOn(node('a'), 0, 2)}; touch DIR/dead; exit 9`.replace('DIR', node('a').dir));
    hosts.set('b', 'x', `x'; [ ! -e ${hosts.node('a').dir}/dead ] || { echo "ssh: connect to host b port 22: No route to host" >&2; exit 255; }; x='`);
    const { said, work } = await runOn(hosts, '-n 2 --host a:1,b:1 -- prog');
    expect(await work).toBe(9);
    expect(said.at(-2)).toMatch(/^rank 0 on a: /);
    expect(said.at(-1)).toMatch(/^what the VFs of job run-\S+ on b carried is not known: host b does not answer: .*No route to host/);
  });

  test('names host and VF of the rank that ended first without giving its VF back', async () => {
    // Longer apart than what two hosts' clocks may differ by.
    const hosts = await two((node) => `${rankOn(node('b'), 1, 2, 'die')}; sleep 1.5; ${rankOn(node('a'), 0, 2, 'die')}; exit 137`);
    const { said, work } = await runOn(hosts, '-n 2 --host a:1,b:1 -- prog');
    expect(await work).toBe(137);
    expect(said.at(-1)).toMatch(/^rank 1 on b \(VF vf\d of PF soft\) ended without MPI_Finalize, before the others$/);
  });

  test('is no success when a host died and mpirun says 0', async () => {
    const hosts = await two((node) => `${rankOn(node('a'), 0, 2, 'die')}; touch DIR/dead`.replace('DIR', node('a').dir));
    hosts.set('b', 'x', `x'; [ ! -e ${hosts.node('a').dir}/dead ] || { echo "ssh: connect to host b port 22: No route to host" >&2; exit 255; }; x='`);
    const { said, work } = await runOn(hosts, '-n 2 --host a:1,b:1 -- prog');
    expect(await work).toBe(71);
    expect(said.at(-2)).toMatch(/^VFRING_ERR_RANKS_LOST: .*rank 0 on a \(VF vf\d of PF soft\) ended without MPI_Finalize; of the ranks on b nothing is known$/);
  });

  describe('within a job of Slurm whose prolog has made its job', () => {
    const within = async (on: readonly string[], args: string) => {
      const hosts = await two(four);
      for (const host of on) {
        await hosts.node(host).daemon.control.create(process.getuid?.() ?? 0, { vfs: 2 }, 0, 'slurm-7');
      }
      script(join(hosts.dir, 'bin', 'scontrol'), 'printf "a\\nb\\n"');
      const said: string[] = [];
      const path = process.env['PATH'];
      process.env['PATH'] = `${hosts.dir}/bin:${path ?? ''}`;
      onTestFinished(() => void (process.env['PATH'] = path));
      const env = { ...hosts.env, SLURM_JOB_ID: '7', SLURM_JOB_NODELIST: 'n[1-2]' };
      const work = run(parseRunArgs(['--mpirun', hosts.mpirun, ...args.split(' ')], ['p']), { ...context(hosts), env, say: (line) => said.push(line) });
      return { hosts, said, work };
    };

    test('takes the VFs of that job on the hosts that Slurm names, tells its own leases, and leaves the job to the epilog', async () => {
      const { hosts, said, work } = await within(['a', 'b'], '-n 4');
      expect(await work).toBe(0);
      expect(said[0]).toMatch(/^job slurm-7: 4 ranks on a, b/);
      expect(said).toHaveLength(5);
      expect([jobs(hosts.node('a')), jobs(hosts.node('b'))]).toEqual([['open'], ['open']]);
    });

    test('is refused when the prolog has made it on one host only', async () => {
      const { hosts, work } = await within(['a'], '-n 4');
      await expect(work).rejects.toMatchObject({ code: 'VFRING_ERR_HOSTS_DIFFER', message: expect.stringMatching(/vfringd on b knows of no job slurm-7/) as string });
      expect([jobs(hosts.node('a')), jobs(hosts.node('b'))]).toEqual([['open'], ['ended']]);
    });
  });

  test('that is interrupted while a host is waited for ends at once, its connections with it, and leaves no job', async () => {
    const hosts = await two();
    const child = spawn(join(hosts.prefix, 'bin', 'vfring'), ['run', '--mpirun', hosts.mpirun, '-n', '2', '--host', 'a:1,asleep:1', '--', 'p'], {
      env: { ...hosts.env, VFRING_RUN_DIR: '' }, stdio: ['ignore', 'ignore', 'inherit'],
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    const asleep = join(hosts.dir, 'asleep');
    // The sleeping host is asked, and the other one has made its job.
    await eventually(() => existsSync(asleep) && jobs(hosts.node('a')).length > 0);
    child.kill('SIGINT');
    await ended(child);
    expect(child.exitCode).toBe(130);
    for (const pid of readFileSync(asleep, 'utf8').trim().split('\n')) {
      expect(() => process.kill(Number(pid), 0)).toThrow('ESRCH');
    }
    expect(jobs(hosts.node('a'))).toEqual(['ended']);
    expect(existsSync(join(hosts.dir, 'arguments'))).toBe(false);
  });
});

describe('the hosts of a job that is named by a number', () => {
  const slurm = (asked: string[]) => async (program: string, args: readonly string[]) => {
    asked.push([program, ...args].join(' '));
    return { status: 0, stdout: args[1] === 'job' ? 'JobId=7 NodeList=n[1-2]' : 'n1\nn2\n', stderr: '' };
  };

  test.each([['7', '7', undefined], ['slurm-7', 'slurm-7', ['n1', 'n2']], ['other', '7', ['n1', 'n2']]])('known here: %s, asked for: %s', async (here, id, names) => {
    const node = await startNode();
    await ask(node.lease, leaseRequest({ job: here }));
    const asked: string[] = [];
    const hosts = await hostsOfJob(id, { api: apiClient(node.runDir), exec: slurm(asked) });
    expect(hosts?.map(({ name }) => name)).toEqual(names);
    expect(asked).toHaveLength(names === undefined ? 0 : 2);
  });
});

describe('an audit', () => {
  async function audited(hosts: FakeHosts, names: readonly string[], timeoutMs = 60_000): Promise<Audit> {
    const answers = await overHosts(names, { args: () => ['facts', '--mpirun', hosts.mpirun], schema: factsSchema, here: () => Promise.reject(new Error('not here')) }, {
      ...context(hosts), reach: reachOf(hosts.env), timeoutMs,
    });
    return audit(answers);
  }

  test('shows hosts that agree side by side', async () => {
    const result = await audited(await two(), ['a', 'b']);
    expect(result).toMatchObject({ good: true, differences: [], troubles: [] });
    expect(auditText(result)).toMatch(/^a +\S+ +3 +5\.0\.7 +\S+ +9000 +switch-1 +default\/default +0\.0 s +2\/2$/m);
    expect(auditText(result)).toMatch(/\n2 hosts: they agree$/);
  });

  test('does not wait for ever for a host that does not answer, and says so', async () => {
    const result = await audited(await two(), ['asleep'], 500);
    expect(result).toMatchObject({ good: false, troubles: [{ host: 'asleep', code: 'VFRING_ERR_HOST_SILENT', message: 'host asleep does not answer: no answer within 0.5 s' }] });
    expect(auditText(result)).toMatch(/\n0 of 1 host answered: what is marked FAIL is to be mended$/);
  });

  test('names what differs, with a remedy, and a host that does not answer', async () => {
    const hosts = await two();
    hosts.set('b', 'FAKE_WIRE', '2');
    await hosts.node('b').daemon.stop('end');
    const result = await audited(hosts, ['a', 'b', 'nowhere']);
    expect(result.good).toBe(false);
    expect(result.troubles.map(({ host, code }) => [host, code])).toEqual([
      ['b', 'VFRING_ERR_NO_DAEMON'], ['nowhere', 'VFRING_ERR_HOST_UNKNOWN'],
    ]);
    const text = auditText(result);
    expect(text).toMatch(/^FAIL {2}version of the wire format: 3 on a; 2 on b\n +remedy: install the BTL/m);
    expect(text).toMatch(/^FAIL {2}host b: vfringd cannot be reached/m);
    expect(text).toMatch(/2 of 3 hosts answered: what is marked FAIL is to be mended$/);
  });

  test('and a preflight over hosts judge each by its own share of the ranks', async () => {
    const hosts = await fakeHosts({ a: { vfs: 4 }, b: { vfs: 1 } }, () => 'exit 0');
    const entries = [{ name: 'a', slots: 2 }, { name: 'b', slots: 2 }];
    const answers = await overHosts(['a', 'b'], { args: () => ['facts', '--mpirun', hosts.mpirun], schema: factsSchema, here: () => Promise.reject(new Error('not here')) }, { ...context(hosts), reach: reachOf(hosts.env) });
    const report = preflightOver(4, entries, answers);
    expect(report.hosts.map(({ host, ranks, preflight: each }) => [host, ranks, each?.good])).toEqual([['a', 2, true], ['b', 2, false]]);
    expect(hostsPreflightText(report)).toMatch(/^b, 2 ranks:\nFAIL {2}free VFs, not reserved: 1, needed 2/m);
    expect(preflightOver(3, [{ name: 'a', slots: 2 }, { name: 'b', slots: 1 }], answers).good).toBe(true);
  });
});

// SPDX-License-Identifier: BSD-3-Clause
/** vfring over two hosts, as user mpi over ssh: run, audit, preflight, explain, and hosts that cannot take part. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Site } from '../../lab/src/site.js';
import { programs } from './hosts-helpers.js';

const USER = 'mpi';
/** Of each PF, of which a host has two. */
const VFS = 2;

interface Result {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

interface AuditReport {
  readonly good: boolean;
  readonly troubles: readonly { readonly host: string; readonly code: string }[];
  readonly differences: readonly { readonly what: string; readonly verdict: string }[];
}

describe('vfring over two hosts', () => {
  let site: Site;
  /** On host1. */
  const user = (command: string): Promise<Result> => site.host(1).exec({ argv: ['sh', '-c', command], user: USER });
  const root = async (host: number, command: string): Promise<string> => {
    const { status, stdout, stderr } = await site.host(host).exec({ argv: ['sh', '-c', command] });
    assert.equal(status, 0, `host${host}: ${command}: ${stdout}${stderr}`);
    return stdout.trim();
  };
  const audit = async (options = ''): Promise<AuditReport> => JSON.parse((await user(`vfring audit --hosts host1,host2 --json ${options}`)).stdout) as AuditReport;
  const lastJob = async (): Promise<string> => (JSON.parse(await root(1, 'vfring job --json')) as { id: string }[])[0]!.id;

  /** Neither job nor VF nor connection. */
  async function nothingLeft(): Promise<void> {
    for (const host of [1, 2]) {
      const jobs = JSON.parse(await root(host, 'vfring job --json')) as { id: string; state: string }[];
      assert.deepEqual(jobs.filter(({ state }) => state !== 'ended'), [], `host${host}`);
      const { vfs } = JSON.parse(await root(host, 'vfring status --json')) as { vfs: { name: string; state: string }[] };
      assert.deepEqual(vfs.filter(({ state }) => state !== 'free'), [], `host${host}`);
    }
    // One that has ended and that nobody has asked after yet is none.
    assert.equal(await root(1, `ps -u ${USER} -o stat=,comm= | grep ' ssh$' | grep -v ^Z || true`), '');
  }

  async function refused(command: string, code: string, message: RegExp): Promise<void> {
    const { status, stdout, stderr } = await user(command);
    assert.notEqual(status, 0, stdout + stderr);
    assert.match(stderr, new RegExp(`vfring: ${code}: `));
    assert.match(stderr, message);
    assert.match(stderr, /vfring: remedy: /);
  }

  const ring = (options: string, ranks = 4): string => `vfring run -n ${ranks} ${options} -- ${programs}/ring`;

  before(async () => {
    site = await Site.start({ hosts: 2, timeoutS: 1800 });
    await site.startDaemons(VFS, 2);
  });
  after(async () => await site.close());

  test('an audit of hosts that are alike finds nothing', async () => {
    const { good, troubles, differences } = await audit();
    assert.deepEqual({ good, troubles, differences }, { good: true, troubles: [], differences: [] });
    const { status, stdout } = await user('vfring audit --hosts host1,host2');
    assert.equal(status, 0, stdout);
    assert.match(stdout, /^2 hosts: they agree$/m);
  });

  for (const local of ['vf', 'sm']) {
    test(`a run with --local ${local} tells what the VFs of every rank on both hosts carried`, async () => {
      const { status, stdout, stderr } = await user(ring(`--host host1:2,host2:2 --local ${local}`));
      assert.equal(status, 0, stdout + stderr);
      assert.match(stdout, /^ring: ok, 4 ranks/m);
      assert.match(stderr, /^vfring: job run-host1-\S+: 4 ranks on host1, host2, /m);
      for (const [rank, host] of [[0, 'host1'], [1, 'host1'], [2, 'host2'], [3, 'host2']]) {
        const [, out, back] = new RegExp(`^vfring: rank ${rank} on ${host}: VF \\S+ of PF \\S+: out (\\d+) frames .*, in (\\d+) frames`, 'm').exec(stderr) ?? [];
        // With shared memory, only neighbours on two hosts have anything to say over VFs.
        assert.ok(Number(out) + Number(back) > 0 || (local === 'sm' && out !== undefined), `rank ${rank}: ${stderr}`);
      }
      await nothingLeft();
    });
  }

  test('explain names the way of each pair of the job over both hosts', async () => {
    const { status, stdout, stderr } = await user(`vfring explain ${await lastJob()}`);
    assert.equal(status, 0, stdout + stderr);
    assert.match(stdout, /^0 - 2 +wire .*on host1 .*on host2: over segment pf\d/m);
  });

  test('an audit finds the hosts of a job', async () => {
    const { status, stdout, stderr } = await user(`vfring audit --job ${await lastJob()}`);
    assert.equal(status, 0, stdout + stderr);
    assert.match(stdout, /^host2 /m);
  });

  test('a program that is none of MPI was carried on neither: status 76', async () => {
    const { status, stderr } = await user('vfring run -n 2 --host host1:1,host2:1 -- true');
    assert.equal(status, 76, stderr);
    assert.match(stderr, /0 of 2 processes took a lease of a VF, none on host1, host2/);
    await nothingLeft();
  });

  test('preflight judges each host by its share', async () => {
    assert.equal((await user(`vfring preflight -n ${4 * VFS} --hosts host1:${2 * VFS},host2:${2 * VFS}`)).status, 0);
    const { status, stdout } = await user(`vfring preflight -n ${2 * VFS + 3} --hosts host1:2,host2:${2 * VFS + 1}`);
    assert.equal(status, 69);
    assert.match(stdout, new RegExp(`^host2, ${2 * VFS + 1} ranks:\nFAIL  free VFs`, 'm'));
  });

  test('bench measures over both hosts, beside tcp, and makes a page of it', async () => {
    const bench = (name: string, options: string): Promise<Result> => user(`vfring bench --quick --launches 1 --benchmarks latency --sizes 8,4K --output /tmp/${name} --hosts ${options}`);
    const { status, stdout, stderr } = await bench('hosts', 'host1:1,host2:1 --transports vfring,tcp');
    assert.equal(status, 0, stdout + stderr);
    assert.match(stdout, /^page: \/tmp\/hosts\.html$/m);
    const { hosts, launches } = JSON.parse(await root(1, 'cat /tmp/hosts.json')) as
      { hosts: string[]; launches: { transport: string; ok: boolean; rows: { bytes: number }[] }[] };
    assert.deepEqual(hosts, ['host1', 'host2']);
    assert.deepEqual(launches.map(({ transport, ok, rows }) => [transport, ok, rows.map(({ bytes }) => bytes)]), [['vfring', true, [8, 4096]], ['tcp', true, [8, 4096]]]);
    await nothingLeft();
    const off = await bench('off', 'host1:1,nohost:1 --transports vfring');
    assert.match(off.stderr, /VFRING_ERR_HOST_UNKNOWN: host nohost: its name does not resolve/);
    await root(1, 'test ! -e /tmp/off.json');
  });

  test('a name that does not resolve, and an address where nobody is', async () => {
    await refused(ring('--host host1:2,nohost:2'), 'VFRING_ERR_HOST_UNKNOWN', /host nohost: its name does not resolve/);
    await refused(ring('--host host1:2,10.99.0.77:2'), 'VFRING_ERR_HOST_SILENT', /host 10\.99\.0\.77 does not answer/);
    await nothingLeft();
  });

  test('a host that would ask for a password', async () => {
    await root(2, `mv ~${USER}/.ssh/authorized_keys ~${USER}/keys`);
    await refused(ring('--host host1:2,host2:2'), 'VFRING_ERR_HOST_LOGIN', /host host2 lets nobody in without a question/);
    await root(2, `mv ~${USER}/keys ~${USER}/.ssh/authorized_keys`);
    await nothingLeft();
  });

  test('a host without vfring, and one whose vfringd is down', async () => {
    await root(2, 'mv /usr/bin/vfring /usr/bin/vfring.away');
    await refused(ring('--host host1:2,host2:2'), 'VFRING_ERR_HOST_NO_VFRING', /host host2 has no vfring/);
    await root(2, 'mv /usr/bin/vfring.away /usr/bin/vfring');
    await root(2, 'kill $(cat /run/vfringd.pid); while [ -e /run/vfring/api.sock ]; do sleep 0.1; done');
    await refused(ring('--host host1:2,host2:2'), 'VFRING_ERR_NO_DAEMON', /host host2: vfringd cannot be reached/);
    assert.deepEqual((await audit()).troubles.map(({ host, code }) => [host, code]), [['host2', 'VFRING_ERR_NO_DAEMON']]);
    await root(2, '(setsid vfringd >/run/vfringd.log 2>&1 </dev/null & echo $! >/run/vfringd.pid); until grep -q "vfringd ready" /run/vfringd.log; do sleep 0.1; done');
    await nothingLeft();
  });

  test('a host without a free VF', async () => {
    await refused(ring(`--host host1:2,host2:${2 * VFS + 1}`, 2 * VFS + 3), 'VFRING_ERR_HOST_NO_FREE_VF', new RegExp(`ranks that are to run on host host2: ${2 * VFS + 1}; free VFs there: ${2 * VFS}`));
    await nothingLeft();
  });

  test('another MTU and another uid for the same name are told, and named by an audit', async () => {
    await root(2, 'sed -i s/mtu:.*/mtu:\\ 1500/ /etc/vfring/vfringd.yaml; vfring provision; sed -i "s/^mpi:x:[0-9]*:/mpi:x:4321:/" /etc/passwd; chown -R mpi ~mpi');
    const { differences, good } = await audit();
    assert.equal(good, false);
    assert.deepEqual(differences.map(({ what, verdict }) => [what, verdict]), [['MTU', 'fail'], [`uid of the user ${USER}`, 'fail']]);
    const refused = await user(ring('--host host1:2,host2:2'));
    assert.equal(refused.status, 69, refused.stdout + refused.stderr);
    assert.match(refused.stderr, /VFRING_ERR_HOSTS_DIFFER: .*MTU: 9000 on host1; 1500 on host2/);
    const { status, stdout, stderr } = await user(ring('--host host1:2,host2:2 --mca btl_vfring_mtu 1500'));
    assert.match(stderr, /warning: the hosts differ in MTU: 9000 on host1; 1500 on host2/);
    assert.match(stderr, /warning: the hosts differ in uid of the user mpi/);
    assert.equal(status, 0, stdout + stderr);
    await nothingLeft();
  });
});

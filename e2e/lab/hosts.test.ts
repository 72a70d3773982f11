// SPDX-License-Identifier: BSD-3-Clause
/** Two hosts, the wires between them, and MPI over both: npm test -- lab-hosts. */
import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { after, before, describe, test } from 'node:test';
import { LabError } from '../../lab/src/errors.js';
import { kernelFaults } from '../../lab/src/kernel-log.js';
import { pfMac } from '../../lab/src/network.js';
import { Site, type Host } from '../../lab/src/site.js';
import { type Launch, mpirunOn, programs } from './hosts-helpers.js';
import { eventually } from '../run.js';

const twoHosts: Launch = { hosts: 'host1,host2', ranks: 2 };

describe('two hosts', () => {
  let site: Site;
  const out = async (host: Host, script: string, user = 'root'): Promise<string> => {
    const { status, stdout, stderr } = await host.exec({ argv: ['sh', '-c', script], user });
    assert.equal(status, 0, `${host.name}: ${script}: ${stdout}${stderr}`);
    return stdout.trim();
  };
  const onBoth = async (script: string): Promise<string[]> => await Promise.all(site.hosts.map((host) => out(host, script)));
  const passed = async (port: string): Promise<number> => (await site.wires.counters())[port]!.rx.passed;

  before(async () => {
    site = await Site.start({ hosts: 2, timeoutS: 1200 });
  });
  after(async () => await site.close());

  test('are two, although one saved machine became both', async () => {
    assert.deepEqual(await onBoth('hostname'), ['host1', 'host2']);
    for (const file of ['/etc/machine-id', '/proc/sys/kernel/random/boot_id', '/etc/ssh/ssh_host_ed25519_key.pub']) {
      const [one, two] = await onBoth(file.endsWith('.pub') ? 'ssh-keygen -y -f /etc/ssh/ssh_host_ed25519_key' : `cat ${file}`);
      assert.notEqual(one, two, file);
    }
    assert.deepEqual(await onBoth('head -c 64 /dev/urandom | md5sum').then((sums) => new Set(sums).size), 2);
    assert.deepEqual(await onBoth('modprobe igb && cat /sys/class/net/eth*/address'), [1, 2].map((host) => `${pfMac(host, 0)}\n${pfMac(host, 1)}`));
    assert.deepEqual(await onBoth('ls /sys/kernel/iommu_groups | wc -l').then((counts) => new Set(counts).size), 1);
  });

  test('agree on users and time', async () => {
    const [one, two] = await onBoth('id root; id mpi');
    assert.equal(one, two);
    // What a busy computer adds is less than what a clock would be wrong by that still told when the machine was saved.
    const times = (await onBoth('date +%s')).map(Number);
    assert.ok(times.every((time) => Math.abs(time - Date.now() / 1000) < 120), `${times} on ${Date.now() / 1000}`);
  });

  test('standard input goes to one job of a guest, and another that wants it is refused, not fed nothing', async () => {
    const fed = async (): Promise<string> => (await site.host(2).exec({ argv: ['cat'], stdin: Readable.from(['hello']) })).stdout;
    assert.equal(await fed(), 'hello');
    await assert.rejects(fed(), /had standard input already/);
    await out(site.host(2), 'true');
  });

  for (const user of ['root', 'mpi']) {
    test(`${user} reaches each from each by ssh, without a question`, async () => {
      const script = 'for h in host1 host2; do ssh -o BatchMode=yes $h hostname; done';
      for (const answer of await Promise.all(site.hosts.map((host) => out(host, script, user)))) {
        assert.equal(answer, 'host1\nhost2');
      }
    });
  }

  /** A ring of all ranks; it must go well. Few messages of all lengths: an emulated host on a busy computer takes its time for each. */
  const ring = async (launch: Launch, ...options: string[]): Promise<string> => {
    const { status, stdout, stderr } = await site.host(1).exec({ argv: mpirunOn(launch, `${programs}/ring`, ...options), user: 'mpi' });
    assert.equal(status, 0, stdout + stderr);
    assert.match(stdout, new RegExp(`^ring: ok, ${launch.ranks} ranks`, 'm'), stdout + stderr);
    return stdout + stderr;
  };

  test('have their PFs on wires of their own, which carry frames between VFs of both', async () => {
    await site.startDaemons(4);
    const before = await site.wires.counters();
    await ring(twoHosts, '--quick');
    const after = await site.wires.counters();
    for (const port of ['host1.pf0', 'host2.pf0']) {
      assert.ok(after[port]!.tx.passed - before[port]!.tx.passed > 20, `frames from ${port}`);
    }
  });

  test('four ranks, two a host, reach one another by shared memory and by VFs', async () => {
    await ring({ hosts: 'host1:2,host2:2', ranks: 4, btl: 'self,sm,vfring' }, '--quick');
  });

  test('frames that the wire is told to lose are lost, and sent again', async () => {
    const lost = async (): Promise<number> => (await site.wires.counters())['host2.pf0']!.rx.lost;
    const before = await lost();
    await site.wires.lose({ host: 'host2', wire: 'pf0' }, 5);
    const output = await ring({ ...twoHosts, mca: { btl_vfring_stats: '1' } }, '--quick');
    assert.equal(await lost() - before, 5);
    const again = [...output.matchAll(/(?:fast|timeout)_retransmits=(\d+)/g)].reduce((sum, match) => sum + Number(match[1]), 0);
    assert.ok(again > 0, `frames were sent again: ${output}`);
  });

  test('a wire that is cut carries nothing; when it is healed, the job goes on and nothing is missing', async () => {
    const start = await passed('host2.pf0');
    let ended = false;
    const job = ring(twoHosts).finally(() => (ended = true));
    job.catch(() => undefined);
    await eventually('the job sends', async () => ended || await passed('host2.pf0') > start + 20);
    await site.wires.cut({ host: 'host2', wire: 'pf0' });
    const atCut = await passed('host2.pf0');
    // By its own retransmissions: whoever has sent something goes on for as long as the wire is cut.
    await eventually('frames are lost in the cut', async () => {
      const { tx, rx } = (await site.wires.counters())['host2.pf0']!;
      return tx.cut + rx.cut > 1;
    });
    assert.equal(await passed('host2.pf0'), atCut);
    await site.wires.heal({ host: 'host2', wire: 'pf0' });
    await job;
    assert.ok(await passed('host2.pf0') > atCut);
  });

  test('a PF whose carrier is taken sees it, and gets it back', async () => {
    const carrier = 'cat /sys/class/net/eth0/carrier';
    assert.equal(await out(site.host(2), carrier), '1');
    await site.host(2).setCarrier(0, false);
    await eventually('no carrier', async () => await out(site.host(2), carrier) === '0');
    assert.equal(await out(site.host(1), carrier), '1');
    await site.host(2).setCarrier(0, true);
    await eventually('carrier', async () => await out(site.host(2), carrier) === '1');
  });

  test('the kernels have no warnings', () => {
    site.hosts.forEach(({ name, guest }) => assert.deepEqual(kernelFaults(guest.consoleLog), [], name));
  });

  test('a host that is switched off on purpose takes nothing else with it', async () => {
    const job = site.host(2).exec({ argv: ['sleep', '1000'] }).catch((error: unknown) => error);
    await site.host(2).switchOff();
    const error = await job;
    assert.ok(error instanceof LabError && error.code === 'VFRING_ERR_LAB_SWITCHED_OFF', String(error));
    assert.equal(await out(site.host(1), 'echo alive'), 'alive');
  });

  test('a host that ends by itself is named, to all who wait', async () => {
    await assert.rejects(site.host(1).exec({ argv: ['sh', '-c', 'echo o > /proc/sysrq-trigger; sleep 1000'] }),
      (error: unknown) => error instanceof LabError && error.code === 'VFRING_ERR_LAB_GUEST_LOST' && /^host1 ended by itself/.test(error.message));
    await assert.rejects(site.failed, /^LabError: host1 ended by itself/);
  });
});

// SPDX-License-Identifier: BSD-3-Clause
/** Two hosts, the wires between them, and MPI over both: npm test -- lab-hosts. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { LabError } from '../../lab/src/errors.js';
import { pfMac } from '../../lab/src/network.js';
import type { Host } from '../../lab/src/site.js';
import { Site } from '../../lab/src/site.js';
import { type Launch, mpirunOn, programs } from './hosts-helpers.js';
import { eventually } from '../e2e/run.js';

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

  for (const user of ['root', 'mpi']) {
    test(`${user} reaches each from each by ssh, without a question`, async () => {
      for (const host of site.hosts) {
        assert.equal(await out(host, 'for h in host1 host2 10.99.0.1 10.99.0.2; do ssh -o BatchMode=yes $h hostname; done', user), 'host1\nhost2\nhost1\nhost2');
      }
    });
  }

  test('have their PFs on wires of their own, which carry frames between VFs of both', async () => {
    await site.startDaemons(4);
    const before = await site.wires.counters();
    const { status, stdout, stderr } = await site.host(1).exec({ argv: mpirunOn(twoHosts, `${programs}/pingpong`, '--sizes=8,64K', '--quick'), user: 'mpi' });
    assert.equal(status, 0, stdout + stderr);
    const after = await site.wires.counters();
    for (const port of ['host1.pf0', 'host2.pf0']) {
      assert.ok(after[port]!.tx.passed - before[port]!.tx.passed > 500, `frames from ${port}`);
    }
  });

  test('four ranks, two a host, reach one another by shared memory and by VFs', async () => {
    const { status, stdout, stderr } = await site.host(1).exec({
      argv: mpirunOn({ hosts: 'host1:2,host2:2', ranks: 4, btl: 'self,sm,vfring' }, `${programs}/ring`), user: 'mpi',
    });
    assert.equal(status, 0, stdout + stderr);
    assert.match(stdout, /^ring: ok, 4 ranks/m, stdout + stderr);
  });

  test('a frame that the wire is told to lose is lost, and sent again', async () => {
    const where = { host: 'host2', wire: 'pf0', direction: 'rx' } as const;
    const before = (await site.wires.counters())['host2.pf0']!.rx;
    await site.wires.impair(where, { loss: 0.05 });
    const { status, stdout, stderr } = await site.host(1).exec({
      argv: mpirunOn({ ...twoHosts, mca: { btl_vfring_stats: '1' } }, `${programs}/bandwidth`, '--sizes=64K', '--quick'), user: 'mpi',
    });
    await site.wires.impair(where, { loss: 0 });
    assert.equal(status, 0, stdout + stderr);
    const { lost } = (await site.wires.counters())['host2.pf0']!.rx;
    assert.ok(lost > before.lost, 'frames were lost');
    const again = [...(stdout + stderr).matchAll(/(?:fast|timeout)_retransmits=(\d+)/g)].reduce((sum, match) => sum + Number(match[1]), 0);
    assert.ok(again > 0, `frames were sent again: ${stdout}${stderr}`);
  });

  test('a wire that is cut carries nothing; when it is healed, the job goes on and nothing is missing', async () => {
    const start = await passed('host2.pf0');
    const job = site.host(1).exec({ argv: mpirunOn(twoHosts, `${programs}/bandwidth`, '--sizes=64K', '--samples=5'), user: 'mpi' });
    await eventually('the job sends', async () => await passed('host2.pf0') > start + 100);
    await site.wires.cut({ host: 'host2', wire: 'pf0' });
    const atCut = await passed('host2.pf0');
    const { cut } = (await site.wires.counters())['host2.pf0']!.rx;
    // By its own retransmissions: the sender goes on for as long as the wire is cut.
    await eventually('frames are lost in the cut', async () => (await site.wires.counters())['host2.pf0']!.rx.cut > cut + 1);
    assert.equal(await passed('host2.pf0'), atCut);
    await site.wires.heal({ host: 'host2', wire: 'pf0' });
    const { status, stdout, stderr } = await job;
    assert.equal(status, 0, stdout + stderr);
    assert.match(stdout, /^bandwidth: ok/m);
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

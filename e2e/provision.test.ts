// SPDX-License-Identifier: BSD-3-Clause
/** What vfringd makes of a node: VFs, their MACs and guards, the nodes. */
import assert from 'node:assert/strict';
import { readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { allReturned, asUser, vfringRun, type Daemon, type Site } from './site.js';

interface IpVf {
  readonly vf: number;
  readonly address: string;
  readonly spoofchk: boolean;
  readonly trust: boolean;
}

export function provisionTests(site: Site): void {
  describe(`${site.kind}: provisioning`, () => {
    let daemon: Daemon;
    before(async () => {
      daemon = await site.startDaemon({ vfs: 4, spread: 'pf' });
    });
    after(async () => {
      await daemon.stop();
    });

    test('every VF has a node of its own that belongs to the daemon, 0600, closed', async () => {
      assert.equal((await site.nodes()).length, 4);
      await allReturned(site);
    });

    test('starting again on a provisioned node changes nothing', async () => {
      const before = await site.nodes();
      const macs = await allMacs(site);
      await daemon.stop();
      daemon = await site.startDaemon({ vfs: 4, spread: 'pf' });
      assert.deepEqual((await site.nodes()).map(({ path }) => path), before.map(({ path }) => path));
      assert.deepEqual(await allMacs(site), macs);
    });

    test('MAC addresses are local, unique and not zero', async () => {
      const macs = await allMacs(site);
      assert.equal(new Set(macs).size, 4);
      for (const mac of macs) {
        assert.match(mac, /^[0-9a-f][26ae](:[0-9a-f]{2}){5}$/);
      }
    });

    if (site.kind === 'sriov') {
      test('the PF has fixed each MAC, with spoof check on and trust off', async () => {
        const { stdout } = await site.admin(['ip', '-d', '-j', 'link', 'show']);
        const links = JSON.parse(stdout) as { ifname: string; vfinfo_list?: IpVf[] }[];
        const vfs = links.flatMap((link) => link.vfinfo_list ?? []);
        assert.equal(vfs.length, 4);
        for (const vf of vfs) {
          assert.notEqual(vf.address, '00:00:00:00:00:00');
          assert.equal(vf.spoofchk, true);
          assert.equal(vf.trust, false);
        }
      });

      test('each VF is bound to uio_vf and alone in its IOMMU group', async () => {
        const groups = new Set<string>();
        for (const { path } of await site.nodes()) {
          const node = join('/sys/class/uio_vf', path.replace('/dev/', ''));
          const device = join(node, 'device');
          assert.equal(readFileSync(join(node, 'isolation'), 'utf8').trim(), 'isolated');
          assert.match(readlinkSync(join(device, 'driver')), /\/uio_vf$/);
          groups.add(readlinkSync(join(device, 'iommu_group')));
        }
        assert.equal(groups.size, 4);
      });

      test('two ranks on VFs of two PFs reach each other over the wire between them', async () => {
        const wire = async (): Promise<number[]> => {
          const { stdout } = await site.admin(['sh', '-c', 'for p in /sys/class/net/*/device/sriov_totalvfs; do d=${p%/device/*}; ethtool -S "${d##*/}" | grep -w "tx_packets:"; done']);
          return stdout.trim().split('\n').map((line) => Number(line.split(':')[1]));
        };
        const before = await wire();
        const result = await asUser(site, vfringRun(2, join(site.programs, 'pingpong'),
          '--min', '1024', '--max', '1024', '--iters', '200'), { timeoutS: 600 });
        assert.equal(result.status, 0, result.stdout + result.stderr);
        const after = await wire();
        assert.equal(after.length, 2);
        after.forEach((packets, i) => {
          assert.ok(packets - (before[i] as number) >= 200, `PF ${i} has put ${packets - (before[i] as number)} frames on the wire`);
        });
      });
    }
  });
}

async function allMacs(site: Site): Promise<string[]> {
  const { stdout, stderr, status } = await site.admin(['vfring', 'status', '--json']);
  assert.equal(status, 0, stderr);
  return (JSON.parse(stdout) as { vfs: { mac: string }[] }).vfs.map(({ mac }) => mac).sort();
}

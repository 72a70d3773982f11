// SPDX-License-Identifier: BSD-3-Clause
import { expect, test } from 'vitest';
import type { ExecResult } from '../../../src/exec.js';
import { ipLink } from '../../../src/providers/sriov/ip-link.js';

const answering = (result: Partial<ExecResult>) =>
  ipLink(async () => ({ status: 0, stdout: '', stderr: '', ...result }));

test('reads what iproute2 6 prints for a PF with VFs', async () => {
  const stdout = JSON.stringify([
    {
      ifindex: 2,
      ifname: 'ens1',
      flags: ['BROADCAST', 'MULTICAST', 'UP', 'LOWER_UP'],
      mtu: 9000,
      operstate: 'UP',
      address: '52:54:00:00:00:99',
      permaddr: '52:54:00:12:34:56',
      vfinfo_list: [
        {
          vf: 0,
          link_type: 'ether',
          address: '02:00:12:34:56:00',
          broadcast: 'ff:ff:ff:ff:ff:ff',
          vlan_list: [{}],
          rate: { max_tx: 0, min_tx: 0 },
          spoofchk: true,
          link_state: 'auto',
          trust: false,
          query_rss_en: false,
        },
      ],
    },
  ]);
  const link = await answering({ stdout }).show('ens1');
  expect(link).toMatchObject({ permanentMac: '52:54:00:12:34:56', mtu: 9000, adminUp: true });
  expect(link.vfs.get(0)).toEqual({ mac: '02:00:12:34:56:00', spoofchk: true, trust: false, vlan: 0, maxTxMbit: 0 });
});

test('a PF without VFs has none; one that was made so keeps its own address', async () => {
  const stdout = JSON.stringify([{ flags: [], mtu: 1500, address: '52:54:00:12:34:56' }]);
  const link = await answering({ stdout }).show('ens1');
  expect(link.vfs.size).toBe(0);
  expect(link).toMatchObject({ permanentMac: '52:54:00:12:34:56', adminUp: false });
});

test('a failure names the command and what ip said', async () => {
  const work = answering({ status: 2, stderr: 'RTNETLINK answers: Operation not permitted\n' }).set('ens1', ['up']);
  await expect(work).rejects.toMatchObject({
    code: 'VFRING_ERR_IP_FAILED',
    message: 'ip link set dev ens1 up failed: RTNETLINK answers: Operation not permitted',
  });
});

test('output that is no JSON is an error', async () => {
  await expect(answering({ stdout: 'what?' }).show('ens1')).rejects.toMatchObject({ code: 'VFRING_ERR_IP_FAILED' });
});

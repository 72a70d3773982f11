// SPDX-License-Identifier: BSD-3-Clause
import { execaSync } from 'execa';
import { describe, expect, it } from 'vitest';
import { LinePrefix } from '../src/line-prefix.js';
import { linksOf } from '../src/network.js';
import { DEFAULT_MACHINE, qemuArguments } from '../src/qemu.js';
import { makeSshKey } from '../src/ssh-keys.js';

describe('hosts of a site', () => {
  it('have MAC addresses of their own, and the same slots', () => {
    const links = [1, 2, 3, 4].map((host) => linksOf(host, 2, (wire) => `/s/host${host}.${wire}`));
    const macs = links.flat().map(({ mac }) => mac);
    expect(new Set(macs).size).toBe(macs.length);
    expect(links.map((of) => of.map(({ slot, wire }) => `${slot} ${wire}`))).toEqual(Array(4).fill(['rp0 pf0', 'rp1 pf1', 'rp2 mgmt']));
  });

  it('are one machine with a slot for each of their devices', () => {
    const args = qemuArguments({ ...DEFAULT_MACHINE, network: 'site' }, { kernel: '/k', initramfs: '/i', base: '/b', project: '/p' }, '/share').join(' ');
    expect(args.match(/pcie-root-port,id=rp\d/g)).toEqual(['pcie-root-port,id=rp0', 'pcie-root-port,id=rp1', 'pcie-root-port,id=rp2']);
    expect(args).not.toMatch(/igb|mac=|netdev/);
  });
});

const hasKeygen = execaSync('sh', ['-c', 'command -v ssh-keygen'], { reject: false }).exitCode === 0;

describe('makeSshKey', () => {
  const tree = (program: string) => ({ tool: (_: string, ...args: string[]): [string, ...string[]] => [program, ...args] });

  it.skipIf(!hasKeygen)('makes the two halves of a key, another one each time', async () => {
    const [key, other] = [await makeSshKey(tree('ssh-keygen')), await makeSshKey(tree('ssh-keygen'))];
    expect(key.public).toMatch(/^ssh-ed25519 [A-Za-z0-9+/]+=*$/);
    expect(key.secret).toMatch(/^-----BEGIN OPENSSH PRIVATE KEY-----\n[^]*-----END OPENSSH PRIVATE KEY-----\n$/);
    const inSecret = Buffer.from(key.secret.replace(/^-.*$/mg, ''), 'base64').toString('latin1');
    expect(inSecret).toContain(Buffer.from(key.public.split(' ')[1]!, 'base64').toString('latin1'));
    expect(other.public).not.toBe(key.public);
  });

  it('says why there is none', async () => {
    await expect(makeSshKey(tree('false'))).rejects.toMatchObject({ code: 'VFRING_ERR_LAB_HOST' });
    await expect(makeSshKey(tree('/no/such/program'))).rejects.toThrow(/ssh-keygen failed: .*\/no\/such\/program/);
  });
});

describe('LinePrefix', () => {
  it('writes whole lines, also the last one that has no end', () => {
    const written: string[] = [];
    const lines = new LinePrefix('host2: ', (line) => written.push(line.toString()));
    ['a', 'b\nc', '\n\nd'].forEach((chunk) => lines.push(Buffer.from(chunk)));
    lines.flush();
    expect(written).toEqual(['host2: ab\n', 'host2: c\n', 'host2: \n', 'host2: d\n']);
  });
});

// SPDX-License-Identifier: BSD-3-Clause
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {execa, execaSync} from 'execa';
import {describe, expect, it} from 'vitest';
import {LinePrefix} from '../src/line-prefix.js';
import {linksOf} from '../src/network.js';
import {defaultMachine, qemuArguments} from '../src/qemu.js';
import {makeSshKey} from '../src/ssh-keys.js';

describe('hosts of a site', () => {
  it('have MAC addresses of their own, and the same slots', () => {
    const links = [1, 2, 3, 4].map((host) => linksOf(host, 2, (wire) => `/s/host${host}.${wire}`));
    const macs = links.flat().map(({mac}) => mac);
    expect(new Set(macs).size).toBe(macs.length);
    expect(links.map((of) => of.map(({slot, wire}) => `${slot} ${wire}`))).toEqual(Array(4).fill(['rp0 pf0', 'rp1 pf1', 'rp2 mgmt']));
  });

  it('are one machine with a slot for each of their devices', () => {
    const args = qemuArguments({...defaultMachine, network: 'site'}, {kernel: '/k', initramfs: '/i', base: '/b', project: '/p'}, '/share').join(' ');
    expect(args.match(/pcie-root-port,id=rp\d/g)).toEqual(['pcie-root-port,id=rp0', 'pcie-root-port,id=rp1', 'pcie-root-port,id=rp2']);
    expect(args).not.toMatch(/igb|mac=|netdev/);
  });
});

const hasKeygen = execaSync('sh', ['-c', 'command -v ssh-keygen'], {reject: false}).exitCode === 0;

describe('makeSshKey', () => {
  it.skipIf(!hasKeygen)('makes what ssh-keygen reads', async () => {
    const key = makeSshKey();
    const dir = mkdtempSync(path.join(os.tmpdir(), 'lab-key-'));
    try {
      writeFileSync(path.join(dir, 'key'), key.secret, {mode: 0o600});
      const {stdout} = await execa('ssh-keygen', ['-y', '-f', path.join(dir, 'key')], {reject: false});
      expect(stdout.trim()).toBe(key.public);
    } finally {
      rmSync(dir, {recursive: true});
    }
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

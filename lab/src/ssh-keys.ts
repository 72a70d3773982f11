// SPDX-License-Identifier: BSD-3-Clause
/** Keys for ssh between the hosts of a site, made on this machine: the emulated one takes its time for it. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { execa } from 'execa';
import { LabError } from './errors.js';
import type { Rootfs } from './rootfs.js';

export interface SshKey {
  /** Content of a file for private keys. */
  secret: string;
  /** `ssh-ed25519 BASE64`, as it stands in authorized_keys and known_hosts. */
  public: string;
}

/**
 * A new key, by ssh-keygen of the lab's tree.
 * @throws LabError VFRING_ERR_LAB_HOST when that fails
 */
export async function makeSshKey(rootfs: Pick<Rootfs, 'tool'>): Promise<SshKey> {
  const dir = mkdtempSync(path.join(os.tmpdir(), 'lab-ssh-key-'));
  try {
    const file = path.join(dir, 'key');
    const [program, ...args] = rootfs.tool('usr/bin/ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-C', '', '-f', file);
    const { failed, shortMessage, all } = await execa(program, args, { reject: false, stdin: 'ignore', all: true });
    if (failed) {
      throw new LabError('VFRING_ERR_LAB_HOST', `ssh-keygen failed: ${shortMessage}\n${all}`, 'mend what it names, and run it again');
    }
    return { secret: readFileSync(file, 'utf8'), public: readFileSync(`${file}.pub`, 'utf8').trim() };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

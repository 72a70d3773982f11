// SPDX-License-Identifier: BSD-3-Clause
/**
 * Which QEMU runs a machine: that of the lab's Debian, or the newer one of the same Debian's backports, for what only
 * that can do (PCI functions that another process serves). The newer one is unpacked beside the lab's
 * tree and runs with its libraries: the tree stays as it is, and nobody needs root.
 */
import { copyFileSync, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { execa } from 'execa';
import { step } from '../../tools/steps.js';
import { hostAptOptions, hostMirror } from './apt.js';
import { hashParts } from './content-hash.js';
import { LabError } from './errors.js';
import { withLock } from './lock.js';
import { SUITE } from './packages.js';
import { cacheBase } from './paths.js';
import type { Rootfs } from './rootfs.js';

export interface QemuRelease {
  /** Command line that runs it, and needs neither root nor a chroot. */
  command(...args: string[]): [string, ...string[]];
  /** Where its firmware is, below qemu/ and seabios/. */
  share: string;
  /** Its `QEMU_MODULE_DIR`. */
  modules: string;
}

const LIBRARIES = 'usr/lib/x86_64-linux-gnu';
const PACKAGE = 'qemu-system-x86';
const BACKPORTS = `${SUITE}-backports`;

/** The lab's own. */
export function labQemu(rootfs: Rootfs): QemuRelease {
  return {
    command: (...args) => rootfs.tool('usr/bin/qemu-system-x86_64', ...args),
    share: path.join(rootfs.root, 'usr/share'),
    modules: path.join(rootfs.root, LIBRARIES, 'qemu'),
  };
}

function releaseIn(tree: string, rootfs: Rootfs): QemuRelease {
  const [own, base] = [tree, rootfs.root].map((root) => path.join(root, LIBRARIES)) as [string, string];
  return {
    command: (...args) => [path.join(base, 'ld-linux-x86-64.so.2'), '--library-path', `${own}:${base}`, path.join(tree, 'usr/bin/qemu-system-x86_64'), ...args],
    share: path.join(tree, 'usr/share'),
    modules: path.join(own, 'qemu'),
  };
}

/** apt-get over lists and packages of its own in `dir`, for a system that has installed what the lab's tree has. */
async function aptIn(dir: string, rootfs: Rootfs): Promise<(...args: string[]) => Promise<unknown>> {
  const mirror = await hostMirror();
  ['lists/partial', 'archives/partial'].forEach((name) => mkdirSync(path.join(dir, name), { recursive: true }));
  writeFileSync(path.join(dir, 'sources.list'), [SUITE, BACKPORTS].map((suite) => `deb [signed-by=${mirror.keyring}] ${mirror.uri} ${suite} main\n`).join(''));
  writeFileSync(path.join(dir, 'apt.conf'), await hostAptOptions());
  copyFileSync(path.join(rootfs.root, 'var/lib/dpkg/status'), path.join(dir, 'status'));
  const settings = {
    'Dir::Etc::SourceList': path.join(dir, 'sources.list'), 'Dir::Etc::SourceParts': '/dev/null',
    'Dir::Etc::Preferences': '/dev/null', 'Dir::Etc::PreferencesParts': '/dev/null', 'Dir::Etc::Trusted': '/dev/null', 'Dir::Etc::TrustedParts': '/dev/null',
    'Dir::State::Lists': path.join(dir, 'lists'), 'Dir::State::status': path.join(dir, 'status'), 'Dir::State::extended_states': path.join(dir, 'extended'),
    'Dir::Cache': dir, 'Dir::Cache::Archives': path.join(dir, 'archives'), 'Debug::NoLocking': '1', 'APT::Sandbox::User': '',
    'APT::Architecture': 'amd64', 'APT::Architectures': 'amd64', 'APT::Install-Recommends': 'false',
  };
  const options = Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
  return (...args) => execa('apt-get', ['-q', '-c', path.join(dir, 'apt.conf'), ...options, ...args], { all: true, stdin: 'ignore' });
}

async function unpack(dir: string, rootfs: Rootfs): Promise<void> {
  const unfinished = `${dir}.unfinished`;
  rmSync(unfinished, { recursive: true, force: true });
  const work = path.join(unfinished, 'apt');
  mkdirSync(work, { recursive: true });
  try {
    const apt = await aptIn(work, rootfs);
    await apt('update');
    await apt('-y', '--download-only', '-t', BACKPORTS, 'install', PACKAGE);
    // The tree has an older one: what is fetched is what differs.
    await execa('sh', ['-c', 'for package in "$1"/archives/*.deb; do dpkg-deb -x "$package" "$2" || exit; done', 'sh', work, unfinished]);
  } catch (error) {
    throw new LabError('VFRING_ERR_LAB_ROOTFS', `QEMU of ${BACKPORTS} cannot be fetched: ${(error as Error).message}`,
      `the mirror that apt-get uses here must have ${BACKPORTS}; run again when it can be reached`);
  }
  rmSync(work, { recursive: true });
  // A cache under its final name is complete.
  renameSync(unfinished, dir);
}

/** QEMU of the backports; fetched (some 15 MB) when the cache has none for this tree. */
export async function backportsQemu(rootfs: Rootfs): Promise<QemuRelease> {
  const dir = path.join(cacheBase(), `qemu-${hashParts({ tree: path.basename(rootfs.dir), suite: BACKPORTS, package: PACKAGE })}`);
  if (!existsSync(dir)) {
    await withLock(path.join(cacheBase(), 'lab.lock'), 'fetching QEMU', async () => {
      if (!existsSync(dir)) {
        await step(`fetching QEMU of Debian's ${BACKPORTS} (once)`, async () => unpack(dir, rootfs));
      }
    });
  }
  return releaseIn(dir, rootfs);
}

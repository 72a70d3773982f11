// SPDX-License-Identifier: BSD-3-Clause
/** The Debian tree: guest's root, build chroot and home of QEMU. Made once, kept in the cache. */
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { ensurePackages } from '../../tools/packages.js';
import { step } from '../../tools/steps.js';
import { hostAptOptions, hostMirror, proxyEnvironment } from './apt.js';
import { hashParts } from './content-hash.js';
import { LabError } from './errors.js';
import { ImageProgress } from './image-progress.js';
import { withLock } from './lock.js';
import { DROPPED_MODULES, NOT_IN_GUEST, PACKAGES, SUITE } from './packages.js';
import { buildDir, cacheBase, labDir } from './paths.js';
import { runPrivileged } from './privileged.js';
import { say } from './progress.js';

export class Rootfs {
  /** The tree itself; owned by root, never written after it was made. */
  readonly root: string;
  /** Its image for the guest, without what only building and booting need. */
  readonly baseImage: string;

  constructor(readonly dir: string) {
    this.root = path.join(dir, 'root');
    this.baseImage = path.join(dir, 'base.erofs');
  }

  get kernelVersion(): string {
    return readdirSync(path.join(this.root, 'usr/lib/modules'))[0]!;
  }

  /**
   * Command line that runs one of the tree's own programs on this machine, by
   * the tree's own loader and libraries: needs neither root nor a chroot.
   * @param program path in the tree, such as `usr/bin/zstd`
   */
  tool(program: string, ...args: string[]): [string, ...string[]] {
    const lib = path.join(this.root, 'usr/lib/x86_64-linux-gnu');
    return [path.join(lib, 'ld-linux-x86-64.so.2'), '--library-path', lib, path.join(this.root, program), ...args];
  }
}

/** Key of the cache: all that decides what the tree contains, except the day it was made on. */
export function rootfsKey(): string {
  return hashParts({
    suite: SUITE,
    packages: PACKAGES,
    droppedModules: DROPPED_MODULES,
    notInGuest: NOT_IN_GUEST,
    script: readFileSync(path.join(labDir, 'root', 'root.sh'), 'utf8'),
  });
}

async function checkHost(): Promise<void> {
  if (process.arch !== 'x64' || process.platform !== 'linux') {
    throw new LabError('VFRING_ERR_LAB_HOST', `the lab emulates an x86-64 machine from x86-64 Debian packages; this is ${process.platform} ${process.arch}`,
      'use an x86-64 Debian machine');
  }
  try {
    await ensurePackages(['debootstrap', 'util-linux']);
  } catch (error) {
    throw new LabError('VFRING_ERR_LAB_HOST', `programs are missing that make the root file system: ${(error as Error).message}`,
      'apt-get install debootstrap util-linux');
  }
}

async function makeRootfs(dir: string, signal: AbortSignal | undefined): Promise<void> {
  await checkHost();
  const mirror = await hostMirror();
  const aptOptions = await hostAptOptions();
  const inputs = path.join(buildDir, 'rootfs-inputs');
  rmSync(inputs, { recursive: true, force: true });
  mkdirSync(inputs, { recursive: true });
  const lines = (list: readonly string[]): string => list.map((item) => `${item}\n`).join('');
  writeFileSync(path.join(inputs, 'packages'), lines(PACKAGES));
  writeFileSync(path.join(inputs, 'dropped-modules'), lines(DROPPED_MODULES));
  writeFileSync(path.join(inputs, 'not-in-guest'), lines(NOT_IN_GUEST));
  writeFileSync(path.join(inputs, 'apt.conf'), aptOptions);

  // A cache under its final name is complete: this rename is the last step.
  const unfinished = `${dir}.unfinished`;
  const done = new ImageProgress();
  await step(`making Debian ${SUITE} from ${mirror.uri} (once)`, async (note) => {
    await runPrivileged({
      args: ['make-rootfs', unfinished, `${process.getuid!()}:${process.getgid!()}`, SUITE, mirror.uri, mirror.keyring, inputs],
      env: proxyEnvironment(aptOptions),
      logName: 'rootfs.log',
      what: 'making the root file system',
      code: 'VFRING_ERR_LAB_ROOTFS',
      note: (line) => {
        if (done.add(line)) {
          say(done.toString());
        }
        note(done.toString());
      },
      signal,
    });
  });
  renameSync(unfinished, dir);
}

/** The cached root file system; makes it when there is none for the present package list. */
export async function ensureRootfs(signal?: AbortSignal): Promise<Rootfs> {
  const base = cacheBase();
  const dir = path.join(base, `lab-${rootfsKey()}`);
  if (!existsSync(dir)) {
    await withLock(path.join(base, 'lab.lock'), 'making the root file system', async () => {
      if (!existsSync(dir)) {
        await makeRootfs(dir, signal);
      }
    });
  }
  return new Rootfs(dir);
}

/** Removes every cached root file system but the present one. */
export async function pruneRootfs(signal?: AbortSignal): Promise<void> {
  const base = cacheBase();
  const keep = `lab-${rootfsKey()}`;
  await withLock(path.join(base, 'lab.lock'), 'making the root file system', async () => {
    for (const name of readdirSync(base).filter((entry) => /^lab-[0-9a-f]{16}(\.unfinished)?$/.test(entry) && entry !== keep)) {
      await step(`removing ${path.join(base, name)}`, async (note) => {
        await runPrivileged({
          args: ['remove', path.join(base, name)], logName: 'remove.log', what: 'removing an old root file system',
          code: 'VFRING_ERR_LAB_ROOTFS', note, signal,
        });
      });
    }
  });
  say(`kept ${keep}`);
}

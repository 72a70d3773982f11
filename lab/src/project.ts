// SPDX-License-Identifier: BSD-3-Clause
/** Builds and stages the project and makes its image, the layer above Debian in the guest. */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { execa } from 'execa';
import { lineOf, sqliteFor } from '../../tools/node-release.js';
import { step } from '../../tools/steps.js';
import { hashFiles, hashParts } from './content-hash.js';
import { LabError } from './errors.js';
import { buildDir, projectDir } from './paths.js';
import { runPrivileged } from './privileged.js';
import { say } from './progress.js';
import type { Rootfs } from './rootfs.js';

export interface Part {
  /** Without this file or folder the part does not exist in this checkout. */
  requires: string;
  /** What it is made from. */
  inputs: readonly string[];
  /** Whether it is built in the chroot by lab/chroot/build.sh, or here by a script of the project. */
  where: 'chroot' | 'host';
}

export const PARTS = {
  c: {
    requires: 'configure.ac',
    inputs: ['btl', 'mpi-tests', 'config', 'configure.ac', 'package.json', 'Makefile.am', 'autogen.sh', 'driver-kmod/uapi', 'lab/chroot', 'lab/vfu'],
    where: 'chroot',
  },
  kmod: { requires: 'driver-kmod/Makefile', inputs: ['driver-kmod', 'btl/regs', 'lab/chroot'], where: 'chroot' },
  control: {
    requires: 'control/install/install.ts',
    inputs: ['control', 'btl/regs', 'btl/softvf', 'btl/vf', 'tools/node-release.ts', 'package.json', 'package-lock.json', 'tsconfig.json'],
    where: 'host',
  },
} as const satisfies Record<string, Part>;

export type PartName = keyof typeof PARTS;
export const allParts = Object.keys(PARTS) as PartName[];

const stageDir = (name: PartName): string => path.join(buildDir, `stage-${name}`);
const stampFile = (name: PartName): string => path.join(buildDir, `stage-${name}.key`);
const readStamp = (file: string): string | undefined => (existsSync(file) ? readFileSync(file, 'utf8') : undefined);

function partKey(name: PartName, rootfs: Rootfs): string {
  return hashParts({ rootfs: path.basename(rootfs.dir), sources: hashFiles(projectDir, PARTS[name].inputs) });
}

async function buildInChroot(rootfs: Rootfs, names: readonly PartName[], signal: AbortSignal | undefined): Promise<void> {
  await step(`building ${names.join(' and ')} natively`, async (note) => {
    await runPrivileged({
      args: ['enter', rootfs.root, `${process.getuid!()}:${process.getgid!()}`, projectDir, buildDir,
        'sh', '/mnt/src/lab/chroot/build.sh', ...names],
      logName: 'build.log', what: `building ${names.join(' and ')} in the chroot`, code: 'VFRING_ERR_LAB_BUILD',
      note, signal,
    });
  });
}

/** Release line of the guest's node, which need not be this machine's. */
async function nodeOfGuest(rootfs: Rootfs): Promise<string> {
  const { stdout } = await execa('dpkg-query', [`--admindir=${path.join(rootfs.root, 'var/lib/dpkg')}`, '-W', '-f=${Version}', 'nodejs']);
  return lineOf(stdout);
}

async function installControl(rootfs: Rootfs): Promise<void> {
  const sqlite = await sqliteFor(await nodeOfGuest(rootfs));
  await step('installing control', async (note) => {
    rmSync(stageDir('control'), { recursive: true, force: true });
    const child = execa(process.execPath, ['--import', 'tsx', path.join(projectDir, PARTS.control.requires),
      '--destdir', stageDir('control'), '--prefix', '/usr', '--better-sqlite3', sqlite], { cwd: projectDir, all: true, reject: false });
    for await (const line of child.iterable({ from: 'all' })) {
      note(line);
    }
    const result = await child;
    if (result.failed) {
      throw new LabError('VFRING_ERR_LAB_BUILD', `${PARTS.control.requires} failed (${result.shortMessage}):\n${result.all}`,
        'mend what it names and run again');
    }
  });
}

/** Builds the parts whose sources changed. A part that fails keeps no stamp, so it is built again next time. */
async function buildParts(rootfs: Rootfs, wanted: readonly PartName[], signal: AbortSignal | undefined): Promise<void> {
  const stale = new Map<PartName, string>();
  for (const name of wanted) {
    if (!existsSync(path.join(projectDir, PARTS[name].requires))) {
      say(`leaving out ${name}: there is no ${PARTS[name].requires}`);
      continue;
    }
    const key = partKey(name, rootfs);
    if (readStamp(stampFile(name)) !== key) {
      rmSync(stampFile(name), { force: true });
      stale.set(name, key);
    }
  }
  const inChroot = [...stale.keys()].filter((name) => PARTS[name].where === 'chroot');
  if (inChroot.length > 0) {
    await buildInChroot(rootfs, inChroot, signal);
    inChroot.forEach((name) => writeFileSync(stampFile(name), stale.get(name)!));
  }
  if (stale.has('control')) {
    await installControl(rootfs);
    writeFileSync(stampFile('control'), stale.get('control')!);
  }
}

/** A saved machine has seen the size of its disks, so all project images have this one; the rest is a hole. */
const IMAGE_BYTES = 1024 ** 3;

function padImage(file: string): void {
  const { size } = statSync(file);
  if (size > IMAGE_BYTES) {
    throw new LabError('VFRING_ERR_LAB_BUILD', `the staged project is ${size} bytes, more than the lab's ${IMAGE_BYTES}`,
      'see what is large in build/lab/stage-*');
  }
  truncateSync(file, IMAGE_BYTES);
}

/**
 * Image of all staged parts, made anew when one of them changed. Parts not in
 * `wanted` stay as they were last built. The caller holds the build lock.
 */
export async function ensureProjectImage(rootfs: Rootfs, wanted: readonly PartName[], signal?: AbortSignal): Promise<string> {
  mkdirSync(buildDir, { recursive: true });
  await buildParts(rootfs, wanted, signal);
  const staged = allParts.filter((name) => existsSync(stampFile(name)));
  const key = hashParts({ imageBytes: String(IMAGE_BYTES), parts: staged.map((name) => `${name} ${readStamp(stampFile(name))}`) });
  const image = path.join(buildDir, `project-${key}.erofs`);
  if (!existsSync(image)) {
    const layer = path.join(buildDir, 'layer');
    rmSync(layer, { recursive: true, force: true });
    mkdirSync(layer);
    for (const name of staged) {
      await execa('cp', ['-al', `${stageDir(name)}/.`, `${layer}/`]);
    }
    const [mkfs, ...args] = rootfs.tool('usr/bin/mkfs.erofs', '--quiet', '--all-root', `${image}.new`, layer);
    await execa(mkfs, args);
    padImage(`${image}.new`);
    rmSync(layer, { recursive: true });
    // Machines that run keep their image: an open file outlives its name.
    await execa('sh', ['-c', 'rm -f "$1"/project-*.erofs', 'sh', buildDir]);
    renameSync(`${image}.new`, image);
  }
  return image;
}

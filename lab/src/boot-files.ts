// SPDX-License-Identifier: BSD-3-Clause
/** What QEMU loads directly: the kernel as a plain ELF file, and a small initramfs. */
import {
  chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, renameSync, rmSync, symlinkSync, writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { execa } from 'execa';
import { hashFiles, hashParts } from './content-hash.js';
import { LabError } from './errors.js';
import { buildDir, labDir } from './paths.js';
import type { Rootfs } from './rootfs.js';

/** What the initramfs needs to mount the root. */
const WANTED_MODULES = ['virtio_pci', 'virtio_console', 'virtio_blk', 'erofs', 'overlay'];

/** A kernel to boot instead of Debian's. */
export interface OwnKernel {
  /** ELF with PVH, or bzImage. */
  image: string;
  /** Its `/lib/modules/VERSION`, from which the initramfs is made; without, all that the lab needs must be built in. */
  modules?: string;
}

export interface BootFiles {
  kernel: string;
  initramfs: string;
}

/**
 * The compressed kernel inside a bzImage: Documentation/arch/x86/boot.rst,
 * fields setup_sects, payload_offset and payload_length (boot protocol 2.08).
 * @throws Error when the file is no bzImage of that protocol
 */
export function bzImagePayload(image: Buffer): Buffer {
  if (image.length < 0x250 || image.toString('latin1', 0x202, 0x206) !== 'HdrS' || image.readUInt16LE(0x206) < 0x208) {
    throw new Error('not a bzImage of boot protocol 2.08 or later');
  }
  const setupSectors = image.readUInt8(0x1f1) || 4;
  const start = (setupSectors + 1) * 512 + image.readUInt32LE(0x248);
  // The last four bytes are the uncompressed size, not part of the stream.
  const end = start + image.readUInt32LE(0x24c) - 4;
  if (end <= start || end > image.length) {
    throw new Error('its payload lies outside the file');
  }
  return image.subarray(start, end);
}

async function makeKernel(rootfs: Rootfs, file: string): Promise<void> {
  const vmlinuz = path.join(rootfs.root, 'boot', `vmlinuz-${rootfs.kernelVersion}`);
  // The guest would decompress it under emulation: a second of each boot.
  const [zstd, ...args] = rootfs.tool('usr/bin/zstd', '-d', '-q', '-f', '-o', `${file}.new`);
  try {
    await execa(zstd, args, { input: bzImagePayload(readFileSync(vmlinuz)), stripFinalNewline: false });
  } catch (error) {
    throw new LabError('VFRING_ERR_LAB_BUILD', `cannot extract the kernel from ${vmlinuz}: ${(error as Error).message}`,
      'Debian may have changed how it compresses its kernel: see lab/src/boot-files.ts');
  }
  renameSync(`${file}.new`, file);
}

/**
 * Files to load, in order, so that each module finds loaded what it needs; what is built in needs no file.
 * @param output of `modprobe --show-depends`
 */
export function modulesToLoad(output: string): string[] {
  return [...new Set(output.split('\n').flatMap((line) => /^insmod (\S+)/.exec(line)?.[1] ?? []))];
}

/** @param modules the kernel's `/lib/modules/VERSION` */
async function loadOrder(rootfs: Rootfs, modules: string, wanted: readonly string[]): Promise<string[]> {
  if (wanted.length === 0) {
    return [];
  }
  // modprobe looks below lib/modules of a folder.
  const base = mkdtempSync(path.join(buildDir, 'modules-'));
  try {
    mkdirSync(path.join(base, 'lib/modules'), { recursive: true });
    symlinkSync(path.resolve(modules), path.join(base, 'lib/modules', path.basename(modules)));
    const [modprobe, ...args] = rootfs.tool('usr/sbin/modprobe', '-d', base, '-S', path.basename(modules), '--show-depends', '-a', ...wanted);
    const { stdout } = await execa(modprobe, args);
    return modulesToLoad(stdout).map((file) => realpathSync(file));
  } catch (error) {
    throw new LabError('VFRING_ERR_LAB_BUILD', `modprobe does not find what the kernel of ${modules} must load to boot: ${(error as Error).message}`,
      'a kernel of your own needs these as modules or built in: ' + wanted.join(', '));
  } finally {
    rmSync(base, { recursive: true });
  }
}

/** @param modules the kernel's `/lib/modules/VERSION` */
async function makeInitramfs(rootfs: Rootfs, modules: string, wanted: readonly string[], file: string): Promise<void> {
  const tree = `${file}.tree`;
  rmSync(tree, { recursive: true, force: true });
  for (const dir of ['bin', 'modules', 'units', 'dev', 'proc', 'sys', 'run', 'tmp', 'results', 'base', 'project', 'upper', 'root']) {
    mkdirSync(path.join(tree, dir), { recursive: true });
  }
  copyFileSync(path.join(rootfs.root, 'usr/bin/busybox'), path.join(tree, 'bin/busybox'));
  copyFileSync(path.join(labDir, 'guest/init'), path.join(tree, 'init'));
  copyFileSync(path.join(labDir, 'guest/session'), path.join(tree, 'session'));
  chmodSync(path.join(tree, 'init'), 0o755);
  for (const unit of ['lab.target', 'lab-session.service']) {
    copyFileSync(path.join(labDir, 'guest', unit), path.join(tree, 'units', unit));
  }
  const order = await loadOrder(rootfs, modules, wanted);
  for (const module of order) {
    copyFileSync(module, path.join(tree, 'modules', path.basename(module)));
  }
  writeFileSync(path.join(tree, 'modules/order'), order.map((module) => `${path.basename(module)}\n`).join(''));
  const [cpio, ...args] = rootfs.tool('usr/bin/cpio', '--quiet', '-o', '-H', 'newc', '-R', '0:0');
  // Not compressed: decompressing is what costs under emulation.
  await execa('sh', ['-c', 'find . | "$@" >"$0"', `${file}.new`, cpio, ...args].map(String), { cwd: tree });
  rmSync(tree, { recursive: true });
  renameSync(`${file}.new`, file);
}

/** Kernel and initramfs under build/lab/, named after what they were made from. The caller holds the build lock. */
export async function ensureBootFiles(rootfs: Rootfs, own?: OwnKernel): Promise<BootFiles> {
  const key = path.basename(rootfs.dir);
  const kernel = own?.image ?? path.join(rootfs.dir, 'vmlinux');
  const modules = own?.modules ?? path.join(rootfs.root, 'usr/lib/modules', rootfs.kernelVersion);
  const wanted = own === undefined || own.modules !== undefined ? WANTED_MODULES : [];
  const initramfs = path.join(buildDir, `initramfs-${hashParts({
    key, wantedModules: wanted, sources: hashFiles(labDir, ['guest', 'src/boot-files.ts']),
    ...(own?.modules === undefined ? {} : { modules: hashFiles(own.modules, ['kernel']) }),
  })}.cpio`);
  mkdirSync(buildDir, { recursive: true });
  if (!existsSync(kernel)) {
    await makeKernel(rootfs, kernel);
  }
  if (!existsSync(initramfs)) {
    await makeInitramfs(rootfs, modules, wanted, initramfs);
  }
  return { kernel, initramfs };
}

// SPDX-License-Identifier: BSD-3-Clause
/** All that a guest boots from, made when it is missing or out of date. */
import path from 'node:path';
import { type OwnKernel, ensureBootFiles } from './boot-files.js';
import { withLock } from './lock.js';
import { buildDir } from './paths.js';
import { type PartName, allParts, ensureProjectImage } from './project.js';
import type { Images } from './qemu.js';
import type { QemuRelease } from './qemu-release.js';
import { type Rootfs, ensureRootfs } from './rootfs.js';

export interface Prepared {
  rootfs: Rootfs;
  images: Images;
  /** What runs the machine; the lab's own QEMU by default. */
  qemu?: QemuRelease;
}

export async function prepare(parts: readonly PartName[] = allParts, signal?: AbortSignal, kernel?: OwnKernel): Promise<Prepared> {
  const rootfs = await ensureRootfs(signal);
  return await withLock(path.join(buildDir, 'lock'), 'building', async () => {
    const bootFiles = await ensureBootFiles(rootfs, kernel);
    const project = await ensureProjectImage(rootfs, parts, signal);
    return { rootfs, images: { ...bootFiles, base: rootfs.baseImage, project } };
  });
}

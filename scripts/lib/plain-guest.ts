// SPDX-License-Identifier: BSD-3-Clause
/** The emulated machine as a plain Debian node: the lab's Debian without the project, and with what a node has that builds modules by DKMS. */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { hashParts } from '../../lab/src/content-hash.js';
import { hostAptOptions } from '../../lab/src/apt.js';
import { prepare, type Prepared } from '../../lab/src/prepare.js';
import { buildDir, step } from '../../tools/steps.js';
import { layerOf } from './debian-tree.js';

/** As the lab's own image of the project: a saved machine has seen the size of its disks. */
const IMAGE_BYTES = 1024 ** 3;
const PACKAGES = ['dkms', 'podman', 'crun', 'uidmap', 'fuse-overlayfs', 'catatonit', 'ansible-core'];
/** Of the lab's tree, and not in its image for guests. */
const notInImage = (kernel: string): string[] => ['usr/src', `usr/lib/modules/${kernel}/build`, `usr/lib/modules/${kernel}/source`];

/** What {@link Guest.boot} starts such a machine from. The layer is made once for the lab's Debian. */
export async function plainGuest(): Promise<Prepared> {
  const prepared = await prepare([]);
  const { rootfs } = prepared;
  const subtrees = notInImage(rootfs.kernelVersion).filter((path) => existsSync(join(rootfs.root, path)));
  const image = join(buildDir, `plain-${hashParts({ tree: basename(rootfs.dir), packages: PACKAGES, subtrees, code: readFileSync(import.meta.filename, 'utf8') })}.erofs`);
  if (!existsSync(image)) {
    const inputs = join(buildDir, 'plain-inputs');
    rmSync(inputs, { recursive: true, force: true });
    mkdirSync(inputs, { recursive: true });
    writeFileSync(join(inputs, 'apt.conf'), await hostAptOptions());
    writeFileSync(join(inputs, 'subtrees'), subtrees.map((path) => `${path}\n`).join(''));
    await step('what a plain node has besides the lab', () =>
      layerOf(rootfs.root, `${image}.new`, join(inputs, 'apt.conf'), join(inputs, 'subtrees'), PACKAGES));
    truncateSync(`${image}.new`, IMAGE_BYTES);
    renameSync(`${image}.new`, image);
  }
  return { rootfs, images: { ...prepared.images, project: image } };
}

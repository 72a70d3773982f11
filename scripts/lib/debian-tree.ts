// SPDX-License-Identifier: BSD-3-Clause
/** Debian trees to build packages and try them in: made once by mmdebstrap from this machine's own mirror, kept in the cache, never written to afterwards. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hashParts } from '../../lab/src/content-hash.js';
import { hostAptOptions, hostMirror, proxyEnvironment } from '../../lab/src/apt.js';
import { cacheBase } from '../../lab/src/paths.js';
import { asRoot, ensurePackages } from '../../tools/packages.js';
import { buildDir, logged, root, step } from '../../tools/steps.js';

export interface TreeKind {
  readonly suite: string;
  /** Of mmdebstrap: `buildd` has compilers, `apt` what is essential and apt. */
  readonly variant: 'buildd' | 'apt';
  readonly packages: readonly string[];
}

const SCRIPT = join(root, 'packaging', 'root.sh');
/** Mounts and processes end with the script. */
const NAMESPACES = ['unshare', '--mount', '--propagation', 'private', '--pid', '--fork', '--kill-child', '--mount-proc'];
/** The part of the script that decides what a tree is like. */
const recipe = (): string => /^make_tree\(\).*?^\}/ms.exec(readFileSync(SCRIPT, 'utf8'))![0];
const owner = (): string => `${process.getuid!()}:${process.getgid!()}`;

async function privileged(logName: string, environment: Readonly<Record<string, string>>, ...args: readonly string[]): Promise<void> {
  const variables = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
  const [file, ...rest] = [...(await asRoot()), 'env', ...variables, ...NAMESPACES, 'sh', SCRIPT, ...args] as [string, ...string[]];
  await logged(logName, file, rest);
}

/** Path of the tree; makes it when there is none of this kind. Throws StepError, with the end of the log. */
export async function debianTree(kind: TreeKind): Promise<string> {
  const name = `packages-${kind.suite}-${kind.variant}-${hashParts({ ...kind, recipe: recipe() })}`;
  const dir = join(cacheBase(), name);
  if (!existsSync(dir)) {
    await ensurePackages(['mmdebstrap', 'util-linux']);
    const mirror = await hostMirror();
    const options = await hostAptOptions();
    const aptConf = join(buildDir, `${name}.apt.conf`);
    mkdirSync(buildDir, { recursive: true });
    writeFileSync(aptConf, options);
    await step(`Debian ${kind.suite} with ${kind.packages.length} packages (once)`, () =>
      privileged(name, proxyEnvironment(options), 'make', dir, owner(), kind.suite, mirror.uri, mirror.keyring, aptConf, kind.variant, ...kind.packages));
  }
  return dir;
}

export interface Entry {
  /** Of the log below build/log/. */
  readonly logName: string;
  /** As root of the tree, instead of as whoever calls. */
  readonly asRoot?: boolean;
  /** Folders of this machine, by their path in the tree. */
  readonly folders: Readonly<Record<string, string>>;
}

/** Runs a command in a copy of the tree that ends with it. Throws StepError when it fails, with the end of its output. */
export async function inTree(tree: string, entry: Entry, ...command: readonly string[]): Promise<void> {
  const binds = Object.entries(entry.folders).map(([path, folder]) => `${folder}:${path}`);
  await privileged(entry.logName, {}, 'enter', tree, entry.asRoot === true ? '0:0' : owner(), ...binds, '--', ...command);
}

/** An erofs image of `packages`, and of the paths in the file `subtrees`, to be laid above `tree` (packaging/root.sh). */
export async function layerOf(tree: string, image: string, aptConf: string, subtrees: string, packages: readonly string[]): Promise<void> {
  await privileged('layer', {}, 'layer', tree, image, aptConf, subtrees, ...packages);
}

// SPDX-License-Identifier: BSD-3-Clause
/** The project's Debian packages, built in a clean tree of each release and looked at by its lintian. */
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { hashFiles, hashParts } from '../../lab/src/content-hash.js';
import { cacheBase } from '../../lab/src/paths.js';
import { buildDir, root, step } from '../../tools/steps.js';
import { debianTree, inTree, type TreeKind } from './debian-tree.js';

/** Debian releases, and what their packages' versions end with: a machine that goes from one to the next gets the next one's packages. */
export const RELEASES = { bookworm: 'deb12', trixie: 'deb13' } as const;
export type Release = keyof typeof RELEASES;

/** What packages are made from, beside the node modules of package-lock.json. */
const SOURCES = [
  'btl', 'config', 'contrib/grafana', 'contrib/prometheus', 'control', 'docs', 'driver-kmod', 'lab/vfu', 'mpi-tests', 'packaging', 'LICENSES',
  'CHANGELOG.md', 'README.md',
  'Makefile.am', 'autogen.sh', 'configure.ac', 'package.json', 'package-lock.json', 'tsconfig.json',
];
/** Of no weight for what is in them. */
const NOT_SOURCES = [
  ':!control/tests', ':!driver-kmod/tests', ':!packaging/root.sh',
  ...['architecture.md', 'building.md', 'decisions', 'hardware.md', 'lab.md', 'performance', 'reliability', 'wire-protocol.md'].map((page) => `:!docs/${page}`),
];
/** Compiled anew in the tree, so no links to this machine's. */
const COMPILED = ['better-sqlite3', 'koffi'];
const PACKAGING = join(root, 'packaging', 'debian');

/** A field of the first paragraph of debian/control, which is a list of packages with versions. */
export function packagesOf(control: string, field: string): string[] {
  const value = new RegExp(`^${field}:((?:.*\\n)(?:[ \\t].*\\n)*)`, 'm').exec(control)?.[1] ?? '';
  return value.split(',').map((item) => item.trim().replace(/[\s(].*$/, '')).filter((name) => name !== '');
}

/** debhelper-compat and dh-sequence-dkms are provided by packages with other names. */
const provider = (name: string): string => ({ 'debhelper-compat': 'debhelper', 'dh-sequence-dkms': 'dh-dkms' })[name] ?? name;

/** ccache, since most of what is compiled are node modules, which hardly ever change; and what builds RPM packages. */
const TOOLS = ['ccache', 'rpm'];

export const buildTree = (suite: Release): TreeKind =>
  ({ suite, variant: 'buildd', packages: [...packagesOf(readFileSync(join(PACKAGING, 'control'), 'utf8'), 'Build-Depends').map(provider), ...TOOLS] });

/** What a package is looked at, installed and removed in. */
export const plainTree = (suite: Release): TreeKind => ({ suite, variant: 'apt', packages: ['lintian', 'passwd'] });

export interface Built {
  /** Folder with the packages. */
  readonly dir: string;
  /** Their files' names. */
  readonly debs: readonly string[];
  /** Their version. */
  readonly version: string;
}

/**
 * Their files that are not ignored, relative to the checkout.
 *
 * @param others paths that are left out
 */
export async function sources(...others: readonly string[]): Promise<string[]> {
  const left = [...NOT_SOURCES, ...others.map((path) => `:!${path}`)];
  const { stdout } = await execa('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard', '--', ...SOURCES, ...left], { cwd: root });
  return stdout.split('\0').filter((file) => file !== '' && existsSync(join(root, file))).sort();
}

async function changelog(suite: Release, version: string): Promise<string> {
  const { stdout: date } = await execa('git', ['log', '-1', '--format=%cd', '--date=rfc'], { cwd: root });
  const maintainer = /^Maintainer: (.*)$/m.exec(readFileSync(join(PACKAGING, 'control'), 'utf8'))?.[1];
  return `vfring (${version}) ${suite}; urgency=medium\n\n  * See CHANGELOG.md.\n\n -- ${maintainer}  ${date}\n`;
}

/** What packages are built in: sources and node modules. */
export async function layOut(dir: string, files: readonly string[]): Promise<void> {
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir, { recursive: true });
  const tar = execa('tar', ['-c', '--null', '-T', '-'], { cwd: root, input: files.join('\0'), encoding: 'buffer', maxBuffer: 2 ** 30 });
  await execa('tar', ['-x', '-C', dir], { input: (await tar).stdout });
  const modules = join(dir, 'node_modules');
  await execa('cp', ['-al', join(root, 'node_modules'), modules]);
  for (const name of COMPILED) {
    rmSync(join(modules, name), { recursive: true });
    await execa('cp', ['-a', join(root, 'node_modules', name), join(modules, name)]);
    rmSync(join(modules, name, 'build'), { recursive: true, force: true });
  }
}

/** Runs a command in a copy of the release's tree for building, in the sources in `work`/vfring. */
export async function inBuildTree(builder: string, logName: string, folders: Readonly<Record<string, string>>, command: string): Promise<void> {
  const cache = join(cacheBase(), 'packages-ccache');
  mkdirSync(cache, { recursive: true });
  await inTree(builder, { logName, folders: { ...folders, '/ccache': cache } },
    'sh', '-c', `cd /build/vfring && export PATH=/usr/lib/ccache:$PATH CCACHE_DIR=/ccache CCACHE_MAXSIZE=1G && exec ${command}`);
}

/** Builds the packages unless they are there from the same sources. Throws StepError when that fails, or when lintian finds an error. */
export async function buildPackages(suite: Release): Promise<Built> {
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  const version = `${manifest.version}+${RELEASES[suite]}`;
  const dir = join(buildDir, 'packages', suite);
  const [builder, plain] = [await debianTree(buildTree(suite)), await debianTree(plainTree(suite))];
  const files = await sources('packaging/rpm');
  const key = hashParts({ version, builder, plain, files: hashFiles(root, files) });
  const stamp = join(dir, 'key');
  const debs = (): string[] => readdirSync(dir).filter((name) => name.endsWith('.deb'));
  if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== key) {
    rmSync(dir, { recursive: true, force: true });
    const work = join(dir, 'work');
    const tree = join(work, 'vfring');
    await layOut(tree, files);
    renameSync(join(tree, 'packaging', 'debian'), join(tree, 'debian'));
    writeFileSync(join(tree, 'debian', 'changelog'), await changelog(suite, version));
    await step(`packages ${version} for ${suite}`, () =>
      inBuildTree(builder, `packages-${suite}`, { '/build': work }, 'dpkg-buildpackage --build=binary --no-sign --no-pre-clean "-j$(nproc)"'));
    await step(`lintian for ${suite}`, () =>
      inTree(plain, { logName: `lintian-${suite}`, folders: { '/build': work } },
        'sh', '-c', 'cd /build && exec lintian --fail-on error --allow-root --tag-display-limit 0 ./*.changes'));
    for (const name of readdirSync(work).filter((file) => /\.(deb|buildinfo|changes)$/.test(file))) {
      renameSync(join(work, name), join(dir, name));
    }
    rmSync(work, { recursive: true });
    writeFileSync(stamp, key);
  }
  return { dir, debs: debs(), version };
}

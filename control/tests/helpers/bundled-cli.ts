// SPDX-License-Identifier: BSD-3-Clause
/** vfring in one file, made once: each start from its sources would take seconds. */
import { copyFileSync, existsSync, mkdirSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';

const root = join(import.meta.dirname, '../../..');

const NAME = 'played-vfring-';

let bundle: Promise<string> | undefined;

/** @returns the script for node */
export function bundledCli(): Promise<string> {
  bundle ??= (async () => {
    // A worker of vitest is killed at its end, and can take nothing away then.
    for (const name of readdirSync(join(root, 'build')).filter((one) => one.startsWith(NAME) && !existsSync(`/proc/${one.slice(NAME.length)}`))) {
      rmSync(join(root, 'build', name), { recursive: true, force: true });
    }
    const code = join(root, 'build', `${NAME}${process.pid}`);
    await build({
      entryPoints: [join(root, 'control/src/cli/main.ts')], outdir: join(code, 'control', 'src'), bundle: true, format: 'esm', platform: 'node', target: 'node20',
      external: ['koffi', 'better-sqlite3'], banner: { js: "import { createRequire as makeRequire } from 'node:module'; const require = makeRequire(import.meta.url);" },
    });
    copyFileSync(join(root, 'package.json'), join(code, 'package.json'));
    mkdirSync(join(code, 'build'), { recursive: true });
    symlinkSync(join(root, 'build', 'web'), join(code, 'build', 'web'));
    return join(code, 'control', 'src', 'main.js');
  })();
  return bundle;
}

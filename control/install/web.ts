// SPDX-License-Identifier: BSD-3-Clause
/** Bundles the pages: one script, one style sheet each, no file of anybody else when they are viewed; and the thread that serves the node's. */
import { cpSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type Metafile } from 'esbuild';

const source = join(dirname(fileURLToPath(import.meta.url)), '..', 'web');

/** @param target folder */
export async function buildWeb(target: string): Promise<Metafile[]> {
  mkdirSync(target, { recursive: true });
  const page = await build({
    entryPoints: { page: join(source, 'main.tsx') },
    outdir: target,
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    jsx: 'automatic',
    jsxImportSource: 'preact',
    legalComments: 'inline',
    logLevel: 'warning',
    metafile: true,
  });
  // Is written into each page that vfring bench makes.
  const bench = await build({
    entryPoints: { bench: join(source, 'bench', 'main.ts') },
    outdir: target,
    bundle: true,
    minify: true,
    format: 'iife',
    platform: 'browser',
    target: 'es2022',
    legalComments: 'inline',
    logLevel: 'warning',
    metafile: true,
  });
  const worker = await build({
    entryPoints: { worker: join(source, '..', 'src', 'web', 'worker.ts') },
    outdir: target,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node18',
    legalComments: 'inline',
    logLevel: 'warning',
    metafile: true,
  });
  for (const name of ['index.html', 'icon.svg']) {
    cpSync(join(source, name), join(target, name));
  }
  return [page.metafile, bench.metafile, worker.metafile];
}

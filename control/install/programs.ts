// SPDX-License-Identifier: BSD-3-Clause
/** Bundles vfringd and vfring. */
import { join } from 'node:path';
import { build, type Metafile } from 'esbuild';
import { NATIVE, root } from './modules.js';

const source = join(root, 'control', 'src');

/**
 * A few files instead of hundreds: node starts in a fraction of the time, and
 * what nobody calls takes no memory. Both programs share their chunks, and what
 * a command loads when it runs stays a chunk of its own.
 *
 * @param target folder
 */
export async function bundlePrograms(target: string): Promise<Metafile> {
  const { metafile } = await build({
    entryPoints: { 'cli/main': join(source, 'cli', 'main.ts'), 'vfringd/main': join(source, 'vfringd', 'main.ts') },
    outdir: target,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node18',
    external: [...NATIVE],
    // Commander is CommonJS and asks for node's own modules.
    banner: { js: "import { createRequire as makeRequire } from 'node:module'; const require = makeRequire(import.meta.url);" },
    legalComments: 'inline',
    logLevel: 'warning',
    metafile: true,
  });
  return metafile;
}

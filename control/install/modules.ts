// SPDX-License-Identifier: BSD-3-Clause
/** Node modules of others that are installed with vfring: inside its bundles, or beside them. */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Metafile } from 'esbuild';
import { z } from 'zod';

export const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
export const modules = join(root, 'node_modules');

const manifestSchema = z.object({
  version: z.string(),
  dependencies: z.record(z.string(), z.string()).default({}),
});

export function manifest(folder: string): z.output<typeof manifestSchema> {
  return manifestSchema.parse(JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')));
}

/** They find their compiled code themselves; all other packages are in a bundle. */
export const NATIVE: readonly string[] = ['koffi', 'better-sqlite3'];

/** Dependencies that only fetch or compile their package when npm installs it. */
const INSTALL_ONLY = new Set(['prebuild-install']);

/** Every package that is needed at run time, with what it needs itself. */
export function runtimePackages(names = NATIVE, found = new Set<string>()): Set<string> {
  for (const name of names) {
    if (!found.has(name) && !INSTALL_ONLY.has(name)) {
      found.add(name);
      runtimePackages(Object.keys(manifest(join(modules, name)).dependencies), found);
    }
  }
  return found;
}

/** Packages that have a part of a bundle. */
export function bundledPackages(...metafiles: readonly Metafile[]): Set<string> {
  const outputs = metafiles.flatMap((metafile) => Object.values(metafile.outputs));
  const paths = outputs.flatMap(({ inputs }) => Object.entries(inputs).filter(([, { bytesInOutput }]) => bytesInOutput > 0).map(([path]) => path));
  const names = paths.map((path) => /(?:^|\/)node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1]);
  return new Set(names.filter((name) => name !== undefined));
}

// SPDX-License-Identifier: BSD-3-Clause
/** Keys that say what something was made from. */
import { createHash } from 'node:crypto';
import { lstatSync, readFileSync, readdirSync, readlinkSync } from 'node:fs';
import path from 'node:path';

/** Hash of named parts; neither their order nor where one ends and the next begins is ambiguous. */
export function hashParts(parts: Readonly<Record<string, string | readonly string[]>>): string {
  const hash = createHash('sha256');
  for (const name of Object.keys(parts).sort()) {
    hash.update(JSON.stringify([name, parts[name]]));
  }
  return hash.digest('hex').slice(0, 16);
}

/** Names that are never sources: made by tools, or not the project's. */
const NOT_SOURCES = new Set(['.git', 'node_modules', 'build', 'autom4te.cache', '.deps', '.libs', 'Makefile.in']);

/**
 * Hash of the content of files and folders (recursively), relative to `base`.
 * Missing ones count as such: a path that appears later changes the key.
 */
export function hashFiles(base: string, paths: readonly string[]): string {
  const hash = createHash('sha256');
  const visit = (relative: string): void => {
    const full = path.join(base, relative);
    const stat = lstatSync(full, { throwIfNoEntry: false });
    if (stat === undefined) {
      hash.update(JSON.stringify([relative, 'missing']));
    } else if (stat.isDirectory()) {
      for (const name of readdirSync(full).filter((entry) => !NOT_SOURCES.has(entry)).sort()) {
        visit(path.join(relative, name));
      }
    } else if (stat.isSymbolicLink()) {
      hash.update(JSON.stringify([relative, 'link', readlinkSync(full)]));
    } else if (stat.isFile()) {
      hash.update(JSON.stringify([relative, stat.mode & 0o111, stat.size]));
      hash.update(readFileSync(full));
    }
  };
  for (const entry of [...paths].sort()) {
    visit(entry);
  }
  return hash.digest('hex').slice(0, 16);
}

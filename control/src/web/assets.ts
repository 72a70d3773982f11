// SPDX-License-Identifier: BSD-3-Clause
/** The page's own files, as the build has made them: they are read once, and are all that a path can name. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Asset {
  readonly type: string;
  readonly body: Buffer;
  readonly etag: string;
}

const FILES: Readonly<Record<string, readonly [file: string, type: string]>> = {
  '/': ['index.html', 'text/html; charset=utf-8'],
  '/page.js': ['page.js', 'text/javascript; charset=utf-8'],
  '/page.css': ['page.css', 'text/css; charset=utf-8'],
  '/icon.svg': ['icon.svg', 'image/svg+xml'],
};

export type Assets = ReadonlyMap<string, Asset>;

/** By path. Throws when one is missing. */
export function readAssets(dir: string): Assets {
  return new Map(Object.entries(FILES).map(([path, [file, type]]) => {
    const body = readFileSync(join(dir, file));
    return [path, { type, body, etag: `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"` }];
  }));
}

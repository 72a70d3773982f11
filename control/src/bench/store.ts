// SPDX-License-Identifier: BSD-3-Clause
/** The two files of a run. Each is replaced as a whole: whoever reads, at any time, finds the old or the new one. */
import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { VfringError, causeText } from '../errors.js';
import type { Result } from './result.js';

export interface Store {
  readonly json: string;
  readonly html: string;
  saveResult(result: Result): void;
  savePage(html: string): void;
}

/**
 * Throws VFRING_ERR_BENCH_OUTPUT, as saveResult() and savePage() do: where one of the files is there, unless it may be replaced.
 *
 * @param base "results/monday": the files are monday.json and monday.html; either ending may be said
 */
export function openStore(base: string, overwrite: boolean): Store {
  const stem = base.replace(/\.(json|html)$/, '');
  const [json, html] = [`${stem}.json`, `${stem}.html`];
  const there = [json, html].find((file) => existsSync(file));
  if (there !== undefined && !overwrite) {
    throw new VfringError('VFRING_ERR_BENCH_OUTPUT', { file: there, cause: 'it is there already', remedy: 'choose another name (--output NAME), or replace it: --overwrite' });
  }
  return {
    json, html,
    saveResult: (result) => replace(json, `${JSON.stringify(result, null, 1)}\n`),
    savePage: (text) => replace(html, text),
  };
}

function replace(file: string, text: string): void {
  const fresh = `${file}.new`;
  try {
    const fd = openSync(fresh, 'w', 0o666);
    try {
      // node takes a short write, of a disk that is almost full, for a whole one.
      const bytes = Buffer.from(text);
      for (let at = 0; at < bytes.length; ) {
        at += writeSync(fd, bytes, at);
      }
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(fresh, file);
  } catch (error) {
    try {
      rmSync(fresh, { force: true });
    } catch {
      // The folder is not ours to write.
    }
    throw new VfringError('VFRING_ERR_BENCH_OUTPUT', { file, cause: causeText(error), remedy: 'make room, or write elsewhere: --output /some/other/folder/NAME' }, { cause: error });
  }
}

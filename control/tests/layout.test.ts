// SPDX-License-Identifier: BSD-3-Clause
/** Folders import downwards only: docs/architecture.md has what each is. */
import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import ts from 'typescript';
import { expect, test } from 'vitest';

const root = join(import.meta.dirname, '../..');

/** A folder sees those below it in its list. "." are the files of the first folder itself. */
const CONTROL = [
  'cli', 'bench', 'doctor', 'vfringd', 'slurm', 'web', 'api', 'sockets', 'jobs', 'leases', 'ledger', 'node', 'providers/sriov', 'providers/soft', 'providers', 'model', 'mpi', 'hosts', 'config', '.',
];
const PROJECT = ['scripts', 'e2e', 'lab', 'tools', 'control'];

/** Relative imports of every file below `dir`, both as paths below it. */
function imports(dir: string): { readonly from: string; readonly to: string }[] {
  return readdirSync(dir, { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.ts$/.test(file) && !file.includes('node_modules'))
    .flatMap((file) => ts.preProcessFile(readFileSync(join(dir, file), 'utf8')).importedFiles
      .filter(({ fileName }) => fileName.startsWith('.'))
      .map(({ fileName }) => ({ from: file, to: relative(dir, join(dir, dirname(file), fileName)) })));
}

const placeIn = (order: readonly string[], file: string): number =>
  order.findIndex((folder) => (folder === '.' ? !file.includes('/') : file.startsWith(`${folder}/`)));

/** Imports that go up, or to where nobody has said what it is. */
function wrong(order: readonly string[], dir: string): string[] {
  const found = imports(dir);
  expect(found.length).toBeGreaterThan(30);
  return found.filter(({ from, to }) => {
    const [a, b] = [placeIn(order, from), placeIn(order, to)];
    return a < 0 || b < 0 || b < a;
  }).map(({ from, to }) => `${from} imports ${to}`);
}

test('of control', () => {
  expect(wrong(CONTROL, join(root, 'control/src'))).toEqual([]);
});

test('of the project: what npm runs, end-to-end tests, the lab, tools', () => {
  const found = PROJECT.filter((folder) => folder !== 'control').flatMap((folder) =>
    imports(join(root, folder)).map(({ from, to }) => ({ from: `${folder}/${from}`, to: relative(root, join(root, folder, to)) })));
  const up = found.filter(({ from, to }) => placeIn(PROJECT, to) < placeIn(PROJECT, from));
  expect(up).toEqual([]);
});

test('no file is longer than can be read in one sitting', () => {
  const long = readdirSync(join(root, 'control/src'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && readFileSync(join(root, 'control/src', file), 'utf8').split('\n').length > 500);
  expect(long).toEqual([]);
});

// SPDX-License-Identifier: BSD-3-Clause
/** debian/copyright names every work of others that the packages have, with its licence and whose it is: as the build has it, not as somebody remembered. */
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bundledPackages, modules, root, runtimePackages } from '../../control/install/modules.js';
import { bundlePrograms } from '../../control/install/programs.js';
import { buildWeb } from '../../control/install/web.js';

interface Paragraph {
  readonly files: readonly string[];
  readonly holders: readonly string[];
  readonly licence: string;
}

/** Debian's short names of npm's. */
const LICENCES: Readonly<Record<string, string>> = { MIT: 'Expat', ISC: 'ISC', 'BSD-3-Clause': 'BSD-3-Clause', 'Apache-2.0': 'Apache-2.0' };

const copyright = readFileSync(join(root, 'packaging', 'debian', 'copyright'), 'utf8');
const fields = copyright.split(/\n\s*\n/).map((paragraph) => new Map([...paragraph.matchAll(/^(\S+):\s*(.*(?:\n\s.*)*)/gm)].map(([, name, value]) => [name as string, value as string])));
const paragraphs: Paragraph[] = fields.filter((paragraph) => paragraph.has('Files')).map((paragraph) => ({
  files: (paragraph.get('Files') as string).split(/\s+/),
  holders: (paragraph.get('Copyright') ?? '').split('\n').map((line) => line.trim()),
  licence: (paragraph.get('License') ?? '').split('\n')[0] as string,
}));

/** Letters and digits: licences write names with links, entities and brackets. */
const plain = (text: string): string => text.replace(/&[lg]t;/g, ' ').replace(/\(c\)|\]\([^)]*\)/gi, ' ').replace(/[^\p{L}\p{N}@.+-]+/gu, ' ').trim();

const of = (folder: string): Paragraph | undefined => paragraphs.find(({ files }) => files.includes(`node_modules/${folder}/*`));

/** Folders below node_modules of what is compiled into a package's or our own addon. */
function compiledIn(): string[] {
  const headers = [...readFileSync(join(root, 'control', 'native', 'Makefile'), 'utf8').matchAll(/\$\(MODULES\)\/([\w-]+)/g)].map(([, name]) => name as string);
  const below = [...runtimePackages()].flatMap((name) => ['deps', 'vendor'].flatMap((folder) => {
    const path = join(modules, name, folder);
    const entries = existsSync(path) ? readdirSync(path, { withFileTypes: true }) : [];
    return entries.filter((entry) => entry.isDirectory() && entry.name !== 'patches').map((entry) => `${name}/${folder}/${entry.name}`);
  }));
  return [...headers, ...below];
}

describe('debian/copyright', () => {
  const dir = mkdtempSync(join(tmpdir(), 'vfring-copyright-'));
  let shipped: string[] = [];
  afterAll(() => rmSync(dir, { recursive: true }));
  beforeAll(async () => {
    const bundles = [await bundlePrograms(join(dir, 'programs')), ...(await buildWeb(join(dir, 'web')))];
    shipped = [...new Set([...bundledPackages(...bundles), ...runtimePackages(), ...compiledIn()])].sort();
  });

  test('the build tells of bundles, of packages beside them, and of what is compiled into these', () => {
    expect(shipped).toEqual(expect.arrayContaining(['commander', 'koffi', 'preact', 'better-sqlite3/deps/sqlite3', 'node-addon-api']));
  });

  test('each is named, with its licence', () => {
    expect(shipped.filter((folder) => of(folder) === undefined)).toEqual([]);
    const wrong = shipped.filter((folder) => existsSync(join(modules, folder, 'package.json'))).filter((folder) => {
      const { license } = JSON.parse(readFileSync(join(modules, folder, 'package.json'), 'utf8')) as { license: string };
      return LICENCES[license] === undefined || LICENCES[license] !== of(folder)?.licence;
    });
    expect(wrong).toEqual([]);
  });

  test('with the holders that its own licence names', () => {
    const wrong = shipped.flatMap((folder) => {
      const file = readdirSync(join(modules, folder)).find((name) => /^licen[cs]e/i.test(name));
      const text = file === undefined ? undefined : plain(readFileSync(join(modules, folder, file), 'utf8'));
      return (of(folder)?.holders ?? []).filter((holder) => text !== undefined && !text.includes(plain(holder))).map((holder) => `${folder}: ${holder}`);
    });
    expect(wrong).toEqual([]);
  });

  test('and nothing that is not there', () => {
    const named = paragraphs.flatMap(({ files }) => files).map((file) => /^node_modules\/(.*)\/\*$/.exec(file)?.[1]).filter((name) => name !== undefined);
    expect(named.filter((folder) => !shipped.includes(folder))).toEqual([]);
  });

  test('each licence has its text', () => {
    const texts = new Set(fields.filter((paragraph) => !paragraph.has('Files') && paragraph.has('License')).map((paragraph) => (paragraph.get('License') as string).split('\n')[0]));
    expect(paragraphs.filter(({ licence }) => licence !== 'public-domain').filter(({ licence }) => !texts.has(licence))).toEqual([]);
  });
});

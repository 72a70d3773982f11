// SPDX-License-Identifier: BSD-3-Clause
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { hashFiles, hashParts } from '../src/content-hash.js';
import { cacheBase } from '../src/paths.js';
import { PARTS } from '../src/project.js';
import { rootfsKey } from '../src/rootfs.js';

describe('hashParts', () => {
  it('does not depend on the order of names, but on all else', () => {
    expect(hashParts({ a: '1', b: ['2', '3'] })).toBe(hashParts({ b: ['2', '3'], a: '1' }));
    const others = [{ a: '1', b: ['23'] }, { a: '1', b: '2,3' }, { a: '1', b: ['3', '2'] }, { a: '1b', b: ['2', '3'] }, { a: '1' }];
    const keys = new Set([hashParts({ a: '1', b: ['2', '3'] }), ...others.map((parts) => hashParts(parts))]);
    expect(keys.size).toBe(others.length + 1);
  });
});

describe('hashFiles', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(path.join(os.tmpdir(), 'lab-hash-'));
    mkdirSync(path.join(dir, 'src/sub'), { recursive: true });
    writeFileSync(path.join(dir, 'src/a.c'), 'int a;');
    writeFileSync(path.join(dir, 'src/sub/b.c'), 'int b;');
  });
  afterEach(() => rmSync(dir, { recursive: true }));
  const key = () => hashFiles(dir, ['src', 'configure.ac']);

  it('is of all that the stage of control is built from', () => {
    const projectDir = path.join(import.meta.dirname, '../..');
    const makefile = readFileSync(path.join(projectDir, 'control/native/Makefile'), 'utf8');
    const used = [...new Set([...makefile.matchAll(/\$\(TOP\)\/([a-z-]+\/[a-z-]+)/g)].map(([, file]) => file as string))].filter((file) => !file.startsWith('build/'));
    expect(used).toEqual(expect.arrayContaining(['control/native', 'btl/regs', 'btl/softvf']));
    // The wrapper scripts are control/install/wrapper.ts.
    expect([...used, 'control/install', 'control/system', 'control/web'].filter((file) => !PARTS.control.inputs.some((input) => file.startsWith(input)))).toEqual([]);
  });

  it('is of all that the stage of C is configured from', () => {
    const configure = readFileSync(path.join(import.meta.dirname, '../../configure.ac'), 'utf8');
    // Files that m4 reads: of the version, for one, the component tells.
    const used = [...configure.matchAll(/m4_esyscmd_s\(\[.* ([\w./-]+)\]\)/g)].map(([, file]) => file as string);
    expect(used).not.toEqual([]);
    expect(used.filter((file) => !(PARTS.c.inputs as readonly string[]).includes(file))).toEqual([]);
  });

  it('changes with content, names, the executable bit and paths that appear', () => {
    const seen = [key()];
    writeFileSync(path.join(dir, 'src/sub/b.c'), 'int c;');
    seen.push(key());
    chmodSync(path.join(dir, 'src/a.c'), 0o755);
    seen.push(key());
    writeFileSync(path.join(dir, 'src/c.c'), '');
    seen.push(key());
    writeFileSync(path.join(dir, 'configure.ac'), '');
    seen.push(key());
    expect(new Set(seen).size).toBe(seen.length);
  });

  it('does not change with times, or with what tools leave beside the sources', () => {
    const before = key();
    utimesSync(path.join(dir, 'src/a.c'), 1, 1);
    mkdirSync(path.join(dir, 'src/node_modules'));
    writeFileSync(path.join(dir, 'src/node_modules/x'), '');
    writeFileSync(path.join(dir, 'src/Makefile.in'), '');
    expect(key()).toBe(before);
  });
});

it('keeps the cache where the XDG specification says', () => {
  expect(cacheBase({ XDG_CACHE_HOME: '/var/x' })).toBe('/var/x/vfring');
  expect(cacheBase({ XDG_CACHE_HOME: 'relative' })).toBe(path.join(os.homedir(), '.cache/vfring'));
  expect(cacheBase({})).toBe(path.join(os.homedir(), '.cache/vfring'));
});

it('names a root file system by a key that is the same each time', () => {
  expect(rootfsKey()).toMatch(/^[0-9a-f]{16}$/);
  expect(rootfsKey()).toBe(rootfsKey());
});

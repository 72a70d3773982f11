// SPDX-License-Identifier: BSD-3-Clause
/** What was written is read again; what was not written so is named. */
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { RESULT_VERSION, readResult } from '../../src/bench/result.js';
import { openStore } from '../../src/bench/store.js';
import { benchResult } from '../helpers/bench-result.js';
import { smallDisk } from '../helpers/small-disk.js';
import { tempDir } from '../helpers/temp-dir.js';

describe('a result', () => {
  test('is read as it was written', async () => {
    const store = openStore(join(tempDir(), 'monday.json'), false);
    store.saveResult(benchResult());
    expect(await readResult(store.json)).toEqual(benchResult());
    expect(store.html).toBe(store.json.replace('.json', '.html'));
  });

  test.each<[string, string, RegExp]>([
    ['another version', JSON.stringify({ ...benchResult(), version: RESULT_VERSION + 1, release: '9.1.0', launches: 'other' }), /release 9\.1\.0 wrote it in version 2 of the format, and this release reads version 1/],
    ['another program', '{"results": []}', /not written by vfring bench/],
    ['nothing', '', /it is empty/],
    ['half of it', JSON.stringify(benchResult()).slice(0, 2000), /no JSON/],
    ['a damaged one', JSON.stringify({ ...benchResult(), ranks: 'two' }), /ranks: /],
  ])('that is %s is refused, and says so', async (_name, text, expected) => {
    const file = join(tempDir(), 'x.json');
    writeFileSync(file, text);
    await expect(readResult(file)).rejects.toMatchObject({ code: 'VFRING_ERR_BENCH_RESULT', exitStatus: 65, message: expect.stringMatching(expected) as string });
  });

  test('that is not there is named', async () => {
    await expect(readResult('/nowhere/x.json')).rejects.toMatchObject({ code: 'VFRING_ERR_BENCH_RESULT', message: expect.stringContaining('/nowhere/x.json') as string });
  });
});

describe('the files of a run', () => {
  test('replace none that is there, unless they may', () => {
    const base = join(tempDir(), 'x');
    writeFileSync(`${base}.html`, 'mine');
    expect(() => openStore(base, false)).toThrow(expect.objectContaining({ code: 'VFRING_ERR_BENCH_OUTPUT', exitStatus: 73, message: expect.stringContaining('x.html') as string, remedy: expect.stringContaining('--overwrite') as string }) as Error);
    openStore(base, true).savePage('ours');
    expect(readFileSync(`${base}.html`, 'utf8')).toBe('ours');
  });

  test('whose folder is none are refused at once', () => {
    expect(() => openStore('/nowhere/x', false).saveResult(benchResult())).toThrow(expect.objectContaining({ code: 'VFRING_ERR_BENCH_OUTPUT', message: expect.stringContaining('/nowhere/x.json') as string }) as Error);
  });

  test('on a disk that is full stay as they were before', async ({ skip }) => {
    const dir = smallDisk(64) ?? skip('a small file system takes root: mount');
    const store = openStore(join(dir, 'x'), false);
    const first = benchResult({ launches: benchResult().launches.slice(0, 1), state: 'running' });
    store.saveResult(first);
    const huge = benchResult({ launches: Array.from({ length: 40 }, () => benchResult().launches).flat() });
    expect(() => store.saveResult(huge)).toThrow(expect.objectContaining({ code: 'VFRING_ERR_BENCH_OUTPUT', message: expect.stringMatching(/ENOSPC|no space/) as string, remedy: expect.stringContaining('make room') as string }) as Error);
    expect(await readResult(store.json)).toEqual(first);
    expect(readdirSync(dir)).toEqual(['x.json']);
    expect(existsSync(store.html)).toBe(false);
  });
});

// SPDX-License-Identifier: BSD-3-Clause
/** The catalogue and the pages that promise it agree. */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { CATALOGUE, EXIT, VfringError, asVfringError, causeText, type ErrorCode } from '../src/errors.js';

const page = (name: string): string => readFileSync(join(import.meta.dirname, '../../docs', name), 'utf8');
const codesIn = (text: string): Set<string> => new Set(text.match(/VFRING_ERR_[A-Z_]+/g));
const codes = Object.keys(CATALOGUE) as ErrorCode[];

describe('catalogue of errors', () => {
  test('has every code of the lease protocol', () => {
    for (const code of codesIn(page('lease-protocol.md'))) {
      expect(codes).toContain(code);
    }
  });

  test('and the admin guide have the same codes', () => {
    expect([...codesIn(page('admin-guide.md'))].sort()).toEqual([...codes].sort());
  });

  test('has no code that nothing raises', () => {
    const folder = join(import.meta.dirname, '../src');
    const sources = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
    const raised = sources
      .filter((name) => name !== 'errors.ts')
      .flatMap((name) => readFileSync(join(folder, name), 'utf8').match(/VfringError\(\s*'VFRING_ERR_\w+'/g) ?? [])
      .map((match) => match.slice(match.indexOf("'") + 1, -1));
    // errors.ts itself raises the one for what nobody expected.
    expect([...new Set([...raised, 'VFRING_ERR_INTERNAL'])].sort()).toEqual([...codes].sort());
  });

  test.each(codes)('%s has an exit status of ours, a message and a remedy', (code) => {
    const { exit, message, remedy } = CATALOGUE[code];
    expect(Object.values(EXIT)).toContain(exit);
    expect(exit).not.toBe(0);
    expect(message).not.toBe('');
    expect(remedy).not.toBe('');
  });
});

test('texts are filled in, and what is filled in is not filled again', () => {
  const error = new VfringError('VFRING_ERR_TOO_MANY_VFS', { pf: '{max}', bdf: '0000:01:00.0', max: 7, wanted: 9 });
  expect(error.message).toBe('PF {max} (0000:01:00.0) can make at most 7 VFs, the configuration asks for 9');
  expect(error.remedy).toBe('set vfs: 7 or less for this PF');
});

test('anything thrown becomes a report', () => {
  expect(asVfringError(new Error('a\n  b')).report()).toMatchObject({ code: 'VFRING_ERR_INTERNAL', message: 'internal error: a; b' });
  expect(causeText(17)).toBe('17');
});

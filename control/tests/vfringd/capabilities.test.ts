// SPDX-License-Identifier: BSD-3-Clause
/** The list of capabilities, the unit and the documentation agree. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { CAPABILITIES, CAPABILITY_MASK, surplusCapabilities } from '../../src/vfringd/capabilities.js';

const text = (path: string): string => readFileSync(join(import.meta.dirname, '../../..', path), 'utf8');
const names = Object.keys(CAPABILITIES).map((name) => `CAP_${name}`);

test('the unit keeps the same', () => {
  const kept = /^CapabilityBoundingSet=(.+)$/m.exec(text('control/system/vfringd.service'))?.[1]?.split(' ');
  expect(kept?.sort()).toEqual([...names].sort());
  expect(text('control/system/vfringd.service')).toMatch(/^NoNewPrivileges=yes$/m);
});

test('the documentation gives a reason for each, and for no other', () => {
  const rows = [...text('docs/admin-guide.md').matchAll(/^\| `(CAP_\w+)` \| (.+) \|$/gm)];
  expect(rows.map((row) => row[1])).toEqual(names);
});

const HEADER = '/usr/include/linux/capability.h';
test.skipIf(!existsSync(HEADER))('the bits are the kernel\'s', () => {
  const header = readFileSync(HEADER, 'utf8');
  for (const [name, bit] of Object.entries(CAPABILITIES)) {
    expect(header).toMatch(new RegExp(`^#define CAP_${name}\\s+${bit}$`, 'm'));
  }
});

test('what is held beyond is told', () => {
  const status = (permitted: string): string => `Name:\tx\nCapInh:\t0000000000000000\nCapPrm:\t${permitted}\nCapEff:\t0000000000000000\n`;
  expect(surplusCapabilities(status('0000000000000000'))).toBe(0n);
  expect(surplusCapabilities(status(CAPABILITY_MASK.toString(16).padStart(16, '0')))).toBe(0n);
  expect(surplusCapabilities(status('000001ffffffffff'))).toBe(0x1ff_ffff_ffffn & ~CAPABILITY_MASK);
  expect(() => surplusCapabilities('Name:\tx\n')).toThrow('CapPrm');
});

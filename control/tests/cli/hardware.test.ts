// SPDX-License-Identifier: BSD-3-Clause
import { expect, test } from 'vitest';
import { withoutNames } from '../../src/cli/hardware.js';

test('a report that is sent in has no name of the host and no MAC, and is else as it was', () => {
  const text = 'node1.example.org: rank 0 on node1: VF 0000:01:10.0 has 02:AA:00:12:34:56; node10 and subnode1 are others, 12:30:45 is a time';
  expect(withoutNames(text, 'node1.example.org')).toBe('HOST: rank 0 on HOST: VF 0000:01:10.0 has MAC; node10 and subnode1 are others, 12:30:45 is a time');
});

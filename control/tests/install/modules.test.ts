// SPDX-License-Identifier: BSD-3-Clause
import { expect, test } from 'vitest';
import { runtimePackages } from '../../install/modules.js';

test('what is in the bundles is not installed beside them: only packages with compiled code, and what those need', () => {
  expect([...runtimePackages()].sort()).toEqual(['better-sqlite3', 'bindings', 'file-uri-to-path', 'koffi']);
});

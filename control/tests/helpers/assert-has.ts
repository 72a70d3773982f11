// SPDX-License-Identifier: BSD-3-Clause
import assert from 'node:assert/strict';

/** That `actual` has the properties of `expected`, as they are there; it may have others. */
export function assertHas<T extends object>(actual: T | undefined, expected: Partial<T>): void {
  const same = Object.keys(expected).map((key) => [key, actual?.[key as keyof T]]);
  assert.deepEqual(Object.fromEntries(same), expected);
}

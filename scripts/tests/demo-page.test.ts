// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import { judge } from '../lib/demo-page.js';

const result = (...launches: readonly (readonly [string, boolean])[]) => (): string => JSON.stringify({ launches: launches.map(([transport, ok]) => ({ transport, ok })) });

describe('the demo', () => {
  it('goes well where vfring does, whether its peers can be measured or not', () => {
    expect(judge(0, result(['vfring', true], ['tcp', true]))).toBe(0);
    expect(judge(71, result(['vfring', true], ['tcp', false]))).toBe(0);
  });

  it('fails where vfring does', () => {
    expect(judge(71, result(['vfring', true], ['vfring', false], ['tcp', true]))).toBe(71);
  });

  it('ends as its measurement does where that has no result to look at', () => {
    expect(judge(69, () => expect.unreachable())).toBe(69);
  });

  it('does not pass off the peers as vfring', () => {
    expect(judge(0, result(['tcp', true], ['sm', true]))).toBe(1);
  });
});

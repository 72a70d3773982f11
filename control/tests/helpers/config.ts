// SPDX-License-Identifier: BSD-3-Clause
import { parseConfig, formatProblem } from '../../src/config/load.js';
import type { Config } from '../../src/config/schema.js';

/** A configuration from its text; fails the test when it is not good. */
export function config(text: string): Config {
  const result = parseConfig(text, 'test.yaml');
  if (!result.ok) {
    throw new Error(result.problems.map(formatProblem).join('\n'));
  }
  return result.config;
}

export const softConfig = (dir: string, vfs = 4, more = ''): Config =>
  config(`version: 1\nprovider: {soft: {dir: ${dir}, vfs: ${vfs}, mtu: 9000}}\n${more}`);

export const sriovConfig = (pfs: Readonly<Record<string, number>>, more = ''): Config =>
  config(
    [
      'version: 1',
      'provider:',
      '  sriov:',
      '    pf:',
      ...Object.entries(pfs).map(([name, vfs]) => `      - {name: ${name}, vfs: ${vfs}, mtu: 9000}`),
      more,
    ].join('\n'),
  );

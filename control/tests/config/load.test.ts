// SPDX-License-Identifier: BSD-3-Clause
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { formatProblem, loadConfig, parseConfig } from '../../src/config/load.js';
import { configSchema } from '../../src/config/schema.js';
import { formatSize, parseDuration, parseSize } from '../../src/config/units.js';
import { tempDir } from '../helpers/temp-dir.js';

function problems(text: string): string[] {
  const result = parseConfig(text, 'f.yaml');
  return result.ok ? [] : result.problems.map(formatProblem);
}

const SOFT = 'version: 1\nprovider:\n  soft: {dir: /x, vfs: 2}\n';

describe('a good configuration', () => {
  test.each(['82599', '"82599"', 'x540'])('names a model of soft VFs as a number or as a text: %s', (model) => {
    const parsed = parseConfig(`version: 1\nprovider: {soft: {dir: /x, vfs: 2, model: ${model}}}`, 'f');
    expect(parsed).toMatchObject({ ok: true, config: { provider: { soft: { model: model.replaceAll('"', '') } } } });
  });

  test('has defaults for what it leaves out', () => {
    expect(parseConfig(SOFT, 'f')).toEqual({
      ok: true,
      config: {
        version: 1,
        provider: { soft: { dir: '/x', vfs: 2, mtu: 1500, model: '82576' } },
        spread: 'pf',
        rails: 2,
        numa: 'prefer',
        quotas: { jobs_per_user: 64 },
        jobs: { kill_after: 10, unused_after: 3600 },
        limits: { dma_per_vf: 64 * 2 ** 20, memlock: 128 * 2 ** 20 },
      },
    });
  });

  test('may lift the limit of locked memory', () => {
    const result = parseConfig(`${SOFT}limits: {memlock: unlimited, dma_per_vf: 1GiB}\n`, 'f');
    expect(result).toMatchObject({ ok: true, config: { limits: { memlock: 'unlimited', dma_per_vf: 2 ** 30 } } });
  });

  test('every example of the documentation is one', () => {
    const page = readFileSync(join(import.meta.dirname, '../../../docs/configuration.md'), 'utf8');
    const examples = [...page.matchAll(/```yaml\n(.*?)```/gs)].map((match) => match[1] ?? '');
    expect(examples.length).toBeGreaterThan(1);
    for (const example of examples) {
      expect(problems(example)).toEqual([]);
    }
  });
});

test('every field at the top has its lines in the documentation', () => {
  const page = readFileSync(join(import.meta.dirname, '../../../docs/configuration.md'), 'utf8');
  for (const field of Object.keys(configSchema.shape)) {
    expect(page).toMatch(new RegExp(`^\\| .${field}[.\`]`, 'm'));
  }
});

describe('every problem has its place, its field and what belongs there', () => {
  test.each([
    ['unknown field', `${SOFT}sprad: pf\n`, /^f\.yaml:4:1: sprad: unknown field; .*configuration\.md/],
    ['wrong word', `${SOFT}numa: near\n`, /^f\.yaml:4:1: numa: prefer .* require .* ignore$/],
    ['unknown field within', 'version: 1\nprovider:\n  soft:\n    dir: /x\n    vfs: 1\n    mut: 9\n', /^f\.yaml:6:5: provider\.soft\.mut: unknown field/],
    ['missing field', 'version: 1\nprovider:\n  soft:\n    dir: /x\n', /^f\.yaml:3:3: provider\.soft\.vfs: missing: number of soft VFs/],
    ['wrong type', 'version: 1\nprovider:\n  soft:\n    dir: /x\n    vfs: many\n', /^f\.yaml:5:5: provider\.soft\.vfs: .*whole number from 1/],
    ['out of range', 'version: 1\nprovider: {soft: {dir: /x, vfs: 0}}', /provider\.soft\.vfs: .*at least 1/],
    ['fraction', 'version: 1\nprovider: {soft: {dir: /x, vfs: 1.5}}', /provider\.soft\.vfs: .*whole number/],
    ['relative path', 'version: 1\nprovider: {soft: {dir: x, vfs: 1}}', /provider\.soft\.dir: an absolute path/],
    ['path that is too long', `version: 1\nprovider: {soft: {dir: /${'x'.repeat(80)}, vfs: 1}}`, /provider\.soft\.dir: a path of at most 80 bytes/],
    ['size without unit', `${SOFT}limits:\n  dma_per_vf: 64\n`, /^f\.yaml:5:3: limits\.dma_per_vf: a size with its unit/],
    ['size with a wrong unit', `${SOFT}limits: {memlock: 3XiB}`, /limits\.memlock: .*unit/],
    ['size of nothing', `${SOFT}limits: {dma_per_vf: 0B}`, /limits\.dma_per_vf: at least 4KiB/],
    ['size beyond all numbers', `${SOFT}limits: {dma_per_vf: 99999999999TiB}`, /limits\.dma_per_vf: a size/],
    ['no rails', `${SOFT}rails: 0`, /rails: VFs of a process .*: at least 1/],
    ['more rails than a process drives', `${SOFT}rails: 9`, /rails: VFs of a process .*: at most 8/],
    ['rails that are no number', `${SOFT}rails: auto`, /rails: VFs of a process .*: a whole number from 1 to 8/],
    ['other version', 'version: 7\nprovider: {soft: {dir: /x, vfs: 1}}', /^f\.yaml:1:1: version: .*version: 1/],
    ['no provider', 'version: 1\nprovider: {}', /provider: exactly one provider/],
    ['two providers', 'version: 1\nprovider: {soft: {dir: /x, vfs: 1}, sriov: {pf: [{name: a, vfs: 1}]}}', /exactly one provider/],
    ['nameless PF', 'version: 1\nprovider: {sriov: {pf: [{vfs: 1}]}}', /pf\[0\]: .*exactly one of them/],
    ['PF without a number of VFs', 'version: 1\nprovider: {sriov: {pf: [{name: a}]}}', /pf\[0\]\.vfs: missing: number of VFs/],
    ['VFs without a PF, and a PF', 'version: 1\nprovider: {sriov: {pf: [{name: a, functions: [{bdf: "0000:01:00.0", mac: "02:00:00:00:00:01"}]}]}}', /pf\[0\]: .*exactly one of them/],
    ['VFs without a PF whose VLAN is set', 'version: 1\nprovider: {sriov: {pf: [{vlan: 3, functions: [{bdf: "0000:01:00.0", mac: "02:00:00:00:00:01"}]}]}}', /pf\[0\]\.vlan: with functions: it is whoever has the PF/],
    ['VF without a MAC', 'version: 1\nprovider: {sriov: {pf: [{functions: [{bdf: "0000:01:00.0"}]}]}}', /functions\[0\]\.mac: missing: the MAC of the VF/],
    ['VF with a multicast MAC', 'version: 1\nprovider: {sriov: {pf: [{functions: [{bdf: "0000:01:00.0", mac: "01:00:00:00:00:01"}]}]}}', /functions\[0\]\.mac: the MAC of one card/],
    ['PF with both names', 'version: 1\nprovider: {sriov: {pf: [{name: a, bdf: "0000:01:00.0", vfs: 1}]}}', /pf\[0\]: .*exactly one of them/],
    ['PF twice', 'version: 1\nprovider:\n  sriov:\n    pf:\n      - {name: a, vfs: 1}\n      - {name: a, vfs: 1}', /^f\.yaml:6:10: provider\.sriov\.pf\[1\]\.name: a is in the list twice/],
    ['interface name that ip takes for a keyword', 'version: 1\nprovider: {sriov: {pf: [{name: vf, vfs: 1}]}}', /reserved/],
    ['multicast MAC', 'version: 1\nprovider: {sriov: {pf: [{name: a, vfs: 1, mac_prefix: "03"}]}}', /locally administered/],
    ['a maker\'s MAC', 'version: 1\nprovider: {sriov: {pf: [{name: a, vfs: 1, mac_prefix: "00:1b"}]}}', /locally administered/],
    ['segment with a space', 'version: 1\nprovider: {sriov: {pf: [{name: a, vfs: 1, segment: a b}]}}', /pf\[0\]\.segment: the name of a network has letters/],
    ['segment without a name', 'version: 1\nprovider: {sriov: {pf: [{name: a, vfs: 1, segment: ""}]}}', /pf\[0\]\.segment: at least 1 character/],
    ['segment that is a number', 'version: 1\nprovider: {sriov: {pf: [{name: a, vfs: 1, segment: 7}]}}', /pf\[0\]\.segment: the name of the network that this PF is on, .*in quotes/],
    ['segment that is too long', `version: 1\nprovider: {sriov: {pf: [{name: a, vfs: 1, segment: ${'x'.repeat(64)}}]}}`, /pf\[0\]\.segment: at most 63 characters/],
    ['model that there is not', 'version: 1\nprovider: {soft: {dir: /x, vfs: 1, model: 82598}}', /provider\.soft\.model: what the soft VFs are: 82576, 82599 or x540/],
    ['segment of soft VFs', 'version: 1\nprovider: {soft: {dir: /x, vfs: 1, segment: a}}', /provider\.soft\.segment: unknown field/],
    ['VLAN out of range', 'version: 1\nprovider: {sriov: {pf: [{name: a, vfs: 1, vlan: 4095}]}}', /pf\[0\]\.vlan: VLAN: at most 4094/],
    ['broken YAML', 'version: [1\n', /^f\.yaml:2:1: not valid YAML/],
    ['a tab', 'version: 1\nprovider:\n\tsoft: 1\n', /not valid YAML/],
    ['key twice', 'version: 1\nversion: 1\n', /^f\.yaml:2:1: not valid YAML/],
    ['an empty file', '', /^f\.yaml:1:1: expected here: the configuration/],
    ['a list', '- 1\n', /^f\.yaml:1:1: expected here: the configuration/],
    ['a YAML bomb', 'a: &a [1,1]\nb: &b [*a,*a]\nc: [*b,*b]\n', /instead of an alias/],
  ])('%s', (_name, text, expected) => {
    const found = problems(text);
    expect(found.length).toBeGreaterThan(0);
    expect(found.some((problem) => expected.test(problem)), found.join('\n')).toBe(true);
  });

  test('all of them at once', () => {
    expect(problems(`${SOFT}a: 1\nb: 2\nspread: x\n`)).toHaveLength(3);
  });

  test('as one error for the daemon', async () => {
    const missing = join(tempDir(), 'none.yaml');
    await expect(loadConfig(missing)).rejects.toMatchObject({ code: 'VFRING_ERR_CONFIG_READ', exitStatus: 78 });
  });
});

describe('sizes', () => {
  test.each([
    ['64MiB', 67_108_864],
    ['1 GiB', 1_073_741_824],
    ['5kB', 5000],
    ['7B', 7],
  ])('%s', (text, bytes) => expect(parseSize(text)).toBe(bytes));

  test.each(['', '64', 'MiB', '-1MiB', '1.5MiB', '64mib', '64 MiB/s', '0x10B'])('not a size: %s', (text) =>
    expect(parseSize(text)).toBeUndefined(),
  );

  test.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [67_108_864, '64 MiB'],
    [1536, '1.5 KiB'],
  ])('%d for people', (bytes, text) => expect(formatSize(bytes)).toBe(text));
});

test.each<[string, number | undefined]>([
  ['90s', 90], ['30m', 1800], ['2 h', 7200], ['7d', 604_800], ['0s', undefined], ['90', undefined], ['1.5h', undefined], ['9999999d', undefined],
])('a time: %s', (text, seconds) => {
  expect(parseDuration(text)).toBe(seconds);
});

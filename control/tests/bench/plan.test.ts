// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, test } from 'vitest';
import { BENCHMARKS, chosenBenchmarks } from '../../src/bench/benchmarks.js';
import { numberFrom, parseSizes, plan } from '../../src/bench/plan.js';
import type { Transport } from '../../src/bench/transports.js';

const transport = (name: string): Transport => ({ name, title: name, facts: [], env: {}, argv: (program) => ['mpirun', name, ...program] });
const three = ['vfring', 'tcp', 'sm'].map(transport);
const usual = { benchmarks: chosenBenchmarks('latency,startup'), transports: three, launches: 3, sizes: undefined, quick: false };

describe('the plan', () => {
  test('has each benchmark over each transport once a round, one transport after the other', () => {
    const planned = plan(usual);
    expect(planned.length).toBe(3 * 2 * 3);
    for (let round = 1; round <= 3; round++) {
      const which = planned.filter((one) => one.round === round).map(({ benchmark, transport: { name } }) => `${benchmark.name} ${name}`);
      expect([...which].sort()).toEqual(['latency sm', 'latency tcp', 'latency vfring', 'startup sm', 'startup tcp', 'startup vfring']);
      expect(which.slice(0, 3).every((text) => text.startsWith('latency'))).toBe(true);
    }
  });

  test('begins each round with another transport', () => {
    const first = [1, 2, 3].map((round) => plan(usual).find((one) => one.round === round)?.transport.name);
    expect(first).toEqual(['vfring', 'tcp', 'sm']);
  });

  test('asks the programs for sizes and repeats as they take them', () => {
    const argv = (options: Partial<typeof usual>): string[] => plan({ ...usual, ...options, launches: 1, transports: [transport('tcp')] }).map((one) => one.argv.join(' '));
    expect(argv({ sizes: [8, 4096] as never, quick: true })).toEqual([
      'mpirun tcp pingpong --sizes 8,4096 --quick --json-lines /dev/stdout', 'mpirun tcp startup --json-lines /dev/stdout',
    ]);
    expect(argv({})[0]).toMatch(/^mpirun tcp pingpong --sizes 8,64,.*,1048576 --json-lines/);
  });
});

describe('benchmarks', () => {
  test('are chosen by name, in the order of the table; all are all', () => {
    expect(chosenBenchmarks('put, latency').map(({ name }) => name)).toEqual(['latency', 'put']);
    expect(chosenBenchmarks('all')).toEqual(BENCHMARKS);
    expect(chosenBenchmarks(undefined).map(({ name }) => name)).toEqual(['latency', 'bandwidth', 'allreduce', 'startup']);
  });

  test('that are not there are refused with the names of those that are', () => {
    expect(() => chosenBenchmarks('latency,lateny')).toThrow(expect.objectContaining({ code: 'VFRING_ERR_USAGE', exitStatus: 64, message: 'there is no benchmark lateny', remedy: expect.stringContaining('latency, bandwidth') as string }) as Error);
    expect(() => chosenBenchmarks('')).toThrow('without a name');
  });

  test('have names and figures of their own', () => {
    expect(new Set(BENCHMARKS.map(({ name }) => name)).size).toBe(BENCHMARKS.length);
    BENCHMARKS.forEach(({ metrics }) => expect(new Set(metrics.map(({ key }) => key)).size).toBe(metrics.length));
  });
});

describe('options', () => {
  test('sizes are ascending, each once', () => expect(parseSizes('1M,8,4K,8')).toEqual([8, 4096, 1048576]));
  test.each(['', '8,', '0', '8k', '-8', '4096M', 'x', '1.5K'])('--sizes "%s" is refused', (text) => expect(() => parseSizes(text)).toThrow(expect.objectContaining({ code: 'VFRING_ERR_USAGE' }) as Error));
  test('numbers have their range', () => {
    expect(numberFrom('-n', '4', 2, 8)).toBe(4);
    for (const text of ['1', '9', 'two', '', '2.5', '-2']) {
      expect(() => numberFrom('-n', text, 2, 8)).toThrow('a whole number from 2 to 8');
    }
  });
});

// SPDX-License-Identifier: BSD-3-Clause
/**
 * npm run bench:lab [-- --launches N] [--hosts 2]: vfring against btl/tcp and DPDK on the same two VFs of one emulated machine, or
 * against btl/tcp on a VF of each of two hosts. Prints a Markdown table of ratios, see docs/performance/lab.md and hosts.md.
 */
import { Command, InvalidArgumentError } from 'commander';
import { readFileSync } from 'node:fs';
import { benchHosts } from './lib/bench-hosts.js';
import { benchMachine } from './lib/bench-machine.js';
import { markdownTable } from './lib/medians.js';
import { runMain } from '../tools/steps.js';

const DEFAULT_LAUNCHES = 3;

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) {
    throw new InvalidArgumentError('a whole number from 1 on is needed');
  }
  return value;
}

function two(text: string): number {
  if (text !== '2') {
    throw new InvalidArgumentError('it measures between 2 hosts');
  }
  return 2;
}

await runMain(async () => {
  const options = new Command('npm run bench:lab --')
    .description('vfring against btl/tcp and DPDK on the same VFs of an emulated machine, as ratios')
    .option('--launches <N>', 'of everything', wholeNumber, DEFAULT_LAUNCHES)
    .option('--hosts <N>', 'between 2 hosts, against btl/tcp', two)
    .option('--switch', "with --hosts: through the process of the lab's wires, rather than by a cable", false)
    .option('--realtime', 'with --hosts, as root: the machines run at real-time priority, so that other programs disturb less (and stand still meanwhile)', false)
    .option('--verbose', "show what the programs print, and the BTL's statistics")
    .parse().opts<{ launches: number; hosts?: number; switch: boolean; realtime: boolean; verbose?: true }>();
  const verbose = options.verbose === true;
  const comparisons = options.hosts === undefined
    ? await benchMachine(options.launches, verbose)
    : await benchHosts({ ...options, verbose });
  process.stdout.write(`${markdownTable(comparisons)}\n`);
  process.stdout.write(`${options.launches} ${options.launches === 1 ? 'launch' : 'launches'}, median (smallest..largest); load average at the end: ${readFileSync('/proc/loadavg', 'utf8').split(' ').slice(0, 3).join(' ')}\n`);
  return 0;
});

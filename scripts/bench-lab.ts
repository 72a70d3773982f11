// SPDX-License-Identifier: BSD-3-Clause
/**
 * npm run bench:lab [-- --launches N]: vfring against btl/tcp and DPDK on the same
 * two VFs of one emulated machine, launch by launch in turns, so that whatever else this
 * machine does hits all alike. Prints a Markdown table of ratios, see docs/performance/lab.md.
 */
import { Command, InvalidArgumentError } from 'commander';
import { createReadStream, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Guest } from '../lab/src/guest.js';
import { markdownTable, median, type Comparison } from './lib/medians.js';
import { StepError, root, runMain, step } from './lib/steps.js';

const SCRIPT = '/run/bench.sh';
const DEFAULT_LAUNCHES = 3;
/** Against hanging only: a launch took four minutes at a load average of 15. */
const TIMEOUT_S_PER_LAUNCH = 1200;
const RAW_BYTES = 64;
const RAW_SAMPLES = 5;

type Driver = 'vfring' | 'tcp' | 'dpdk';

interface Metric {
  readonly what: string;
  /** Who is measured, and against whom. */
  readonly peer: { readonly driver: Driver; readonly name: string };
  readonly goal: Comparison['goal'];
  /** Arguments of lab/bench/bench.sh behind the driver's name. */
  readonly command: (driver: Driver) => readonly string[];
  readonly valueOf: (output: string) => number;
}

/** The value in column `key` of an MPI test program's table, which has one row. */
function column(key: string): (output: string) => number {
  return (output) => {
    const lines = output.split('\n').map((line) => line.trim().split(/\s+/));
    const at = lines.findIndex((fields) => fields.includes(key));
    return Number(lines[at + 1]?.[lines[at]?.indexOf(key) ?? -1]);
  };
}

/** Frames a second that a VF receives. */
const rate = (output: string): number => median([...output.matchAll(/^rate (\d+)$/gm)].map((match) => Number(match[1])));

const tcp = { driver: 'tcp', name: 'btl/tcp' } as const;
const dpdk = { driver: 'dpdk', name: 'DPDK' } as const;
const mpi = (program: string, ...args: string[]) => (driver: Driver): string[] => ['mpi', driver, program, ...args];
const forward = (burst: number) => (driver: Driver): string[] => ['forward', driver, String(burst), String(RAW_BYTES), String(RAW_SAMPLES)];

const metrics: readonly Metric[] = [
  { what: 'MPI, 8 B: half round trip, µs', peer: tcp, goal: { atMost: 0.125 },
    command: mpi('pingpong', '--sizes=8', '--samples=5'), valueOf: column('median_us') },
  { what: 'MPI, 1 MiB, 64 under way: MB/s', peer: tcp, goal: { atLeast: 3 },
    command: mpi('bandwidth', '--sizes=1M', '--samples=3', '--iters=1'), valueOf: column('mb_per_s') },
  { what: 'MPI, 8 B, 64 under way: messages/s', peer: tcp, goal: { atLeast: 6 },
    command: mpi('bandwidth', '--sizes=8', '--samples=5'), valueOf: column('msg_per_s') },
  { what: `raw, ${RAW_BYTES} B, two frames under way: a hop, µs`, peer: dpdk, goal: { atMost: 1.5 },
    command: forward(1), valueOf: (output) => 1e6 / rate(output) },
  { what: `raw, ${RAW_BYTES} B, bursts of 32: frames/s that a VF receives`, peer: dpdk, goal: { atLeast: 1 / 1.5 },
    command: forward(32), valueOf: rate },
];

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) {
    throw new InvalidArgumentError('a whole number from 1 on is needed');
  }
  return value;
}

let verbose = false;

async function guestScript(guest: Guest, ...args: readonly string[]): Promise<string> {
  const result = await guest.exec({ argv: ['sh', SCRIPT, ...args] });
  if (result.status !== 0) {
    throw new StepError(`bench.sh ${args.join(' ')} failed (${result.status}):\n${result.stdout}${result.stderr}`);
  }
  if (verbose) {
    process.stderr.write(result.stdout + result.stderr);
  }
  return result.stdout;
}

/** Runs all metrics of one driver; appends a value to each. */
async function measure(guest: Guest, driver: Driver, values: ReadonlyMap<Metric, Record<string, number[]>>): Promise<void> {
  await guestScript(guest, 'bind', driver);
  for (const [metric, perDriver] of values) {
    if (driver !== 'vfring' && metric.peer.driver !== driver) {
      continue;
    }
    const output = await guestScript(guest, ...metric.command(driver));
    const value = metric.valueOf(output);
    if (!(value > 0)) {
      throw new StepError(`no result in the output of bench.sh ${metric.command(driver).join(' ')}:\n${output}`);
    }
    process.stderr.write(`    ${driver}: ${metric.what}: ${value.toPrecision(4)}\n`);
    (perDriver[driver] ??= []).push(value);
  }
}

await runMain(async () => {
  const program = new Command('npm run bench:lab --')
    .description('vfring against btl/tcp and DPDK on the same VFs of an emulated machine, as ratios')
    .option('--launches <N>', 'of everything', wholeNumber, DEFAULT_LAUNCHES)
    .option('--verbose', "show what the programs print, and the BTL's statistics")
    .parse();
  const options = program.opts<{ launches: number; verbose?: true }>();
  const { launches } = options;
  verbose = options.verbose === true;
  const guest = await Guest.boot({ timeoutS: launches * TIMEOUT_S_PER_LAUNCH });
  try {
    await guest.exec({ argv: ['sh', '-c', `cat >${SCRIPT}`], stdin: createReadStream(join(root, 'lab', 'bench', 'bench.sh')) });
    await guestScript(guest, 'setup');
    const values = new Map(metrics.map((metric) => [metric, {} as Record<string, number[]>]));
    for (let launch = 1; launch <= launches; launch++) {
      await step(`launch ${launch} of ${launches}`, async () => {
        for (const driver of ['vfring', 'tcp', 'dpdk'] as const) {
          await measure(guest, driver, values);
        }
      });
    }
    const comparisons = [...values].map(([metric, perDriver]): Comparison => ({
      what: metric.what,
      ours: perDriver['vfring'] ?? [],
      peer: { name: metric.peer.name, values: perDriver[metric.peer.driver] ?? [] },
      goal: metric.goal,
    }));
    process.stdout.write(`${markdownTable(comparisons)}\n`);
    process.stdout.write(`${launches} launches, median (smallest..largest); load average at the end: ${readFileSync('/proc/loadavg', 'utf8').split(' ').slice(0, 3).join(' ')}\n`);
    return 0;
  } finally {
    await guest.close();
  }
});

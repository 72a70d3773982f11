// SPDX-License-Identifier: BSD-3-Clause
/** vfring against btl/tcp and DPDK on the same two VFs of one emulated machine; lab/bench/bench.sh is what happens in it. */
import { Readable } from 'node:stream';
import { Guest } from '../../lab/src/guest.js';
import { labScript } from '../../lab/src/script.js';
import { compare, mpiMetrics, type Driver, type Metric } from './bench-metrics.js';
import { median } from '../../control/src/bench/stats.js';
import type { Comparison } from './medians.js';
import { StepError } from '../../tools/steps.js';

const SCRIPT = '/run/bench.sh';
/** Against hanging only: a launch took four minutes at a load average of 15. */
const TIMEOUT_S_PER_LAUNCH = 1200;
const RAW_BYTES = 64;
const RAW_SAMPLES = 5;

/** Frames a second that a VF receives. */
const rate = (output: string): number => median([...output.matchAll(/^rate (\d+)$/gm)].map((match) => Number(match[1])));
const dpdk = { driver: 'dpdk', name: 'DPDK' } as const;
const forward = (burst: number) => (driver: Driver): string[] => ['forward', driver, String(burst), String(RAW_BYTES), String(RAW_SAMPLES)];

const metrics: readonly Metric[] = [
  ...mpiMetrics({ halfRoundTrip: 0.125, bandwidth: 3, rate: 6 }),
  { what: `raw, ${RAW_BYTES} B, two frames under way: a hop, µs`, peer: dpdk, goal: { atMost: 1.5 },
    command: forward(1), valueOf: (output) => 1e6 / rate(output) },
  { what: `raw, ${RAW_BYTES} B, bursts of 32: frames/s that a VF receives`, peer: dpdk, goal: { atLeast: 1 / 1.5 },
    command: forward(32), valueOf: rate },
];

export async function benchMachine(launches: number, verbose: boolean): Promise<Comparison[]> {
  const guest = await Guest.boot({ timeoutS: launches * TIMEOUT_S_PER_LAUNCH });
  const run = async (args: readonly string[]): Promise<string> => {
    const result = await guest.exec({ argv: ['sh', SCRIPT, ...args] });
    if (result.status !== 0) {
      throw new StepError(`bench.sh ${args.join(' ')} failed (${result.status}):\n${result.stdout}${result.stderr}`);
    }
    if (verbose) {
      process.stderr.write(result.stdout + result.stderr);
    }
    return result.stdout;
  };
  try {
    await guest.exec({ argv: ['sh', '-c', `cat >${SCRIPT}`], stdin: Readable.from(labScript('bench/vfs.sh', 'bench/bench.sh')) });
    await run(['setup']);
    const bind = async (driver: Driver): Promise<void> => void await run(['bind', driver]);
    return await compare({ bind, run }, metrics, ['vfring', 'tcp', 'dpdk'], launches);
  } finally {
    await guest.close();
  }
}

// SPDX-License-Identifier: BSD-3-Clause
/**
 * vfring against btl/tcp on the same VFs, one on each of two emulated hosts; lab/bench/hosts.sh is what happens on them. Beside each
 * figure stands that of frames without MPI in the same pattern: what no transport over these VFs can be better than.
 */
import { Readable } from 'node:stream';
import { setRealTime } from '../../lab/src/real-time.js';
import { labScript } from '../../lab/src/script.js';
import { Site, type Host } from '../../lab/src/site.js';
import { compare, mpiMetrics, type Driver, type Metric } from './bench-metrics.js';
import type { Comparison } from './medians.js';
import { StepError } from '../../tools/steps.js';

const SCRIPT = '/run/bench.sh';
/** Against hanging only. */
const TIMEOUT_S_PER_LAUNCH = 1200;

const [halfRoundTrip, bandwidth, rate] = mpiMetrics({ halfRoundTrip: 0.1, bandwidth: 5, rate: 6 });

/** `raw` of the script runs on both hosts; what a tool prints on the first one is the result. */
function raw(what: string, peerOf: Metric, result: RegExp, ...command: string[]): Metric {
  return { what, peer: peerOf.peer, goal: peerOf.goal, peerOf, command: () => ['raw', ...command], valueOf: (output) => Number(result.exec(output)?.[1]) };
}

const metrics: readonly Metric[] = [
  halfRoundTrip,
  raw('raw frames, 64 B: half round trip, µs', halfRoundTrip, /median ([\d.]+) us/, 'vf_pingpong', '--bytes', '64', '--iters', '1000', '--reps', '5'),
  bandwidth,
  raw('raw frames, 9000 B, 64 under way, copied where they arrive: MB/s', bandwidth, /([\d.]+) MB\/s/,
    'vf_stream', '--bytes', '9000', '--burst', '8', '--window', '64', '--answer', '16', '--copy', '--samples', '3'),
  rate,
  raw('raw frames, 64 B, a doorbell each, an answer for 64: frames/s', rate, /median (\d+) frames/,
    'vf_stream', '--bytes', '64', '--burst', '1', '--window', '64', '--answer', '64', '--samples', '3'),
];

export interface HostsBenchOptions {
  readonly launches: number;
  /** Through the process of the wires, rather than by a cable. */
  readonly switch: boolean;
  readonly realtime: boolean;
  readonly verbose: boolean;
}

export async function benchHosts({ launches, switch: switched, realtime, verbose }: HostsBenchOptions): Promise<Comparison[]> {
  const site = await Site.start({ hosts: 2, machine: { pfs: 1 }, direct: !switched, timeoutS: launches * TIMEOUT_S_PER_LAUNCH });
  const runOn = async (host: Host, args: readonly string[]): Promise<string> => {
    const result = await host.exec({ argv: ['sh', SCRIPT, ...args] });
    if (result.status !== 0) {
      throw new StepError(`${host.name}: hosts.sh ${args.join(' ')} failed (${result.status}):\n${result.stdout}${result.stderr}`);
    }
    if (verbose) {
      process.stderr.write(result.stdout + result.stderr);
    }
    return result.stdout;
  };
  const onAll = async (...args: string[]): Promise<string[]> => await Promise.all(site.hosts.map((host) => runOn(host, args)));
  try {
    await Promise.all(site.hosts.map((host) =>
      host.exec({ argv: ['sh', '-c', `cat >${SCRIPT}`], stdin: Readable.from(labScript('bench/vfs.sh', 'bench/hosts.sh')) })));
    await onAll('setup');
    if (realtime) {
      await setRealTime(site);
    }
    const bench = {
      bind: async (driver: Driver): Promise<void> => void await onAll('bind', driver),
      run: async (args: readonly string[]): Promise<string> => (args[0] === 'raw' ? (await onAll(...args))[0]! : await runOn(site.host(1), args)),
    };
    return await compare(bench, metrics, ['vfring', 'tcp'], launches);
  } finally {
    await site.close();
  }
}

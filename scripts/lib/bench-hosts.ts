// SPDX-License-Identifier: BSD-3-Clause
/** vfring against btl/tcp on the same VFs, one on each of two emulated hosts; lab/bench/hosts.sh is what happens on them. */
import { Readable } from 'node:stream';
import { setRealTime } from '../../lab/src/real-time.js';
import { labScript } from '../../lab/src/script.js';
import { Site, type Host } from '../../lab/src/site.js';
import { compare, mpiMetrics, type Driver } from './bench-metrics.js';
import type { Comparison } from './medians.js';
import { StepError } from '../../tools/steps.js';

const SCRIPT = '/run/bench.sh';
/** Against hanging only. */
const TIMEOUT_S_PER_LAUNCH = 1200;

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
  const onAll = async (...args: string[]): Promise<void> => void await Promise.all(site.hosts.map((host) => runOn(host, args)));
  try {
    await Promise.all(site.hosts.map((host) =>
      host.exec({ argv: ['sh', '-c', `cat >${SCRIPT}`], stdin: Readable.from(labScript('bench/hosts.sh')) })));
    await onAll('setup');
    if (realtime) {
      await setRealTime(site);
    }
    const bench = {
      bind: async (driver: Driver): Promise<void> => await onAll('bind', driver),
      run: async (args: readonly string[]): Promise<string> => await runOn(site.host(1), args),
    };
    return await compare(bench, mpiMetrics({ halfRoundTrip: 0.1, bandwidth: 5, rate: 6 }), ['vfring', 'tcp'], launches);
  } finally {
    await site.close();
  }
}

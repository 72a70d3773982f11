// SPDX-License-Identifier: BSD-3-Clause
/** `vfring bench` on the command line. */
import type { Command } from 'commander';

export interface BenchOptions {
  readonly benchmarks?: string;
  readonly transports?: string;
  readonly launches: string;
  readonly n: string;
  readonly rails?: string;
  readonly sizes?: string;
  readonly quick?: boolean;
  readonly hosts?: string;
  readonly hostfile?: string;
  readonly output?: string;
  readonly overwrite?: boolean;
  readonly compare?: string;
  readonly from?: string;
  readonly skipMissing?: boolean;
  readonly timeout: string;
  readonly mpirun: string;
  readonly list?: boolean;
  readonly verbose?: boolean;
}

export const BENCH_HELP = `
Transports: vfring (VFs that vfringd leases), softvf (soft VFs made for the purpose), devices:NODE+NODE (VFs without vfringd), tcp or tcp:IFACE, sm (shared memory), ucx[:IFACE] and
ofi[:IFACE] (over tcp). Where none are named: vfring, or softvf where vfringd gives no VFs, with tcp and sm beside it. One that is named and
cannot be had ends it before anything is measured; with --skip-missing it is left out, and told.

Every launch is written to the JSON file as it ends: of a run that was interrupted or killed, what was measured is there, marked as partial.
The page needs no network and no other file. Ratios come without a conclusion where rounds differ too much.

For example: vfring bench --quick --launches 3
             vfring bench --transports vfring,tcp,sm --benchmarks latency,put --output monday
             vfring bench --from tuesday.json --compare monday.json --output both
             vfring bench --hosts host1:1,host2:1 --transports vfring,tcp:ens1f0

The exit status is 69 if a transport is missing, 71 if launches failed, 128 and the signal's number if it was interrupted, 73 if a file cannot be written.`;

export function addBenchCommand(program: Command): void {
  program.command('bench')
    .description('measure vfring beside its peers: a page to look at, and a JSON file')
    .option('--benchmarks <list>', 'what to measure, or all (default: latency,bandwidth,allreduce,startup)')
    .option('--transports <list>', 'over what (default: vfring, and the peers that are here)')
    .option('--launches <n>', 'of everything; five are needed to tell a change from noise', '5')
    .option('-n <ranks>', 'number of processes', '2')
    .option('--rails <n>', 'VFs of each process')
    .option('--sizes <list>', "sizes of messages, for example 8,4K,1M, in place of each benchmark's own")
    .option('--quick', 'few repeats, for a first look or a slow machine')
    .option('--hosts <list>', 'ranks on these hosts, as for mpirun --host: host1:1,host2:1')
    .option('--hostfile <file>', 'the same, one a line')
    .option('--output <name>', 'the files are NAME.json and NAME.html (default: vfring-bench- and the time)')
    .option('--overwrite', 'replace them')
    .option('--compare <file>', 'an earlier JSON file: what changed, and is it more than noise?')
    .option('--from <file>', 'measure nothing: make the page of this JSON file')
    .option('--skip-missing', 'leave transports out that cannot be had')
    .option('--timeout <seconds>', 'a launch that takes longer is ended', '600')
    .option('--mpirun <path>', 'the mpirun to use', 'mpirun')
    .option('--list', 'show benchmarks and transports, and which can be had here')
    .option('--verbose', 'show the command of each launch')
    .addHelpText('after', BENCH_HELP)
    .action(async (options: BenchOptions) => {
      process.exitCode = await (await import('./bench.js')).bench(options);
    });
}

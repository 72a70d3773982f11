// SPDX-License-Identifier: BSD-3-Clause
/** `vfring run`: an mpirun whose messages go over VFs, and the proof that they did. */
import { spawn } from 'node:child_process';
import os from 'node:os';
import { EXIT, VfringError, causeText } from '../errors.js';
import { reachOf } from '../hosts/reach.js';
import { isThisHost } from '../hosts/this-host.js';
import { hostsText } from './differences.js';
import { jobTotals, ranksWithFewer, reportLines } from './job-report.js';
import { ONE_SIDED, btlList, componentPath, findOpenMpi, launcherEnv, oneSided } from '../mpi/open-mpi.js';
import { SignalRelay } from './relay.js';
import type { NodeContext } from './node-facts.js';
import { hostsAsMpirun } from './over-hosts.js';
import { firstEnd } from './run-ends.js';
import { JOB_PARAMETER, LEASE_PARAMETER, RAILS_PARAMETER, type RunArgs } from './run-args.js';
import { jobHereAlone, jobOnHosts, type HostReport, type RunJob } from './run-job.js';

export interface RunContext extends NodeContext {
  /** One line for people, without its newline. */
  readonly say: (line: string) => void;
}

/** Returns the exit status: mpirun's own, or 76 when vfring did not carry the run. */
export async function run(args: RunArgs, context: RunContext): Promise<number> {
  const relay = new SignalRelay();
  try {
    return await relayed(args, context, relay);
  } finally {
    relay.close();
  }
}

async function relayed(args: RunArgs, context: RunContext, relay: SignalRelay): Promise<number> {
  const { env, say, exec } = context;
  const mpi = await findOpenMpi(args.mpirun, exec);
  const extra = { ...launcherEnv(mpi, env), ...componentPath(mpi, context.prefix, env), ...(await oneSided(mpi, args.mpirunOptions, env, exec)) };
  const hosts = await hostsAsMpirun(args.hosts, env, exec);
  const elsewhere = !(await Promise.all(hosts.map(({ name }) => isThisHost(name)))).every((here) => here);
  const alone = args.local === 'sm' && !elsewhere;
  const btl = btlList(args.local, mpi.major, alone);
  let job: RunJob;
  try {
    job = elsewhere ? await jobOnHosts(args, hosts, { ...context, reach: reachOf(env, args.mpirunOptions), signal: relay.stop }, say) : await jobHereAlone(context, args, alone);
  } catch (error) {
    if (relay.asked !== undefined) {
      return statusOf(relay.asked);
    }
    throw error;
  }
  const way = alone ? 'all on this host, shared memory carries everything and no VF is leased' : args.local === 'vf' ? 'every message over VFs' : 'shared memory within a node, VFs between nodes';
  const rails = args.rails === undefined || alone ? '' : ` --rails ${args.rails}`;
  const osc = extra[ONE_SIDED] === undefined ? '' : `, osc ${extra[ONE_SIDED]}`;
  const where = elsewhere ? ` on ${hostsText(hosts.map(({ name }) => name))}` : '';
  say(`job ${job.id}: ${args.ranks} ranks${where}, --local ${args.local}${rails}: ${way} (Open MPI ${mpi.version}, btl ${btl}${osc})`);

  const mpirunArgs = [
    ...['-n', String(args.ranks), '--mca', 'pml', 'ob1', '--mca', 'btl', btl, '-x', 'VFRING_JOB'],
    // What is spawned on other hosts inherits MCA parameters, and not the environment.
    ...(elsewhere ? ['--mca', JOB_PARAMETER, job.id] : []),
    // A job that happens to be on one of its hosts may spawn on the others, and a VF each is what is judged at the end.
    ...(alone || args.mpirunOptions.includes(LEASE_PARAMETER) ? [] : ['--mca', LEASE_PARAMETER, 'always']),
    ...(rails === '' ? [] : ['--mca', RAILS_PARAMETER, String(args.rails)]),
    ...(env['VFRING_RUN_DIR'] ? ['-x', 'VFRING_RUN_DIR'] : []),
    ...args.mpirunOptions,
    ...args.program,
  ];
  let status: number;
  try {
    status = relay.asked === undefined ? await runMpirun(mpi.mpirun, mpirunArgs, { ...env, ...extra, VFRING_JOB: job.id }, relay) : statusOf(relay.asked);
  } catch (error) {
    await job.finish();
    throw error;
  }
  const reports = await job.finish();
  reportLines(job.id, reports).forEach(say);
  if (status === EXIT.OK) {
    return alone ? EXIT.OK : judge(args, reports, say);
  }
  const first = firstEnd(reports);
  if (first !== undefined) {
    say(first);
  }
  return status;
}

function runMpirun(mpirun: string, args: readonly string[], env: NodeJS.ProcessEnv, relay: SignalRelay): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(mpirun, args, { stdio: 'inherit', env });
    relay.child = child;
    child.once('error', (error) => {
      relay.child = undefined;
      reject(new VfringError('VFRING_ERR_NO_MPIRUN', { mpirun, cause: causeText(error) }, { cause: error }));
    });
    child.once('exit', (code, signal) => {
      relay.child = undefined;
      resolve(code ?? statusOf(signal));
    });
  });
}

/** As a shell has it of a program that a signal ended. */
function statusOf(signal: NodeJS.Signals | null): number {
  return 128 + (signal === null ? 0 : os.constants.signals[signal]);
}

/** Options of mpirun with which a run outlives a process. */
const OUTLIVES = /^--?(enable-recovery|continuous|with-ft|runtime-options)$/;

function judge(args: RunArgs, reports: readonly HostReport[], say: (line: string) => void): number {
  const lost = firstEnd(reports);
  // Of a daemon that it has lost PRRTE 3.0 says so, ends all processes, and then says 0.
  if (lost !== undefined && !args.mpirunOptions.some((option) => OUTLIVES.test(option))) {
    return told(new VfringError('VFRING_ERR_RANKS_LOST', { what: lost }), say);
  }
  const processes = reports.reduce((total, { job }) => total + (job === null ? 0 : jobTotals(job).processes), 0);
  // Of a host that does not tell, nobody can say that it did not carry its part.
  if (reports.some(({ error }) => error !== undefined)) {
    return EXIT.OK;
  }
  if (processes >= args.ranks) {
    const short = reports.flatMap(({ job }) => (job === null ? [] : ranksWithFewer(job, args.rails ?? 1)));
    return short.length === 0 ? EXIT.OK : told(new VfringError('VFRING_ERR_NOT_CARRIED', { what: `not every process took ${args.rails} VFs: ${short.join(', ')}` }), say);
  }
  const none = reports.filter(({ host, job }) => host !== undefined && (job === null || job.leases.length === 0)).map(({ host }) => host);
  const error = new VfringError('VFRING_ERR_NOT_CARRIED', {
    what: `${processes} of ${args.ranks} processes took a lease of a VF${none.length > 0 ? `, none on ${none.join(', ')}` : ''}`,
  });
  return told(error, say);
}

function told(error: VfringError, say: (line: string) => void): number {
  say(`${error.code}: ${error.message}`);
  say(`remedy: ${error.remedy}`);
  return error.exitStatus;
}

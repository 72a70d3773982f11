// SPDX-License-Identifier: BSD-3-Clause
/** `vfring run`: an mpirun whose messages go over VFs, and the proof that they did. */
import { spawn } from 'node:child_process';
import os from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { JobView } from '../api/views.js';
import { EXIT, VfringError, causeText, isVfringError } from '../errors.js';
import type { Exec } from '../exec.js';
import type { ApiClient } from './api-client.js';
import { jobLines, jobTotals } from './job-report.js';
import { ONE_SIDED, btlList, componentPath, findOpenMpi, oneSided } from './open-mpi.js';
import { SignalRelay } from './relay.js';
import type { RunArgs } from './run-args.js';

export interface RunContext {
  readonly api: ApiClient;
  readonly exec: Exec;
  readonly prefix: string;
  readonly env: NodeJS.ProcessEnv;
  /** One line for people, without its newline. */
  readonly say: (line: string) => void;
}

/** Leases end as soon as the kernel reports that their processes did. */
const LEASES_END_MS = 5000;
/** A vfringd that is started anew, with the leases of its predecessor, answers within this. */
const RESTART_MS = 2000;
const POLL_MS = 50;

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
  const { api, env, say, exec } = context;
  const mpi = await findOpenMpi(args.mpirun, exec);
  const extra = { ...componentPath(mpi, context.prefix, env), ...(await oneSided(mpi, args.mpirunOptions, env, exec)) };
  const btl = btlList(args.local, mpi.major);
  const job = await api.createJob({ ranks: args.ranks, one_run: true });
  const way = args.local === 'vf' ? 'every message over VFs' : 'shared memory within a node, VFs between nodes';
  const osc = extra[ONE_SIDED] === undefined ? '' : `, osc ${extra[ONE_SIDED]}`;
  say(`job ${job.id}: ${args.ranks} ranks, --local ${args.local}: ${way} (Open MPI ${mpi.version}, btl ${btl}${osc})`);

  const mpirunArgs = [
    ...['-n', String(args.ranks), '--mca', 'pml', 'ob1', '--mca', 'btl', btl, '-x', 'VFRING_JOB'],
    ...(env['VFRING_RUN_DIR'] ? ['-x', 'VFRING_RUN_DIR'] : []),
    ...args.mpirunOptions,
    ...args.program,
  ];
  let status: number;
  try {
    status = relay.asked === undefined ? await runMpirun(mpi.mpirun, mpirunArgs, { ...env, ...extra, VFRING_JOB: job.id }, relay) : statusOf(relay.asked);
  } catch (error) {
    await finishJob(api, job.id).catch(() => undefined);
    throw error;
  }
  let report: JobView;
  try {
    report = await finishJob(api, job.id);
  } catch (error) {
    // The run has been, whatever became of vfringd: its status is mpirun's.
    say(`what the VFs of job ${job.id} carried is not known: ${causeText(error)}`);
    return status;
  }
  for (const line of jobLines(report)) {
    say(line);
  }
  return status === EXIT.OK ? judge(args, report, say) : status;
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

/** Waits for the job's leases to end, so that its figures are final, and ends it. Throws when vfringd does not come back. */
async function finishJob(api: ApiClient, id: string): Promise<JobView> {
  const start = performance.now();
  for (;;) {
    const waited = performance.now() - start;
    try {
      const job = await api.job(id);
      if (waited >= LEASES_END_MS || job.leases.every((lease) => lease.state === 'ended')) {
        return await api.endJob(id);
      }
    } catch (error) {
      const away = isVfringError(error, 'VFRING_ERR_NO_DAEMON') || isVfringError(error, 'VFRING_ERR_NO_ANSWER');
      if (!away || waited >= RESTART_MS) {
        throw error;
      }
    }
    await sleep(POLL_MS);
  }
}

function judge(args: RunArgs, report: JobView, say: (line: string) => void): number {
  const { processes } = jobTotals(report);
  // Ranks on other nodes have their leases there.
  const wanted = args.otherHosts ? 1 : args.ranks;
  if (processes >= wanted) {
    return EXIT.OK;
  }
  const error = new VfringError('VFRING_ERR_NOT_CARRIED', {
    what: `${processes} of ${args.ranks} processes took a lease of a VF`,
  });
  say(`${error.code}: ${error.message}`);
  say(`remedy: ${error.remedy}`);
  return error.exitStatus;
}

// SPDX-License-Identifier: BSD-3-Clause
/** `vfring run`: an mpirun whose messages go over VFs, and the proof that they did. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import os from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { JobView } from '../api/views.js';
import { EXIT, VfringError, causeText } from '../errors.js';
import type { Exec } from '../exec.js';
import type { ApiClient } from './api-client.js';
import { jobLines, jobTotals } from './job-report.js';
import { btlList, componentPath, findOpenMpi } from './open-mpi.js';
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
const POLL_MS = 50;
const FORWARDED = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Returns the exit status: mpirun's own, or 76 when vfring did not carry the run. */
export async function run(args: RunArgs, context: RunContext): Promise<number> {
  const { api, env, say } = context;
  const mpi = await findOpenMpi(args.mpirun, context.exec);
  const extra = componentPath(mpi, context.prefix, env);
  const btl = btlList(args.local, mpi.major);
  const job = await api.createJob({ ranks: args.ranks });
  const way = args.local === 'vf' ? 'every message over VFs' : 'shared memory within a node, VFs between nodes';
  say(`job ${job.id}: ${args.ranks} ranks, --local ${args.local}: ${way} (Open MPI ${mpi.version}, btl ${btl})`);

  const mpirunArgs = [
    ...['-n', String(args.ranks), '--mca', 'pml', 'ob1', '--mca', 'btl', btl, '-x', 'VFRING_JOB'],
    ...(env['VFRING_RUN_DIR'] ? ['-x', 'VFRING_RUN_DIR'] : []),
    ...args.mpirunOptions,
    ...args.program,
  ];
  const status = await runMpirun(mpi.mpirun, mpirunArgs, { ...env, ...extra, VFRING_JOB: job.id });
  const report = await finishJob(api, job.id);
  for (const line of jobLines(report)) {
    say(line);
  }
  return status === EXIT.OK ? judge(args, report, say) : status;
}

function runMpirun(mpirun: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(mpirun, args, { stdio: 'inherit', env });
    const forward = (signal: NodeJS.Signals): void => {
      // The terminal has sent it to mpirun already; a second one would abort it hard.
      if (signal === 'SIGTERM' || !inForeground()) {
        child.kill(signal);
      }
    };
    FORWARDED.forEach((signal) => process.on(signal, forward));
    const done = (): void => FORWARDED.forEach((signal) => void process.off(signal, forward));
    child.once('error', (error) => {
      done();
      reject(new VfringError('VFRING_ERR_NO_MPIRUN', { mpirun, cause: causeText(error) }, { cause: error }));
    });
    child.once('exit', (code, signal) => {
      done();
      resolve(code ?? 128 + (signal === null ? 0 : os.constants.signals[signal]));
    });
  });
}

/** True when this process group is the one that the keys of a terminal reach. */
function inForeground(): boolean {
  // Fields after the name: state, ppid, pgrp, session, tty_nr, tpgid (proc(5)).
  const stat = readFileSync('/proc/self/stat', 'latin1');
  const [, , group, , , foreground] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return group !== undefined && group === foreground;
}

/** Waits for the job's leases to end, so that its figures are final, and ends it. */
async function finishJob(api: ApiClient, id: string): Promise<JobView> {
  for (let waited = 0; waited < LEASES_END_MS; waited += POLL_MS) {
    const job = await api.job(id);
    if (job.leases.every((lease) => lease.state === 'ended')) {
      break;
    }
    await sleep(POLL_MS);
  }
  return api.endJob(id);
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

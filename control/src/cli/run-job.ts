// SPDX-License-Identifier: BSD-3-Clause
/** The job of one run: at the daemon of this host, or at that of each host that mpirun starts ranks on. */
import { randomBytes } from 'node:crypto';
import os from 'node:os';
import { setImmediate as turn } from 'node:timers/promises';
import type { JobView } from '../api/views.js';
import { VfringError, type ErrorReport } from '../errors.js';
import { dealRanks, type HostEntry } from '../hosts/host-list.js';
import { ReportedError } from './api-client.js';
import { audit } from './audit.js';
import { valuesText } from './differences.js';
import { finishJob } from './finish-job.js';
import { joinJob, leaveJob } from './node.js';
import { factsSchema, jobEndSchema, onHost, reportOf, type NodeFacts } from './node-facts.js';
import { overHosts, type HostsContext } from './over-hosts.js';
import type { RunArgs } from './run-args.js';

/** What a host says of the run when it is over. */
export interface HostReport {
  /** Undefined: there is only this one. */
  readonly host: string | undefined;
  readonly job: JobView | null;
  /** Why nobody knows. */
  readonly error: ErrorReport | undefined;
}

export interface RunJob {
  /** VFRING_JOB of its processes. */
  readonly id: string;
  /** Ends the job everywhere. Never throws: the run has been, whatever became of a host. */
  finish(): Promise<HostReport[]>;
}

export async function jobHereAlone({ api }: Pick<HostsContext, 'api'>, ranks: number): Promise<RunJob> {
  const { id } = await api.createJob({ ranks, one_run: true });
  return {
    id,
    finish: async () => {
      try {
        return [{ host: undefined, job: await finishJob(api, id), error: undefined }];
      } catch (error) {
        return [{ host: undefined, job: null, error: reportOf(error) }];
      }
    },
  };
}

/** So many hosts a daemon writes down with a job. */
const MAX_HOSTS = 1024;
/** Whoever interrupts a run does not wait longer than this for other hosts. */
const TIDY_MS = 5000;

/**
 * Makes the job on every host, each by one connection, and compares the hosts.
 * Throws, with no job left anywhere, when one of them cannot take part.
 *
 * @param warn for what will not keep the run from working
 */
export async function jobOnHosts(args: RunArgs, hosts: readonly HostEntry[], context: HostsContext, warn: (line: string) => void): Promise<RunJob> {
  const id = `run-${os.hostname().replace(/[^A-Za-z0-9-]/g, '-').slice(0, 32)}-${Date.now().toString(36)}-${randomBytes(3).toString('hex')}`;
  const names = hosts.map(({ name }) => name);
  const finish = async (on: readonly string[], how: Partial<HostsContext> = {}): Promise<HostReport[]> => {
    const answers = await overHosts(on, { args: ['leave', '--job', id], schema: jobEndSchema, here: () => leaveJob(context, id) }, { ...context, ...how });
    return answers.map((answer) => ('value' in answer ? { host: answer.host, job: answer.value.job, error: undefined } : { host: answer.host, job: null, error: answer.error }));
  };
  const told = names.length <= MAX_HOSTS ? names : [];
  const join = { job: id, ranks: args.ranks, hosts: told, mpirun: args.mpirun };
  const answers = await overHosts(names, {
    args: ['join', '--job', id, '--ranks', String(args.ranks), '--mpirun', args.mpirun, ...(told.length > 0 ? ['--hosts', told.join(',')] : [])],
    schema: factsSchema,
    here: () => joinJob(context, join),
  }, context);
  try {
    // The signal of a key reaches ssh, too, and may be heard there first.
    await turn();
    context.signal?.throwIfAborted();
    const { differences } = audit(answers);
    refuse(args, hosts, answers, warn);
    for (const { what, stops, values, remedy } of differences) {
      if (stops) {
        throw new VfringError('VFRING_ERR_HOSTS_DIFFER', { what: `${what}: ${valuesText(values)}`, remedy });
      }
      warn(`warning: the hosts differ in ${what}: ${valuesText(values)}; ${remedy}`);
    }
  } catch (error) {
    // Those that failed may have made it, too: a connection can break after the deed.
    const reached = answers.flatMap((answer) => ('value' in answer || context.signal?.aborted ? [answer.host] : []));
    await finish(reached, { signal: AbortSignal.timeout(TIDY_MS) });
    throw error;
  }
  // Whoever interrupted it before mpirun ran is not kept waiting.
  return { id, finish: () => finish(names, context.signal?.aborted ? { signal: AbortSignal.timeout(TIDY_MS) } : {}) };
}

function refuse(args: RunArgs, hosts: readonly HostEntry[], answers: Awaited<ReturnType<typeof overHosts<NodeFacts>>>, say: (line: string) => void): void {
  const errors = answers.flatMap((answer) => ('error' in answer ? [answer.error] : answer.value.open_mpi_trouble === null ? [] : [onHost(answer.host, answer.value.open_mpi_trouble)]));
  const [first, ...more] = errors;
  if (first !== undefined) {
    more.forEach(({ code, message, remedy }) => say(`${code}: ${message}; ${remedy}`));
    throw new ReportedError(first);
  }
  if (!args.placed && hosts.every(({ slots }) => slots !== undefined)) {
    const dealt = dealRanks(hosts, args.ranks);
    answers.forEach((answer, i) => {
      const ranks = dealt[i] ?? 0;
      const free = 'value' in answer ? (answer.value.status?.vfs ?? []).filter(({ state }) => state === 'free').length : 0;
      if (free < ranks) {
        throw new VfringError('VFRING_ERR_HOST_NO_FREE_VF', { host: answer.host, free, ranks });
      }
    });
  }
}

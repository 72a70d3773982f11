// SPDX-License-Identifier: BSD-3-Clause
/** The job of one run: at the daemon of this host, or at that of each host that mpirun starts ranks on. */
import { randomBytes } from 'node:crypto';
import os from 'node:os';
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises';
import type { JobView, StatusView } from '../api/views.js';
import { VfringError, type ErrorReport } from '../errors.js';
import { dealRanks, type HostEntry } from '../hosts/host-list.js';
import type { Answer } from '../hosts/remote.js';
import { jobName } from '../slurm/prolog.js';
import { ReportedError, type ApiClient } from '../api/client.js';
import { audit } from './audit.js';
import { MTU, hostsText, valuesText, type Difference } from './differences.js';
import { finishJob } from './finish-job.js';
import { joinJob, leaveJob, placeOf, type Joined, type Place } from './node.js';
import { jobEndSchema, joinedSchema, onHost, reportOf, type NodeFacts } from './node-facts.js';
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

/** Where Slurm's prolog has made one, the job of the allocation: its VFs are for no other (docs/slurm.md). */
const batchJob = ({ SLURM_JOB_ID: id }: NodeJS.ProcessEnv): string | undefined => (id === undefined || !/^\d+$/.test(id) ? undefined : jobName(id));

/** VFs of processes that have just ended are free within this. */
const FREED_MS = 1000;
const LOOK_MS = 100;

/** How many VFs can be had; when those are too few, in a moment. */
async function freeFor(api: Pick<ApiClient, 'status'>, wanted: number): Promise<number> {
  for (const start = performance.now(); ; await sleep(LOOK_MS)) {
    const status = await api.status();
    const free = freeVfs(status);
    if (free >= wanted || status.vfs.length < wanted || performance.now() - start >= FREED_MS) {
      return free;
    }
  }
}

/** @param sharesMemory none of its processes will lease a VF. Throws VFRING_ERR_TOO_MANY_RANKS, VFRING_ERR_TOO_MANY_RAILS. */
export async function jobHereAlone({ api, env }: Pick<HostsContext, 'api' | 'env'>, { ranks, rails = 1 }: Pick<RunArgs, 'ranks' | 'rails'>, sharesMemory: boolean): Promise<RunJob> {
  const known = await placeOf({ api }, batchJob(env));
  if (!sharesMemory) {
    const wanted = ranks * rails;
    const own = known && (await api.job(known.job)).assigned_vfs;
    const free = own?.length ?? (await freeFor(api, wanted));
    const where = own === undefined ? ' on this host' : ` in job ${known?.job}`;
    if (ranks > free) {
      throw new VfringError('VFRING_ERR_TOO_MANY_RANKS', { ranks, free, where });
    }
    if (wanted > free) {
      throw new VfringError('VFRING_ERR_TOO_MANY_RAILS', { ranks, rails, wanted, free, where });
    }
  }
  const place = known ?? { job: (await api.createJob({ ranks, one_run: true, ...(sharesMemory && { shares_memory: true }) })).id, since_ms: null };
  return {
    id: place.job,
    finish: async () => {
      try {
        return [{ host: undefined, job: await finishJob(api, place.job, place.since_ms ?? undefined), error: undefined }];
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
  const within = batchJob(context.env);
  const told = names.length <= MAX_HOSTS ? names : [];
  const answers = await overHosts<Joined>(names, {
    args: () => ['join', '--job', id, '--ranks', String(args.ranks), '--mpirun', args.mpirun, ...(told.length > 0 ? ['--hosts', told.join(',')] : []), ...(within === undefined ? [] : ['--within', within])],
    schema: joinedSchema,
    here: () => joinJob(context, { job: id, within, ranks: args.ranks, hosts: told, mpirun: args.mpirun }),
  }, context);
  const places = new Map(answers.flatMap((answer): [string, Place][] => ('value' in answer ? [[answer.host, answer.value]] : [])));
  const placeAt = (host: string): Place => places.get(host) ?? { job: id, since_ms: null };
  const finish = async (on: readonly string[], how: Partial<HostsContext> = {}): Promise<HostReport[]> => {
    const ends = await overHosts(on, {
      args: (host) => {
        const { job, since_ms: since } = placeAt(host);
        return ['leave', '--job', job, ...(since === null ? [] : ['--since', String(since)])];
      },
      schema: jobEndSchema,
      here: (host) => leaveJob(context, placeAt(host)),
    }, { ...context, ...how });
    return ends.map((answer) => ('value' in answer ? { host: answer.host, job: answer.value.job, error: undefined } : { host: answer.host, job: null, error: answer.error }));
  };
  try {
    // The signal of a key reaches ssh, too, and may be heard there first.
    await turn();
    context.signal?.throwIfAborted();
    const facts = answers.map((answer): Answer<NodeFacts> => ('value' in answer ? { ...answer, value: answer.value.facts } : answer));
    refuseIll(facts, warn);
    const [first = id, ...others] = new Set([...places.values()].map(({ job }) => job));
    if (others.length > 0) {
      const without = names.filter((name) => placeAt(name).since_ms === null);
      throw new VfringError('VFRING_ERR_HOSTS_DIFFER', {
        what: `vfringd on ${hostsText(without)} knows of no job ${within ?? ''}`, remedy: 'ask for VFs on every node (--gres), and see what the prolog said: scontrol show job',
      });
    }
    refuseDifferent(audit(facts).differences, setsMtu(args, context.env) ? [MTU] : [], warn);
    refuseFull(args, hosts, facts, places);
    return { id: first, finish: () => finish(names, context.signal?.aborted ? { signal: AbortSignal.timeout(TIDY_MS) } : {}) };
  } catch (error) {
    // Those that failed may have made it, too: a connection can break after the deed.
    const reached = answers.flatMap((answer) => ('value' in answer || context.signal?.aborted ? [answer.host] : []));
    await finish(reached, { signal: AbortSignal.timeout(TIDY_MS) });
    throw error;
  }
}

function refuseIll(answers: readonly Answer<NodeFacts>[], say: (line: string) => void): void {
  const errors = answers.flatMap((answer) => ('error' in answer ? [answer.error] : answer.value.open_mpi_trouble === null ? [] : [onHost(answer.host, answer.value.open_mpi_trouble)]));
  const [first, ...more] = errors;
  if (first !== undefined) {
    more.forEach(({ code, message, remedy }) => say(`${code}: ${message}; ${remedy}`));
    throw new ReportedError(first);
  }
}

const MTU_PARAMETER = 'btl_vfring_mtu';

/** Whether the job has one MTU, whatever its VFs have. */
const setsMtu = ({ mpirunOptions }: RunArgs, env: NodeJS.ProcessEnv): boolean =>
  mpirunOptions.includes(MTU_PARAMETER) || env[`OMPI_MCA_${MTU_PARAMETER}`] !== undefined;

/** @param bearable what does not keep this run from working, although it does others */
function refuseDifferent(found: readonly Difference[], bearable: readonly string[], warn: (line: string) => void): void {
  for (const { what, stops, values, remedy } of found) {
    if (stops && !bearable.includes(what)) {
      throw new VfringError('VFRING_ERR_HOSTS_DIFFER', { what: `${what}: ${valuesText(values)}`, remedy });
    }
    warn(`warning: the hosts differ in ${what}: ${valuesText(values)}; ${remedy}`);
  }
}

/** Where it is certain how many ranks run where. */
function refuseFull(args: RunArgs, hosts: readonly HostEntry[], answers: readonly Answer<NodeFacts>[], places: ReadonlyMap<string, Place>): void {
  if (args.placed || hosts.some(({ slots }) => slots === undefined)) {
    return;
  }
  const dealt = dealRanks(hosts, args.ranks);
  answers.forEach((answer, i) => {
    const status = 'value' in answer ? answer.value.status : null;
    // What is reserved for the batch system's job is this run's.
    const free = status === null ? 0 : freeVfs(status, places.get(answer.host)?.since_ms != null);
    const ranks = dealt[i] ?? 0;
    if (free < ranks) {
      throw new VfringError('VFRING_ERR_HOST_NO_FREE_VF', { host: answer.host, free, ranks });
    }
    const { rails = 1 } = args;
    if (free < ranks * rails) {
      throw new VfringError('VFRING_ERR_TOO_MANY_RAILS', { ranks, rails, wanted: ranks * rails, free, where: ` on host ${answer.host}` });
    }
  });
}

/** @param ours what is reserved is reserved for us */
function freeVfs({ vfs, reserved_vfs: reserved, queued_vfs: queued }: StatusView, ours = false): number {
  return Math.max(0, vfs.filter(({ state }) => state === 'free').length - (ours ? 0 : reserved + queued));
}

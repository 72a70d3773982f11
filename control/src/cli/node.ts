// SPDX-License-Identifier: BSD-3-Clause
/**
 * `vfring node …`: what vfring on another host asks this one, over ssh or the batch
 * system's launcher. Answers are one line for a program; each is given with the rights of who logged in.
 */
import { EXIT } from '../errors.js';
import { nodeFacts, reportOf, type NodeContext, type jobEndSchema, type jobOnNodeSchema, type joinedSchema } from './node-facts.js';
import { REPLY } from '../hosts/remote.js';
import { version } from '../paths.js';
import type * as z from 'zod';
import { finishJob } from './finish-job.js';
import { out } from './output.js';
import { ReportedError } from '../api/client.js';

export type JobOnNode = z.output<typeof jobOnNodeSchema>;
export type Joined = z.output<typeof joinedSchema>;
export type Place = Omit<Joined, 'facts'>;
export type JobEnd = z.output<typeof jobEndSchema>;

export interface Join {
  readonly job: string;
  /** The batch system's job, which is taken where there is one. */
  readonly within: string | undefined;
  readonly ranks: number;
  readonly hosts: readonly string[];
  readonly mpirun: string;
}

/**
 * The job here that the ranks of a run belong to: that of the batch system, where its
 * prolog has made one, else one that is made. Throws VFRING_ERR_NO_DAEMON and the like.
 */
export async function joinJob(context: NodeContext, { job, within, ranks, hosts, mpirun }: Join): Promise<Joined> {
  const place = await placeOf(context, within);
  if (place === undefined) {
    await context.api.createJob({ id: job, ranks, one_run: true, ...(hosts.length > 0 && { hosts: [...hosts] }) });
  }
  return { facts: await nodeFacts(context, mpirun), ...(place ?? { job, since_ms: null }) };
}

/** The batch system's job, and from when on its leases are this run's. */
export async function placeOf({ api }: Pick<NodeContext, 'api'>, within: string | undefined): Promise<Place | undefined> {
  if (within === undefined) {
    return undefined;
  }
  const known = await api.job(within).catch(nullIfUnknown);
  // By its label, which processes say: a job that was queued anew is a later run of it.
  return known?.state === 'open' ? { job: within, since_ms: Date.now() } : undefined;
}

/** Waits until its leases have ended, and ends it, unless it is the batch system's. A host that knows of no such job has nothing to tell. */
export async function leaveJob({ api }: Pick<NodeContext, 'api'>, { job, since_ms: since }: Place): Promise<JobEnd> {
  return { job: await finishJob(api, job, since ?? undefined).catch(nullIfUnknown) };
}

export async function jobHere(context: NodeContext, job: string, mpirun: string): Promise<JobOnNode> {
  return { facts: await nodeFacts(context, mpirun), job: await context.api.job(job).catch(nullIfUnknown) };
}

function nullIfUnknown(error: unknown): null {
  if (error instanceof ReportedError && error.code === 'VFRING_ERR_NO_SUCH_JOB') {
    return null;
  }
  throw error;
}

/** Prints the line that remote.ts reads. Returns the exit status, which is 0 also for an error that was told. */
export async function reply(work: () => Promise<unknown>): Promise<number> {
  const release = version();
  try {
    out(REPLY + JSON.stringify({ ok: true, release, value: await work() }));
  } catch (error) {
    out(REPLY + JSON.stringify({ ok: false, release, ...reportOf(error) }));
  }
  return EXIT.OK;
}

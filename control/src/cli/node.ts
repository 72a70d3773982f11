// SPDX-License-Identifier: BSD-3-Clause
/**
 * `vfring node …`: what vfring on another host asks this one, over ssh or the batch
 * system's launcher. Answers are one line for a program; each is given with the rights of who logged in.
 */
import { EXIT } from '../errors.js';
import { jobEndSchema, jobOnNodeSchema, nodeFacts, reportOf, type NodeContext, type NodeFacts } from './node-facts.js';
import { REPLY } from '../hosts/remote.js';
import { version } from '../paths.js';
import type * as z from 'zod';
import { finishJob } from './finish-job.js';
import { out } from './output.js';
import { ReportedError } from './api-client.js';

export type JobOnNode = z.output<typeof jobOnNodeSchema>;
export type JobEnd = z.output<typeof jobEndSchema>;

export interface Join {
  readonly job: string;
  readonly ranks: number;
  readonly hosts: readonly string[];
  readonly mpirun: string;
}

/** Makes the job here that the ranks of a run over several hosts belong to. Throws VFRING_ERR_NO_DAEMON and the like. */
export async function joinJob(context: NodeContext, { job, ranks, hosts, mpirun }: Join): Promise<NodeFacts> {
  await context.api.createJob({ id: job, ranks, one_run: true, ...(hosts.length > 0 && { hosts: [...hosts] }) });
  return nodeFacts(context, mpirun);
}

/** Waits until its leases have ended, and ends it. A host that knows of no such job has nothing to tell. */
export async function leaveJob({ api }: NodeContext, job: string): Promise<JobEnd> {
  return { job: await finishJob(api, job).catch(nullIfUnknown) };
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

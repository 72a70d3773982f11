// SPDX-License-Identifier: BSD-3-Clause
/** What a node says of itself, so that it can be compared with others. */
import os from 'node:os';
import * as z from 'zod';
import { errorSchema, jobSchema, statusSchema } from '../api/schemas.js';
import { ReportedError, type ApiClient } from '../api/client.js';
import { availableBytes } from './memory.js';
import { componentPath, findOpenMpi, btlParameters } from '../mpi/open-mpi.js';
import { asVfringError, type ErrorReport } from '../errors.js';
import type { Exec } from '../exec.js';
import { version } from '../paths.js';
import type { Sysfs } from '../providers/sriov/sysfs.js';

const openMpiSchema = z.object({
  version: z.string(),
  /** Of the BTL that is installed there. */
  wire_version: z.string(),
  tx_entries: z.string(),
  rx_entries: z.string(),
});

export const factsSchema = z.object({
  /** As the node calls itself. */
  host: z.string(),
  release: z.string(),
  uid: z.int(),
  user: z.string(),
  /** Ms since 1970, when it answered. */
  clock_ms: z.number(),
  kernel: z.string(),
  /** "1.1"; null: there is no device of uio_vf. */
  module_abi: z.string().nullable(),
  open_mpi: openMpiSchema.nullable(),
  open_mpi_trouble: errorSchema.nullable(),
  available_bytes: z.number(),
  /** Of vfringd; null: see daemon_trouble. */
  status: statusSchema.nullable(),
  daemon_trouble: errorSchema.nullable(),
});

export type NodeFacts = z.output<typeof factsSchema>;

/** What one host says of a job: null where it knows of none. */
export const jobOnNodeSchema = z.object({ facts: factsSchema, job: jobSchema.nullable() });
/** The job that a run has there. since_ms: it is the batch system's, and what it leased before then, by that host's clock, is none of this run's. */
export const joinedSchema = z.object({ facts: factsSchema, job: z.string(), since_ms: z.number().nullable() });
export const jobEndSchema = z.object({ job: jobSchema.nullable() });

export interface NodeContext {
  readonly api: ApiClient;
  readonly exec: Exec;
  readonly sysfs: Sysfs;
  readonly env: NodeJS.ProcessEnv;
  readonly prefix: string;
}

export async function nodeFacts({ api, exec, sysfs, env, prefix }: NodeContext, mpirun: string): Promise<NodeFacts> {
  const [openMpi, mpiTrouble] = await settle(openMpiFacts(mpirun, exec, env, prefix));
  const [status, daemonTrouble] = await settle(api.status());
  return {
    host: os.hostname(),
    release: version(),
    uid: process.getuid?.() ?? -1,
    user: userName(),
    kernel: os.release(),
    module_abi: (await moduleAbi(sysfs)) ?? null,
    open_mpi: openMpi,
    open_mpi_trouble: mpiTrouble,
    available_bytes: availableBytes(),
    status,
    daemon_trouble: daemonTrouble,
    clock_ms: Date.now(),
  };
}

async function openMpiFacts(mpirun: string, exec: Exec, env: NodeJS.ProcessEnv, prefix: string): Promise<NodeFacts['open_mpi']> {
  const mpi = await findOpenMpi(mpirun, exec);
  const parameters = await btlParameters(mpi, componentPath(mpi, prefix, env), exec);
  const value = (name: string): string => parameters.get(name) ?? 'unknown';
  const ring = (name: string): string => (value(name) === '0' ? 'default' : value(name));
  return { version: mpi.version, wire_version: value('wire_version'), tx_entries: ring('tx_entries'), rx_entries: ring('rx_entries') };
}

async function moduleAbi(sysfs: Sysfs): Promise<string | undefined> {
  const [device] = await sysfs.list('class/uio_vf');
  return device === undefined ? undefined : sysfs.read(`class/uio_vf/${device}/abi`);
}

function userName(): string {
  try {
    return os.userInfo().username;
  } catch {
    // A uid that has no name here.
    return '';
  }
}

async function settle<T>(work: Promise<T>): Promise<[T | null, ErrorReport | null]> {
  try {
    return [await work, null];
  } catch (error) {
    return [null, reportOf(error)];
  }
}

/** Any error as it travels. */
export function reportOf(error: unknown): ErrorReport {
  return error instanceof ReportedError ? { code: error.code, message: error.message, remedy: error.remedy } : asVfringError(error).report();
}

/** What a host says of itself, told on another one. */
export const onHost = (host: string, { code, message, remedy }: ErrorReport): ErrorReport => ({ code, message: `host ${host}: ${message}`, remedy: `on ${host}: ${remedy}` });

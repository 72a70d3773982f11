// SPDX-License-Identifier: BSD-3-Clause
/**
 * VFs that a resource manager (Slurm) has assigned to a job. Which job has which
 * VF is the manager's word; that the VFs are there and free is ours to say.
 */
import type { Config } from '../config/schema.js';
import { VfringError } from '../errors.js';
import type { WatchedProcess } from '../node/processes.js';
import type { Job } from './job.js';
import type { LeaseRequest } from './lease.js';
import type { PoolEntry, VfPool } from './pool.js';
import type { Vf } from '../model/vf.js';

/** The prolog calls the job N of Slurm so, and the BTL asks for it by that name. */
const SLURM_LABEL = /^slurm-(\d+)$/;

/** The open job that each assigned VF is of, by the VF's name. */
export function assignments(jobs: readonly Job[]): ReadonlyMap<string, Job> {
  return new Map(jobs.flatMap((job) => (job.state === 'open' ? (job.vfNames ?? []).map((name) => [name, job] as const) : [])));
}

/** A job has its assigned VFs and no other; the rest have what is assigned to nobody. */
export function mayHave(job: Job, { name }: Vf, assigned: ReadonlyMap<string, Job>): boolean {
  return job.vfNames === undefined ? !assigned.has(name) : job.vfNames.includes(name);
}

/** The VFs behind device nodes. Throws VFRING_ERR_NO_SUCH_VF. */
export function entriesOf(devices: readonly string[], pool: VfPool): PoolEntry[] {
  return devices.map((device) => {
    const entry = pool.entries.find(({ vf }) => vf.device === device);
    if (entry === undefined) {
      throw new VfringError('VFRING_ERR_NO_SUCH_VF', { device });
    }
    return entry;
  });
}

/** Throws VFRING_ERR_VF_BUSY, VFRING_ERR_VF_UNHEALTHY or VFRING_ERR_PF_DOWN when a VF cannot be given to a new job. */
export function checkUsable(entries: readonly PoolEntry[]): void {
  for (const { vf, state, lease, reason, linkDown } of entries) {
    const busy = (cause: string): VfringError => new VfringError('VFRING_ERR_VF_BUSY', { vf: vf.name, device: vf.device, cause });
    if (state === 'leased') {
      throw busy(`process ${lease?.pid ?? 0} of uid ${lease?.uid ?? 0} holds it, in job ${lease?.job.id ?? 'unknown'}`);
    }
    if (state === 'draining') {
      throw busy(reason ?? 'something still drives it');
    }
    if (state === 'unhealthy') {
      throw new VfringError('VFRING_ERR_VF_UNHEALTHY', { vf: vf.name, cause: reason ?? 'unknown why', remedy: 'see the log of vfringd, and vfring doctor' });
    }
    if (linkDown !== undefined) {
      throw new VfringError('VFRING_ERR_PF_DOWN', { free: entries.length, what: linkDown.cause, remedy: linkDown.remedy });
    }
  }
}

/** Throws VFRING_ERR_DEVICES_CGROUP when all VFs that the job may have, in use or not, are of no use to the process. */
export function checkExcept({ request, job, process }: { request: LeaseRequest; job: Job; process: Pick<WatchedProcess, 'pid'> }, due: readonly PoolEntry[]): void {
  if (request.except !== undefined && due.length > 0 && due.every(({ vf }) => request.except?.includes(vf.name))) {
    throw new VfringError('VFRING_ERR_DEVICES_CGROUP', { pid: process.pid, job: job.id, vfs: due.map(({ vf }) => `${vf.name} (${vf.device})`).join(', ') });
  }
}

/** Why a job does not get one more of its assigned VFs. */
export function noneLeft(job: Job, pool: VfPool): VfringError {
  const mine = pool.entries.filter(({ vf }) => job.vfNames?.includes(vf.name));
  const gone = (job.vfNames ?? []).filter((name) => !mine.some(({ vf }) => vf.name === name)).map((name) => `${name} is no more`);
  const amiss = mine.filter(({ state, linkDown }) => state !== 'free' || linkDown !== undefined).map(({ vf, state, reason, linkDown }) => {
    const why = reason ?? linkDown?.cause;
    return `${vf.name} is ${state}${why === undefined ? '' : ` (${why})`}`;
  });
  return new VfringError('VFRING_ERR_NO_FREE_VF', { what: `none of the VFs assigned to job ${job.id} can be had: ${[...gone, ...amiss].join(', ')}` });
}

/**
 * Where Slurm gives the VFs out (`managed_by: slurm`) nobody else does, or a job
 * would come upon VFs that are taken. Throws VFRING_ERR_NOT_ASSIGNED.
 */
export function checkManaged({ managed_by }: Config, job: Pick<Job, 'vfNames'> | undefined, label: string): void {
  if (managed_by !== 'slurm' || job?.vfNames !== undefined) {
    return;
  }
  const slurmJob = SLURM_LABEL.exec(label)?.[1];
  throw new VfringError('VFRING_ERR_NOT_ASSIGNED', slurmJob === undefined
    ? { what: `the VFs of this node are given out by Slurm, and job ${label} is none of Slurm's`, remedy: 'run the program in a job of Slurm: sbatch, salloc or srun with --gres=vf:N, N VFs on each node' }
    : { what: `Slurm has assigned no VFs of this node to job ${slurmJob}`, remedy: 'ask for them when the job is submitted: --gres=vf:N, N VFs on each node; or leave vfring out: --mca btl ^vfring' });
}

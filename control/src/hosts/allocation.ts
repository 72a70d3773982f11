// SPDX-License-Identifier: BSD-3-Clause
/** Hosts that a batch system has given to this job: only its environment names them, and mpirun runs on all of them. */
import { VfringError, causeText } from '../errors.js';
import { failureText, type Exec } from '../exec.js';
import { parseHostfile, readHostfile, type HostEntry } from './host-list.js';

/** In the order in which Open MPI looks. Undefined: there is none. Throws VFRING_ERR_HOSTFILE, VFRING_ERR_NO_HOST_LIST. */
export async function allocatedHosts(env: NodeJS.ProcessEnv, exec: Exec): Promise<HostEntry[] | undefined> {
  const { SLURM_JOB_ID: slurm, SLURM_JOB_NODELIST: list, PBS_NODEFILE: pbs, LSB_DJOB_HOSTFILE: lsf, PE_HOSTFILE: sge } = env;
  if (slurm && list) {
    return slurmHosts(list, exec);
  }
  const file = pbs || lsf;
  if (file) {
    return readHostfile(file);
  }
  // "host slots queue processors"
  return sge ? (await readHostfile(sge)).map(({ name }) => ({ name, slots: undefined })) : undefined;
}

/** "n[1-3,7]" as names: Slurm's own notation, which only Slurm is sure to read. Throws VFRING_ERR_NO_HOST_LIST. */
export async function slurmHosts(list: string, exec: Exec): Promise<HostEntry[]> {
  const failed = (cause: string, error?: unknown): VfringError => new VfringError('VFRING_ERR_NO_HOST_LIST', { list, cause }, { cause: error });
  const result = await exec('scontrol', ['show', 'hostnames', list]).catch((error: unknown) => {
    throw failed(causeText(error), error);
  });
  if (result.status !== 0) {
    throw failed(failureText(result));
  }
  return parseHostfile(result.stdout, 'scontrol');
}

/** Hosts of a job of Slurm, running or just over. Throws VFRING_ERR_NO_HOST_LIST. */
export async function hostsOfSlurmJob(id: string, exec: Exec): Promise<HostEntry[]> {
  const list = `job ${id}`;
  const result = await exec('scontrol', ['show', 'job', '-o', id]).catch((error: unknown) => {
    throw new VfringError('VFRING_ERR_NO_HOST_LIST', { list, cause: causeText(error) }, { cause: error });
  });
  const nodes = /(?:^|\s)NodeList=(\S+)/.exec(result.stdout)?.[1];
  if (result.status !== 0 || nodes === undefined || nodes === '(null)') {
    throw new VfringError('VFRING_ERR_NO_HOST_LIST', { list, cause: result.status === 0 ? 'it has no nodes' : failureText(result) });
  }
  return slurmHosts(nodes, exec);
}

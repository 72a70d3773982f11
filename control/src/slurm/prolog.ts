// SPDX-License-Identifier: BSD-3-Clause
/**
 * `vfring slurm prolog`: makes the job at vfringd before Slurm starts anything of
 * it on this node. Run twice, it makes it once.
 *
 * What is wrong with the node drains it, and Slurm queues the job anew for
 * another one. What is wrong with the job is told to its user, and the node goes
 * on: the prolog ends well, the job has no VFs, and the task prolog keeps its
 * tasks from starting, with the reason in their output.
 */
import type { ApiClient } from '../api/client.js';
import { EXIT, VfringError, causeText, isVfringError } from '../errors.js';
import { attempt, type Waiting } from './patience.js';
import { withNote, type NodeShare, type Slurm } from './slurm.js';

export interface JobEnv {
  readonly jobId: string;
  /** The number that its processes know: of a heterogeneous job the first part's. */
  readonly label: string;
  readonly uid: number;
  readonly node: string;
}

export interface Scene {
  readonly slurm: Slurm;
  readonly api: ApiClient;
  /** Where the task prolog looks for refusals. */
  readonly refusals: Refusals;
  /** One line for slurmd's log. */
  readonly say: (line: string) => void;
  readonly waiting: Waiting;
}

export interface Refusals {
  put(jobId: string, lines: readonly string[]): void;
  drop(jobId: string): void;
}

/** These are about the job: on another node it would fare no better. */
const OF_THE_JOB = new Set(['VFRING_ERR_QUOTA', 'VFRING_ERR_BAD_REQUEST']);

export const jobName = (label: string): string => `slurm-${label}`;

/** From what slurmd gives to a prolog or epilog. Throws VFRING_ERR_USAGE. */
export function jobEnv(env: NodeJS.ProcessEnv): JobEnv {
  const { SLURM_JOB_ID: jobId = '', SLURM_HET_JOB_ID: label = jobId, SLURM_JOB_UID: uid = '', SLURMD_NODENAME: node = '' } = env;
  if (!/^\d{1,10}$/.test(jobId) || !/^\d{1,10}$/.test(label) || !/^\d{1,10}$/.test(uid) || node === '') {
    throw new VfringError('VFRING_ERR_USAGE', {
      what: 'SLURM_JOB_ID, SLURM_JOB_UID and SLURMD_NODENAME are not those of a prolog or epilog of Slurm',
      remedy: 'name the scripts in slurm.conf: Prolog=, Epilog= (docs/slurm.md); slurmd runs them',
    });
  }
  return { jobId, label, uid: Number(uid), node };
}

/** Returns the exit status: 0, or what makes Slurm queue the job anew. */
export async function prolog(env: JobEnv, scene: Scene): Promise<number> {
  const { jobId, uid, node } = env;
  const { slurm, api, say, refusals, waiting } = scene;
  refusals.drop(env.label);
  let share: NodeShare;
  try {
    share = await attempt(() => slurm.share(jobId, node), waiting, say);
  } catch (error) {
    if (isVfringError(error, 'VFRING_ERR_GRES')) {
      return await refuse(env, '', error, scene);
    }
    // Without a job at vfringd it gets no VFs, should it have any: nothing is given to whom it is not due.
    say(`what Slurm gave to job ${jobId} on ${node} is not known, and so it gets no VFs: ${causeText(error)}`);
    return EXIT.OK;
  }
  if (share.vfs.length === 0) {
    return EXIT.OK;
  }
  try {
    const known = await attempt(() => slurm.devices(node), waiting, say);
    const devices = share.vfs.map((place) => {
      const device = known[place];
      if (device === undefined) {
        throw new VfringError('VFRING_ERR_GRES', { node, what: `${known.length} VFs, and Slurm has given out the one at place ${place}` });
      }
      return device;
    });
    if (env.label !== jobId) {
      await checkAlone(env, devices, api);
    }
    const job = await attempt(
      () => api.createJob({
        id: jobName(env.label), uid, devices,
        ...(share.memoryBytes !== undefined && { memory_bytes: share.memoryBytes }),
        ...(share.timeLimitS !== undefined && { time_limit_s: share.timeLimitS }),
      }),
      waiting, say,
    );
    say(`job ${job.id} of uid ${uid} has ${devices.join(', ')}`);
    return EXIT.OK;
  } catch (error) {
    return await refuse(env, share.adminComment, error, scene);
  }
}

/** Throws VFRING_ERR_BAD_REQUEST when another part of a heterogeneous job has VFs here: processes of both would ask by one number. */
async function checkAlone(env: JobEnv, devices: readonly string[], api: ApiClient): Promise<void> {
  const other = await api.job(jobName(env.label), env.uid).catch(() => undefined);
  if (other?.state !== 'open') {
    return;
  }
  const names = (await api.status()).vfs.filter(({ device }) => devices.includes(device)).map(({ name }) => name);
  if (names.sort().join() !== [...(other.assigned_vfs ?? [])].sort().join()) {
    throw new VfringError('VFRING_ERR_BAD_REQUEST', {
      what: `another part of heterogeneous job ${env.label} has VFs on this node`,
      remedy: 'let each of its parts have nodes of its own, or ask for the VFs of both in one part',
    });
  }
}

async function refuse({ jobId, label, node }: JobEnv, comment: string, error: unknown, { slurm, refusals, say }: Scene): Promise<number> {
  const { code, remedy } = { code: 'VFRING_ERR_INTERNAL', remedy: '', ...(error as { code?: string; remedy?: string }) };
  const text = `${code}: ${causeText(error)}`;
  const advice = remedy === '' ? '' : ` (remedy: ${remedy})`;
  say(`job ${jobId} gets no VFs: ${text}${advice}`);
  await slurm.comment(jobId, withNote(comment, node, `${text}${advice}`)).catch((trouble: unknown) => say(`the job's AdminComment cannot be set: ${causeText(trouble)}`));
  if (OF_THE_JOB.has(code)) {
    refusals.put(label, [`${node}: no VFs for job ${jobId}: ${text}`, ...(remedy === '' ? [] : [`remedy: ${remedy}`])]);
    return EXIT.OK;
  }
  // Slurm drains a node whose prolog failed, too, but with no other reason than that.
  await slurm.drain(node, `vfring: ${text}${advice}`).catch((trouble: unknown) => say(`the node cannot be drained with a reason: ${causeText(trouble)}`));
  return EXIT.UNAVAILABLE;
}

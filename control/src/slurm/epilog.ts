// SPDX-License-Identifier: BSD-3-Clause
/**
 * `vfring slurm epilog`: ends the job at vfringd, waits until its VFs are back,
 * and looks itself whether they are free and clean. Only a node where they are
 * not is drained. What the job's VFs carried goes into Slurm's accounting. Run
 * without a prolog, or twice, it finds nothing to do.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { JobView, StatusView, VfView } from '../api/views.js';
import { EXIT, causeText } from '../errors.js';
import { attempt, until } from './patience.js';
import { jobName, type JobEnv, type Scene } from './prolog.js';
import { withNote } from './slurm.js';

export interface EpilogScene extends Scene {
  /** What is not as it must be with a VF that vfringd calls free; undefined: nothing. */
  readonly inspect: (vf: VfView) => Promise<string | undefined>;
  /** How long VFs may take to fall free. */
  readonly freeMs: number;
}

/** Tries to write into the accounting, which epilogs of other nodes of the job write into, too. */
const ACCOUNT_TRIES = 5;

export async function epilog(env: JobEnv, scene: EpilogScene): Promise<number> {
  const { jobId, uid, node } = env;
  const { api, slurm, say, refusals, waiting } = scene;
  refusals.drop(env.label);
  let job: JobView;
  try {
    job = await attempt(() => api.endJob(jobName(env.label), { uid, kill: true }), waiting, say);
  } catch (error) {
    if ((error as { code?: string }).code === 'VFRING_ERR_NO_SUCH_JOB') {
      return EXIT.OK;
    }
    say(causeText(error));
    // The next prolog finds VFs that are not free; but then a job is there already that has to go elsewhere.
    const concerned = await slurm.hasVfs(jobId).catch(() => false);
    return concerned ? await drain(node, `the VFs of job ${jobId} may not be free: ${causeText(error)} (remedy: ${(error as { remedy?: string }).remedy ?? 'see vfring doctor'})`, scene) : EXIT.OK;
  }
  const trouble = await troubleAfter(job, scene);
  await account(env, await api.job(job.id, uid).catch(() => job), scene).catch((error: unknown) => say(`what the VFs of job ${jobId} carried is not in the accounting: ${causeText(error)}`));
  return trouble === undefined ? EXIT.OK : await drain(node, `VFs of job ${jobId} are not free and clean: ${trouble}`, scene);
}

/** What keeps the job's VFs from being used again; undefined: nothing does. */
async function troubleAfter(job: JobView, { api, freeMs, waiting: { everyMs }, inspect }: EpilogScene): Promise<string | undefined> {
  let status: StatusView | undefined;
  const mine = (): VfView[] => (status?.vfs ?? []).filter(({ name }) => job.assigned_vfs?.includes(name));
  // One that is another job's by now has been free: vfringd saw to that.
  const back = (vf: VfView): boolean => vf.state === 'free' || (vf.state === 'leased' && vf.lease?.job !== job.id);
  try {
    await until(async () => {
      status = await api.status();
      return mine().every(back);
    }, { forMs: freeMs, everyMs });
  } catch (error) {
    return causeText(error);
  }
  const missing = (job.assigned_vfs ?? []).filter((name) => !mine().some((vf) => vf.name === name)).map((name) => `${name} is no more`);
  const found: string[] = [...missing];
  for (const vf of mine()) {
    if (!back(vf)) {
      found.push(`${vf.name} (${vf.device}) is ${vf.state}${vf.reason === null ? '' : `: ${vf.reason}`}`);
    } else if (vf.state === 'free') {
      const amiss = await inspect(vf);
      found.push(...(amiss === undefined ? [] : [`${vf.name} (${vf.device}): ${amiss}`]));
    }
  }
  return found.length === 0 ? undefined : found.join(', ');
}

async function drain(node: string, why: string, { slurm, say }: EpilogScene): Promise<number> {
  say(why);
  try {
    await slurm.drain(node, `vfring: ${why}`);
    return EXIT.OK;
  } catch (error) {
    // Then Slurm is to drain it because of our status.
    say(`the node cannot be drained with a reason: ${causeText(error)}`);
    return EXIT.UNAVAILABLE;
  }
}

/** The job's record on this node, as name=value. */
export function networkRecord({ totals, assigned_vfs: vfs }: JobView): string {
  const { traffic } = totals;
  return [
    `vfs=${vfs?.length ?? 0}`, `processes=${totals.leases}`, `tx_bytes=${traffic.tx_bytes}`, `rx_bytes=${traffic.rx_bytes}`,
    `tx_frames=${traffic.tx_frames}`, `rx_frames=${traffic.rx_frames}`, `peak_pinned_bytes=${totals.peak_bytes}`,
    // What processes say at their end: one that was killed says nothing.
    `retransmitted_frames=${totals.retransmitted_frames}`, `fallbacks=${totals.fallbacks}`, ...(totals.reports < totals.leases ? [`unreported_processes=${totals.leases - totals.reports}`] : []),
    ...(totals.uncounted_vfs > 0 ? [`uncounted_vfs=${totals.uncounted_vfs}`] : []),
  ].join(' ');
}

async function account({ jobId, node }: JobEnv, job: JobView, { slurm, say, waiting }: EpilogScene): Promise<void> {
  const record = networkRecord(job);
  say(`job ${jobId}: ${record}`);
  for (let tries = 0; tries < ACCOUNT_TRIES; tries++) {
    const entry = await attempt(() => slurm.accounted(jobId), waiting, say);
    if (entry === undefined) {
      say('Slurm keeps no accounting here');
      return;
    }
    const { adminComment } = entry;
    const wanted = withNote(adminComment, node, record);
    if (adminComment.split('; ').sort().join() === wanted.split('; ').sort().join()) {
      return;
    }
    await slurm.account(entry, wanted);
    // Another node may have read before this was written, and have written since.
    await sleep(200 + Math.random() * 800);
  }
  say(`the record of job ${jobId} may be overwritten by another node's`);
}

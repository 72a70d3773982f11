// SPDX-License-Identifier: BSD-3-Clause
/** vfring job …, lease …, vf …: asks the daemon and shows what it says. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { NewJobView } from '../api/views.js';
import { parseDuration, parseSize } from '../config/units.js';
import { VfringError } from '../errors.js';
import type { ApiClient } from '../api/client.js';
import { out, say, show, type JsonOption } from './output.js';
import { historyText, jobText, jobsText, leasesText, pfText, statusText } from './status.js';

export interface CreateOptions extends JsonOption {
  readonly id?: string;
  readonly ranks?: string;
  readonly vfs?: string;
  readonly memory?: string;
  readonly timeLimit?: string;
  readonly wait?: string;
  readonly spread?: 'pf' | 'pack';
  readonly uid?: string;
}

const WAIT_POLL_MS = 500;

export async function showStatus(api: ApiClient, options: JsonOption): Promise<void> {
  show(options, await api.status(), statusText);
}

export async function showPfs(api: ApiClient, options: JsonOption): Promise<void> {
  const status = await api.status();
  show(options, options.json ? status.vfs : status, () => pfText(status));
}

export async function showVf(api: ApiClient, name: string, options: JsonOption & { limit?: string }): Promise<void> {
  show(options, await api.vfHistory(name, wholeNumber('--limit', options.limit)), leasesText);
}

export async function listJobs(api: ApiClient, options: JsonOption & { since?: string; uid?: string }): Promise<void> {
  const uid = wholeNumber('--uid', options.uid);
  if (options.since === undefined) {
    show(options, await api.jobs(uid), jobsText);
    return;
  }
  const since = new Date(moment('--since', options.since)).toISOString();
  const [days, jobs] = await Promise.all([api.usage(since, uid), api.jobsSince(since, uid)]);
  show(options, { since, days, jobs }, historyText);
}

export async function showJob(api: ApiClient, id: string, options: JsonOption & { uid?: string }): Promise<void> {
  show(options, await api.job(id, wholeNumber('--uid', options.uid)), jobText);
}

/** Prints the id alone, for scripts; waits until the job has its VFs. */
export async function createJob(api: ApiClient, options: CreateOptions): Promise<void> {
  let job = await api.createJob(jobWish(options));
  if (job.state === 'queued') {
    say(`job ${job.id} waits for ${job.vfs} VFs until ${job.wait_until}`);
  }
  while (job.state === 'queued') {
    await sleep(WAIT_POLL_MS);
    job = await api.job(job.id, job.uid);
  }
  if (job.state === 'ended') {
    throw new VfringError('VFRING_ERR_NO_FREE_VF', { what: `job ${job.id} has ended before it got its VFs: ${job.how ?? 'unknown'}` });
  }
  show(options, job, () => job.id);
}

export async function endJob(api: ApiClient, id: string, options: JsonOption & { kill?: boolean; uid?: string }): Promise<void> {
  show(options, await api.endJob(id, { kill: options.kill, uid: wholeNumber('--uid', options.uid) }), jobText);
}

export async function listLeases(api: ApiClient, options: JsonOption): Promise<void> {
  show(options, await api.leases(), leasesText);
}

export async function endLease(api: ApiClient, id: string, { vf }: { readonly vf?: string }): Promise<void> {
  const { goes_on: goesOn } = await api.endLease(id, vf);
  say(goesOn ? `VF ${vf} is taken back from lease ${id}, which goes on with its others` : `lease ${id} has ended: its VFs are taken back, its process was left running`);
}

export async function showMetrics(api: ApiClient): Promise<void> {
  out((await api.metrics()).trimEnd());
}

function jobWish(options: CreateOptions): NewJobView {
  const wish = {
    id: options.id,
    ranks: wholeNumber('--ranks', options.ranks),
    vfs: wholeNumber('--vfs', options.vfs),
    memory_bytes: measure('--memory', options.memory, parseSize, '64MiB'),
    time_limit_s: measure('--time-limit', options.timeLimit, parseDuration, '2h'),
    wait_s: measure('--wait', options.wait, parseDuration, '10m'),
    uid: wholeNumber('--uid', options.uid),
    spread: options.spread,
  };
  return Object.fromEntries(Object.entries(wish).filter(([, value]) => value !== undefined));
}

const YEAR_FIRST = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})?)?$/;

/** So long ago, or a date; in ms since 1970. */
function moment(option: string, text: string): number {
  const seconds = parseDuration(text);
  const at = seconds !== undefined ? Date.now() - seconds * 1000 : YEAR_FIRST.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(at)) {
    throw new VfringError('VFRING_ERR_USAGE', { what: `${option} ${text}: neither a time with its unit nor a date`, remedy: `for example ${option} 7d, or ${option} 2026-11-01` });
  }
  return at;
}

export function wholeNumber(option: string, text: string | undefined): number | undefined {
  if (text === undefined) {
    return undefined;
  }
  if (!/^\d{1,10}$/.test(text)) {
    throw new VfringError('VFRING_ERR_USAGE', { what: `${option} ${text}: not a whole number`, remedy: `for example ${option} 4` });
  }
  return Number(text);
}

function measure(option: string, text: string | undefined, parse: (text: string) => number | undefined, example: string): number | undefined {
  if (text === undefined) {
    return undefined;
  }
  const value = parse(text);
  if (value === undefined) {
    throw new VfringError('VFRING_ERR_USAGE', { what: `${option} ${text}: a whole number and its unit`, remedy: `for example ${option} ${example}` });
  }
  return value;
}

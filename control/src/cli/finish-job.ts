// SPDX-License-Identifier: BSD-3-Clause
import { setTimeout as sleep } from 'node:timers/promises';
import type { JobView } from '../api/views.js';
import { isVfringError } from '../errors.js';
import type { ApiClient } from '../api/client.js';

/** Leases end as soon as the kernel reports that their processes did. */
const LEASES_END_MS = 5000;
/** A vfringd that is started anew, with the leases of its predecessor, answers within this. */
const RESTART_MS = 2000;
const POLL_MS = 50;

/**
 * Waits for the job's leases to end, so that its figures are final, and ends it. Throws when vfringd does not come back.
 *
 * @param since ms since 1970: the job goes on, and only the leases that it was given from then on are waited for and returned
 */
export async function finishJob(api: ApiClient, id: string, since?: number): Promise<JobView> {
  const start = performance.now();
  for (;;) {
    const waited = performance.now() - start;
    try {
      const job = since === undefined ? await api.job(id) : onlySince(await api.job(id), since);
      if (waited >= LEASES_END_MS || job.leases.every((lease) => lease.state === 'ended')) {
        return since === undefined ? await api.endJob(id) : job;
      }
    } catch (error) {
      const away = isVfringError(error, 'VFRING_ERR_NO_DAEMON') || isVfringError(error, 'VFRING_ERR_NO_ANSWER');
      if (!away || waited >= RESTART_MS) {
        throw error;
      }
    }
    await sleep(POLL_MS);
  }
}

const onlySince = (job: JobView, since: number): JobView => ({ ...job, leases: job.leases.filter((lease) => Date.parse(lease.granted_at) >= since) });

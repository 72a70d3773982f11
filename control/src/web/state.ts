// SPDX-License-Identifier: BSD-3-Clause
/** The state of the node, as the page is told it. */
import { hostname } from 'node:os';
import { jobHead, trafficView } from '../api/views.js';
import { queued, reserved } from '../leases/claims.js';
import type { PoolEntry } from '../leases/pool.js';
import type { LeaseManager, Settings } from '../leases/manager.js';
import type { JobRegistry } from '../jobs/registry.js';
import type { Ledger } from '../ledger/ledger.js';
import type { JobRecord } from '../ledger/records.js';
import type { History } from './history.js';
import type { RecentEvents } from './recent.js';
import type { PageJob, PageState, PageVf } from './view.js';

export interface PageSource {
  readonly release: string;
  readonly startedAt: number;
  readonly manager: LeaseManager;
  readonly jobs: JobRegistry;
  readonly ledger: Ledger;
  readonly settings: Settings;
  readonly history: History;
  readonly recent: RecentEvents;
}

/** Of what has ended, so many; all that is under way, up to as many as there can be VFs. */
const MOST_ENDED = 50;
const MOST_UNDER_WAY = 256;

export function pageState({ release, startedAt, manager, jobs, ledger, settings, history, recent }: PageSource): PageState {
  const active = jobs.active();
  const { entries } = manager.pool;
  const troubles = new Map(manager.troubles.map(({ pf, message, remedy }) => [pf, { message, remedy }]));
  const pfs = [...new Set([...entries.map(({ vf }) => vf.pf), ...troubles.keys()])];
  const newest = ledger.jobs(MOST_ENDED + MOST_UNDER_WAY);
  const known = new Set(newest.map(({ key }) => key));
  // What began long ago and holds VFs still.
  const older = ledger.jobsByKey(new Set(entries.flatMap(({ lease }) => (lease === undefined || known.has(lease.job.key) ? [] : [lease.job.key]))));
  const underWay = [...newest, ...older.values()].filter(({ state }) => state !== 'ended').slice(0, MOST_UNDER_WAY);
  const ended = newest.filter(({ state }) => state === 'ended').slice(0, MOST_ENDED);
  return {
    release,
    host: hostname(),
    pid: process.pid,
    started_at: startedAt,
    provider: settings.provider.kind,
    reserved_vfs: reserved(active),
    queued_vfs: queued(active),
    pfs: pfs.map((name) => ({ name, trouble: troubles.get(name) ?? null })),
    vfs: entries.map(pageVf),
    jobs: [...underWay, ...ended].map(pageJob),
    granted: manager.tally.granted,
    refused: manager.tally.refused,
    events: recent.events,
    sample: history.last,
  };
}

function pageVf({ vf, state, reason, linkDown, lease, leased }: PoolEntry): PageVf {
  return {
    name: vf.name,
    pf: vf.pf,
    numa: vf.numa,
    mtu: vf.mtu,
    segment: vf.segment,
    vlan: vf.vlan,
    state,
    link_up: linkDown === undefined,
    reason: reason ?? linkDown?.cause ?? null,
    lease: lease === undefined ? null : {
      id: lease.id,
      job: lease.job.id,
      uid: lease.uid,
      pid: lease.pid,
      rank: lease.rank,
      live_bytes: leased?.liveBytes ?? null,
      peak_bytes: leased?.peakBytes ?? null,
      limit_bytes: lease.dmaLimitBytes,
      traffic: leased?.traffic ? trafficView(leased.traffic) : null,
    },
  };
}

function pageJob(job: JobRecord): PageJob {
  const { totals } = job;
  return {
    ...jobHead(job),
    created_at: job.createdAt,
    ended_at: job.endedAt ?? null,
    wait_until: job.waitUntil?.wall ?? null,
    totals: {
      ...trafficView(totals.traffic), leases: totals.leases, peak_bytes: totals.peakBytes, retransmitted: totals.retransmitted, fallbacks: totals.fallbacks, reports: totals.reports,
    },
  };
}

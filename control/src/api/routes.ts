// SPDX-License-Identifier: BSD-3-Clause
/**
 * Every call of the admin API: its place, who may make it, what goes in and
 * what comes out. The server serves this table, openapi.ts describes it.
 */
import * as z from 'zod';
import type { JobControl } from '../jobs/control.js';
import type { JobRegistry } from '../jobs/registry.js';
import type { LeaseManager, Settings } from '../leases/manager.js';
import { VfringError, badRequest } from '../errors.js';
import type { Ledger } from '../ledger/ledger.js';
import type { JobRecord, LeaseRecord, UsageRecord } from '../ledger/records.js';
import type { PeerCred } from '../native.js';
import type { PlannedStep } from '../providers/provider.js';
import { metricsText } from './metrics.js';
import * as schemas from './schemas.js';
import { jobView, leaseView, statusView, usageView, type JobView, type LeaseView, type PageStatus, type UsageView } from './views.js';

export interface ApiContext {
  readonly manager: LeaseManager;
  readonly jobs: JobRegistry;
  readonly control: JobControl;
  readonly ledger: Ledger;
  readonly settings: Settings;
  readonly reload: (force: boolean) => Promise<readonly PlannedStep[]>;
  /** By the clock that people read. */
  readonly startedAt: number;
  /** Undefined: it is not configured. */
  readonly page: () => PageStatus | undefined;
  /** Does a part of what is long, some milliseconds of it, when no lease waits for that. */
  readonly inTurn: <T>(work: () => T) => Promise<T>;
}

/** Who calls, by the kernel's word. */
export interface Caller extends PeerCred {
  /** root, or the user that vfringd runs as. */
  readonly admin: boolean;
}

export interface Call {
  readonly caller: Caller;
  /** Parts of the path, decoded. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, unknown>>;
  readonly body: unknown;
}

export interface Route {
  readonly id: string;
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** With {names}. */
  readonly path: string;
  readonly summary: string;
  readonly who: 'everybody' | 'administrators';
  readonly query?: z.ZodObject;
  readonly body?: z.ZodObject;
  readonly status: 200 | 201;
  /** Of the answer; a string answer is plain text. */
  readonly answer: z.ZodType;
  readonly handle: (call: Call, context: ApiContext) => unknown;
}

const MAX_LISTED = 256;
/** Of each job in a list. */
const MAX_LISTED_LEASES = 64;
const MAX_HISTORY = 1000;
/** Of users and days. */
const MAX_USAGE = 10_000;
/** What takes some milliseconds: nobody who asks for VFs waits for more of it at a time. */
const LEASES_A_TURN = 100;
const DAYS_A_TURN = 500;
/** Of the ledger's keys: they are counted up from 1. */
const MAX_KEY = 9_999_999_999;

/** A number as it stands in a query. */
const wholeNumber = (max: number): z.ZodType => z.string().regex(/^\d{1,10}$/).transform(Number).pipe(z.int().min(0).max(max));
const whose = { uid: wholeNumber(2 ** 32 - 2).optional() };
const flag = z.enum(['true', 'false']).optional();
const moment = z.iso.datetime({ offset: true, error: 'a moment in ISO 8601, for example 2026-11-30T08:00:00Z' });

export const ROUTES: readonly Route[] = [
  {
    id: 'getStatus',
    method: 'GET',
    path: '/v1/status',
    summary: 'The VFs of this node, who has them, and what the policy allows',
    who: 'everybody',
    status: 200,
    answer: schemas.statusSchema,
    handle: ({ caller }, { manager, jobs, settings: { config, provider }, startedAt, page }) =>
      statusView({ provider: provider.kind, config, startedAt, entries: manager.pool.entries, jobs: jobs.active(), troubles: manager.troubles, page: page() }, caller.admin, caller.uid),
  },
  {
    id: 'listJobs',
    method: 'GET',
    path: '/v1/jobs',
    summary: `Your jobs, newest first, at most ${MAX_LISTED}, each with its newest ${MAX_LISTED_LEASES} leases at most, and 1000 leases in all; to administrators those of all users`,
    who: 'everybody',
    query: z.strictObject({ ...whose, since: moment.describe('jobs that were under way then or after').optional(), before: wholeNumber(MAX_KEY).describe('next of the answer before').optional(), leases: flag }),
    status: 200,
    answer: schemas.jobsSchema,
    handle: async ({ caller, query }, context) => {
      const found = context.ledger.jobs(MAX_LISTED, { uid: whoseJobs(caller, query), sinceMs: momentOf(query), before: query['before'] as number | undefined });
      const next = found.length < MAX_LISTED ? null : (found.at(-1)?.key ?? null);
      return { jobs: query['leases'] === 'false' ? found.map((job) => jobView(job, [])) : await jobViews(found, MAX_LISTED_LEASES, context), next };
    },
  },
  {
    id: 'getUsage',
    method: 'GET',
    path: '/v1/usage',
    summary: `What you had, by day, for a year, whatever else is forgotten; to administrators that of all users, the newest ${MAX_USAGE} rows at most`,
    who: 'everybody',
    query: z.strictObject({ ...whose, since: moment.optional() }),
    status: 200,
    answer: schemas.usageSchema,
    handle: async ({ caller, query }, { ledger, inTurn }) => {
      const days: UsageView[] = [];
      const uid = whoseJobs(caller, query);
      let first: UsageRecord | undefined;
      for (let more = true; more && days.length < MAX_USAGE;) {
        const part = await inTurn(() => {
          const found = ledger.usage(momentOf(query) ?? 0, DAYS_A_TURN, uid, first);
          [first] = found;
          return found.map(usageView);
        });
        days.unshift(...part);
        more = part.length === DAYS_A_TURN;
      }
      return { days };
    },
  },
  {
    id: 'createJob',
    method: 'POST',
    path: '/v1/jobs',
    summary: 'Makes a job; its id is the VFRING_JOB of its processes',
    who: 'everybody',
    body: schemas.newJobSchema,
    status: 201,
    answer: schemas.jobSchema,
    handle: async ({ caller, body }, { control, ledger }) => {
      const { memory_bytes: memoryBytes, time_limit_s: timeLimitS, wait_s: waitS, one_run: oneRun, shares_memory: sharesMemory, uid, id: name, devices, ...rest } = body as z.output<typeof schemas.newJobSchema>;
      if (uid !== undefined && uid !== caller.uid && !caller.admin) {
        throw forbidden('a job for another user');
      }
      const wish = { ...rest, memoryBytes, timeLimitS, oneRun, sharesMemory };
      if (devices !== undefined && !caller.admin) {
        throw forbidden('a job with VFs that a resource manager has assigned');
      }
      const job = devices === undefined ? await control.create(uid ?? caller.uid, wish, waitS, name) : await control.assign(uid ?? caller.uid, wish, devices, name);
      return jobView(ledger.job(job.key) as JobRecord, []);
    },
  },
  {
    id: 'getJob',
    method: 'GET',
    path: '/v1/jobs/{id}',
    summary: 'A job, its leases, and what each VF carried',
    who: 'everybody',
    query: z.strictObject(whose),
    status: 200,
    answer: schemas.jobSchema,
    handle: async (call, context) => (await jobViews([findJob(call, context.ledger)], undefined, context))[0],
  },
  {
    id: 'endJob',
    method: 'DELETE',
    path: '/v1/jobs/{id}',
    summary: 'Ends a job: it takes no more leases. Those that processes hold end with them; with kill=true the processes are told to end, and killed if they do not',
    who: 'everybody',
    query: z.strictObject({ ...whose, kill: flag }),
    status: 200,
    answer: schemas.jobSchema,
    handle: async (call, context) => {
      const { control, jobs, ledger } = context;
      const record = findJob(call, ledger);
      const job = jobs.byKey(record.key);
      if (job !== undefined) {
        await control.end(job, 'on request', call.query['kill'] === 'true');
      }
      return (await jobViews([ledger.job(record.key) ?? record], undefined, context))[0];
    },
  },
  {
    id: 'listLeases',
    method: 'GET',
    path: '/v1/leases',
    summary: 'Leases that are held now: yours, or to administrators all',
    who: 'everybody',
    status: 200,
    answer: schemas.leasesSchema,
    handle: ({ caller }, context) => ({ leases: leaseViews(context.ledger.openLeases().filter((lease) => maySee(caller, lease)), context) }),
  },
  {
    id: 'endLease',
    method: 'DELETE',
    path: '/v1/leases/{id}',
    summary: 'Takes a lease, or one VF of it, away from its process, which is left running. A lease that has VFs left goes on',
    who: 'administrators',
    query: z.strictObject({ vf: z.string().min(1).max(64).optional() }),
    status: 200,
    answer: z.object({ lease: z.string(), goes_on: z.boolean() }),
    handle: async ({ params, query }, { manager }) => {
      const id = params['id'] ?? '';
      await manager.revoke(id, query['vf'] as string | undefined);
      return { lease: id, goes_on: manager.leases().some((lease) => lease.id === id) };
    },
  },
  {
    id: 'getVfHistory',
    method: 'GET',
    path: '/v1/vfs/{name}/leases',
    summary: 'Who had a VF when, newest first',
    who: 'everybody',
    query: z.strictObject({ limit: wholeNumber(MAX_HISTORY).optional() }),
    status: 200,
    answer: schemas.leasesSchema,
    handle: async ({ caller, params, query }, context) => {
      const { ledger } = context;
      const parts = await inTurns(ledger.leaseIdsOfVf(params['name'] ?? '', Number(query['limit'] ?? 20)), context, (ids) =>
        leaseViews(ledger.leases(ids).reverse().filter((lease) => maySee(caller, lease)), context));
      return { leases: parts.flat() };
    },
  },
  {
    id: 'getPlan',
    method: 'GET',
    path: '/v1/plan',
    summary: 'How the node differs from its configuration: what would be changed, VFs in use left alone',
    who: 'administrators',
    status: 200,
    answer: schemas.planSchema,
    handle: async (_call, { manager }) => ({ steps: (await manager.plan()).map(stepView) }),
  },
  {
    id: 'reconcile',
    method: 'POST',
    path: '/v1/reconcile',
    summary: 'Looks at every PF and VF now and puts right what differs; answers with what is left to do',
    who: 'administrators',
    body: z.strictObject({}),
    status: 200,
    answer: schemas.planSchema,
    handle: async (_call, { manager }) => {
      await manager.reconcile(true);
      return { steps: (await manager.plan()).map(stepView) };
    },
  },
  {
    id: 'provision',
    method: 'POST',
    path: '/v1/provision',
    summary: 'Reads the configuration file again and makes the node so; refuses to take VFs from under processes unless force is true',
    who: 'administrators',
    body: z.strictObject({ force: z.boolean().optional() }),
    status: 200,
    answer: schemas.planSchema,
    handle: async ({ body }, { reload }) => ({ steps: (await reload((body as { force?: boolean }).force === true)).map(stepView) }),
  },
  {
    id: 'getMetrics',
    method: 'GET',
    path: '/v1/metrics',
    summary: 'Metrics for Prometheus, with the labels of jobs',
    who: 'administrators',
    status: 200,
    answer: z.string(),
    handle: (_call, context) => metricsText(context, context.page()),
  },
];

const stepView = ({ what, why, disturbs }: PlannedStep): z.output<typeof schemas.planSchema>['steps'][number] => ({ what, why, ...(disturbs && { disturbs: [...disturbs] }) });

/** Jobs, each with its newest `limit` leases. */
async function jobViews(jobs: readonly JobRecord[], limit: number | undefined, context: ApiContext): Promise<JobView[]> {
  const { ledger, manager } = context;
  const labels = new Map(jobs.map(({ key, id }) => [key, id]));
  const views = new Map(jobs.map(({ key }) => [key, [] as LeaseView[]]));
  // Oldest first, each job's too.
  const ids = ledger.leaseIdsOf(jobs.map(({ key }) => key), limit).sort((a, b) => a - b);
  await inTurns(ids, context, (part) =>
    ledger.leases(part).forEach((lease) => views.get(lease.jobKey)?.push(leaseView(lease, labels.get(lease.jobKey) ?? '', (key) => manager.nodesOf(key)))));
  return jobs.map((job) => jobView(job, views.get(job.key) ?? []));
}

function leaseViews(leases: readonly LeaseRecord[], { ledger, manager }: ApiContext): LeaseView[] {
  const jobs = ledger.jobsByKey(new Set(leases.map(({ jobKey }) => jobKey)));
  return leases.map((lease) => leaseView(lease, jobs.get(lease.jobKey)?.id ?? '', (key) => manager.nodesOf(key)));
}

const maySee = ({ admin, uid }: Caller, lease: LeaseRecord): boolean => admin || uid === lease.uid;

/** What is done to leases by their ids, so many at a time. */
async function inTurns<T>(ids: readonly number[], { inTurn }: ApiContext, work: (ids: readonly number[]) => T): Promise<T[]> {
  const done: T[] = [];
  for (let from = 0; from < ids.length; from += LEASES_A_TURN) {
    done.push(await inTurn(() => work(ids.slice(from, from + LEASES_A_TURN))));
  }
  return done;
}

/** Undefined: those of all users. */
function whoseJobs(caller: Caller, query: Call['query']): number | undefined {
  const uid = query['uid'] as number | undefined;
  if (uid !== undefined && uid !== caller.uid && !caller.admin) {
    throw forbidden("other users' jobs");
  }
  return uid ?? (caller.admin ? undefined : caller.uid);
}

const momentOf = (query: Call['query']): number | undefined => (query['since'] === undefined ? undefined : Date.parse(String(query['since'])));

export function forbidden(what: string): VfringError {
  return new VfringError('VFRING_ERR_FORBIDDEN', { what });
}

/** Another user's job is as unknown as one that is not there. */
function findJob({ caller, params, query }: Call, ledger: Ledger): JobRecord {
  const id = params['id'] ?? '';
  const uid = query['uid'] as number | undefined;
  const mine = ledger.findJob(uid ?? caller.uid, id);
  const job = mine !== undefined && (mine.uid === caller.uid || caller.admin) ? mine : caller.admin && uid === undefined ? only(ledger.findJobs(id), id) : undefined;
  if (job === undefined) {
    throw new VfringError('VFRING_ERR_NO_SUCH_JOB', { job: id });
  }
  return job;
}

function only(jobs: readonly JobRecord[], id: string): JobRecord | undefined {
  if (jobs.length > 1) {
    throw badRequest(`several users have a job ${id}: uids ${jobs.map(({ uid }) => uid).join(', ')}`, 'say whose: --uid UID (?uid= in the API)');
  }
  return jobs[0];
}


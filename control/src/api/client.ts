// SPDX-License-Identifier: BSD-3-Clause
/** Asks vfringd over api.sock. */
import { request } from 'node:http';
import type { JobView, JobsView, LeaseView, NewJobView, PlanView, StatusView, UsageView } from './views.js';
import { CATALOGUE, EXIT, VfringError, causeText, errnoCode, type ErrorReport } from '../errors.js';
import { apiSocket } from '../paths.js';

/** Provisioning may wait for links and nodes. */
const TIMEOUT_MS = 120_000;
const METRICS = '/v1/metrics';

/** An error that the daemon reported, with its own words. */
export class ReportedError extends Error {
  readonly exitStatus: number;
  readonly code: string;
  readonly remedy: string;

  constructor(report: ErrorReport) {
    super(report.message);
    const known = Object.entries(CATALOGUE).find(([code]) => code === report.code);
    this.exitStatus = known?.[1].exit ?? EXIT.UNAVAILABLE;
    this.code = report.code;
    this.remedy = report.remedy;
  }
}

export interface ApiClient {
  status(): Promise<StatusView>;
  /** The newest; of one user, or of all whose jobs one may see. */
  jobs(uid?: number): Promise<JobView[]>;
  /** Those that were under way at a moment (ISO 8601) or after, newest first, without their leases. Of one user, or of all whose jobs one may see. */
  jobsSince(since: string, uid?: number): Promise<JobView[]>;
  usage(since: string, uid?: number): Promise<UsageView[]>;
  job(id: string, uid?: number): Promise<JobView>;
  createJob(options: NewJobView): Promise<JobView>;
  endJob(id: string, options?: { uid?: number | undefined; kill?: boolean | undefined }): Promise<JobView>;
  leases(): Promise<LeaseView[]>;
  /** With `vf` that VF alone; what is left goes on. */
  endLease(id: string, vf?: string): Promise<{ readonly goes_on: boolean }>;
  vfHistory(name: string, limit?: number): Promise<LeaseView[]>;
  plan(): Promise<PlanView>;
  provision(force: boolean): Promise<PlanView>;
  metrics(): Promise<string>;
}

/** Every call throws VFRING_ERR_NO_DAEMON when nobody is there, VFRING_ERR_NO_ANSWER when somebody is and does not answer, else ReportedError. */
export function apiClient(runDir: string): ApiClient {
  const socket = apiSocket(runDir);

  async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
    const { status, text } = await exchange(socket, method, path, body).catch((error: unknown) => {
      throw unreachable(socket, error);
    });
    let value: unknown;
    try {
      value = status < 400 && path === METRICS ? text : JSON.parse(text);
    } catch {
      throw new VfringError('VFRING_ERR_NO_ANSWER', { socket, cause: `what it says is not understood (HTTP ${status})` });
    }
    if (status >= 400) {
      throw new ReportedError(value as ErrorReport);
    }
    return value as T;
  }

  const part = encodeURIComponent;
  const withQuery = (path: string, query: Record<string, string | number | undefined> = {}): string => {
    const given = Object.entries(query).filter((pair): pair is [string, string | number] => pair[1] !== undefined);
    const text = given.map(([key, value]) => `${key}=${part(String(value))}`).join('&');
    return text === '' ? path : `${path}?${text}`;
  };
  const jobPath = (id: string, query: Record<string, string | number | undefined> = {}): string => withQuery(`/v1/jobs/${part(id)}`, query);

  /** One page after the other. */
  async function jobsSince(since: string, uid: number | undefined): Promise<JobView[]> {
    const all: JobView[] = [];
    let before: number | undefined;
    do {
      const { jobs, next } = await call<JobsView>('GET', withQuery('/v1/jobs', { since, uid, before, leases: 'false' }));
      all.push(...jobs);
      before = next ?? undefined;
    } while (before !== undefined);
    return all;
  }

  return {
    status: () => call('GET', '/v1/status'),
    jobs: async (uid) => (await call<JobsView>('GET', withQuery('/v1/jobs', { uid }))).jobs,
    jobsSince,
    usage: async (since, uid) => (await call<{ days: UsageView[] }>('GET', withQuery('/v1/usage', { since, uid }))).days,
    job: (id, uid) => call('GET', jobPath(id, { uid })),
    createJob: (options) => call('POST', '/v1/jobs', options),
    endJob: (id, { uid, kill } = {}) => call('DELETE', jobPath(id, { uid, kill: kill ? 'true' : undefined })),
    leases: async () => (await call<{ leases: LeaseView[] }>('GET', '/v1/leases')).leases,
    endLease: (id, vf) => call('DELETE', `/v1/leases/${part(id)}${vf === undefined ? '' : `?vf=${part(vf)}`}`),
    vfHistory: async (name, limit) =>
      (await call<{ leases: LeaseView[] }>('GET', `/v1/vfs/${part(name)}/leases${limit === undefined ? '' : `?limit=${limit}`}`)).leases,
    plan: () => call('GET', '/v1/plan'),
    provision: (force) => call('POST', '/v1/provision', { force }),
    metrics: () => call('GET', METRICS),
  };
}

function exchange(
  socketPath: string,
  method: string,
  path: string,
  body: unknown,
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ socketPath, method, path, timeout: TIMEOUT_MS, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (text += chunk));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
      response.on('error', reject);
    });
    outgoing.on('timeout', () => outgoing.destroy(new Error(`no answer within ${TIMEOUT_MS / 1000} s`)));
    outgoing.on('error', reject);
    outgoing.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

function unreachable(socket: string, error: unknown): VfringError {
  const missing = (cause: string): VfringError => new VfringError('VFRING_ERR_NO_DAEMON', { socket, cause }, { cause: error });
  switch (errnoCode(error)) {
    case 'ENOENT':
      return missing('there is no such socket; the daemon does not run');
    case 'ECONNREFUSED':
      return missing('nobody listens; the daemon has ended');
    case 'EACCES':
      return missing('permission denied');
    case 'ECONNRESET':
    case 'EPIPE':
      // What a process does with a connection for which it has no descriptor left.
      return new VfringError('VFRING_ERR_NO_ANSWER', { socket, cause: 'it closed the connection at once' }, { cause: error });
    default:
      return new VfringError('VFRING_ERR_NO_ANSWER', { socket, cause: causeText(error) }, { cause: error });
  }
}

// SPDX-License-Identifier: BSD-3-Clause
/** Asks vfringd over api.sock. */
import { request } from 'node:http';
import type { JobView, StatusView } from '../api/views.js';
import type { Spread } from '../config/schema.js';
import { EXIT, VfringError, causeText, errnoCode, type ErrorReport } from '../errors.js';
import { apiSocket } from '../paths.js';

const TIMEOUT_MS = 30_000;

/** An error that the daemon reported, with its own words. */
export class ReportedError extends Error {
  readonly exitStatus = EXIT.UNAVAILABLE;
  readonly code: string;
  readonly remedy: string;

  constructor(report: ErrorReport) {
    super(report.message);
    this.code = report.code;
    this.remedy = report.remedy;
  }
}

export interface ApiClient {
  status(): Promise<StatusView>;
  jobs(): Promise<JobView[]>;
  job(id: string): Promise<JobView>;
  createJob(options: { ranks?: number; spread?: Spread }): Promise<JobView>;
  endJob(id: string): Promise<JobView>;
}

/** Every call throws VFRING_ERR_NO_DAEMON when nobody answers, else ReportedError. */
export function apiClient(runDir: string): ApiClient {
  const socket = apiSocket(runDir);

  async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
    const { status, text } = await exchange(socket, method, path, body).catch((error: unknown) => {
      throw new VfringError('VFRING_ERR_NO_DAEMON', { socket, cause: connectCause(error) }, { cause: error });
    });
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      throw new VfringError('VFRING_ERR_NO_DAEMON', { socket, cause: `its answer is not understood (HTTP ${status})` });
    }
    if (status >= 400) {
      throw new ReportedError(value as ErrorReport);
    }
    return value as T;
  }

  const jobPath = (id: string): string => `/v1/jobs/${encodeURIComponent(id)}`;
  return {
    status: () => call('GET', '/v1/status'),
    jobs: async () => (await call<{ jobs: JobView[] }>('GET', '/v1/jobs')).jobs,
    job: (id) => call('GET', jobPath(id)),
    createJob: (options) => call('POST', '/v1/jobs', options),
    endJob: (id) => call('DELETE', jobPath(id)),
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

function connectCause(error: unknown): string {
  switch (errnoCode(error)) {
    case 'ENOENT':
      return 'there is no such socket; the daemon does not run';
    case 'ECONNREFUSED':
      return 'nobody listens; the daemon has ended';
    case 'EACCES':
      return 'permission denied';
    default:
      return causeText(error);
  }
}

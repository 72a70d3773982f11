// SPDX-License-Identifier: BSD-3-Clause
/** HTTP and JSON on api.sock: status of the node, jobs and their reports. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { z } from 'zod';
import type { Spread } from '../config/schema.js';
import type { JobStore } from '../daemon/job-registry.js';
import type { LeaseManager } from '../daemon/lease-manager.js';
import { badRequest } from '../daemon/lease-messages.js';
import type { Processes } from '../daemon/processes.js';
import { listenForAll } from '../daemon/run-dir.js';
import { VfringError, asVfringError, type ErrorCode } from '../errors.js';
import type { Log } from '../log.js';
import type { PeerCred } from '../native.js';
import type { VfKind } from '../providers/provider.js';
import { jobView, maySee, vfView, type JobView, type StatusView } from './views.js';

export interface ApiOptions {
  readonly manager: LeaseManager;
  readonly jobs: JobStore;
  readonly processes: Processes;
  readonly provider: VfKind;
  readonly spread: Spread;
  readonly log: Log;
}

export interface ApiServer {
  listen(path: string): Promise<void>;
  close(): Promise<void>;
}

const MAX_BODY_BYTES = 64 * 1024;
const REQUEST_MS = 5000;
const MAX_CONNECTIONS_PER_UID = 256;
const ROOT = 0;

const HTTP_STATUS: Partial<Record<ErrorCode, number>> = {
  VFRING_ERR_BAD_REQUEST: 400,
  VFRING_ERR_NO_SUCH_JOB: 404,
};

const newJob = z.strictObject({
  ranks: z.int().min(1).max(1_000_000).optional(),
  spread: z.enum(['pf', 'pack']).optional(),
});

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

export function apiServer(options: ApiOptions): ApiServer {
  const startedAt = new Date().toISOString();
  const perUid = new Map<number, number>();

  async function route(request: IncomingMessage, peer: PeerCred): Promise<Answer> {
    const path = (request.url ?? '').split('?', 1)[0] ?? '';
    const body = await readBody(request);
    const [, version, kind, id, more] = path.split('/');
    const call = `${request.method} ${kind}${id === undefined ? '' : '/:id'}`;
    if (version !== 'v1' || more !== undefined) {
      return notFound(path);
    }
    switch (call) {
      case 'GET status':
        return { status: 200, body: status(options, startedAt, peer.uid) };
      case 'GET jobs':
        return { status: 200, body: { jobs: options.jobs.list(peer.uid === ROOT ? undefined : peer.uid).map(jobView) } };
      case 'POST jobs':
        return { status: 201, body: createJob(options, peer.uid, body) };
      case 'GET jobs/:id':
        return { status: 200, body: jobView(findJob(options.jobs, peer.uid, id ?? '')) };
      case 'DELETE jobs/:id': {
        const job = findJob(options.jobs, peer.uid, id ?? '');
        options.jobs.end(job);
        return { status: 200, body: jobView(job) };
      }
      default:
        return notFound(path);
    }
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let result: Answer;
    try {
      result = await route(request, options.processes.peerOf(request.socket));
    } catch (error) {
      const known = asVfringError(error);
      if (known.code === 'VFRING_ERR_INTERNAL') {
        options.log.error('an API request failed', { cause: known.message });
      }
      result = { status: HTTP_STATUS[known.code] ?? 500, body: known.report() };
    }
    if (!response.destroyed) {
      response.writeHead(result.status, { 'content-type': 'application/json', connection: 'close' });
      response.end(`${JSON.stringify(result.body)}\n`);
    }
  }

  const server: Server = createServer(
    { requestTimeout: REQUEST_MS, headersTimeout: REQUEST_MS, connectionsCheckingInterval: 500, maxHeaderSize: 8192 },
    (request, response) => void answer(request, response),
  );
  server.on('connection', (socket) => {
    let uid: number;
    try {
      ({ uid } = options.processes.peerOf(socket));
    } catch {
      socket.destroy();
      return;
    }
    const count = (perUid.get(uid) ?? 0) + 1;
    perUid.set(uid, count);
    socket.once('close', () => {
      const left = (perUid.get(uid) ?? 1) - 1;
      if (left > 0) {
        perUid.set(uid, left);
      } else {
        perUid.delete(uid);
      }
    });
    if (count > MAX_CONNECTIONS_PER_UID) {
      socket.destroy();
    }
  });

  return {
    listen: (path) => listenForAll(server, path),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function status({ manager, provider, spread }: ApiOptions, startedAt: string, uid: number): StatusView {
  return {
    version: 1,
    pid: process.pid,
    provider,
    spread,
    started_at: startedAt,
    vfs: manager.pool.entries.map((entry) => vfView(entry, uid)),
  };
}

function createJob({ jobs, log }: ApiOptions, uid: number, body: string): JobView {
  let value: unknown;
  try {
    value = body === '' ? {} : JSON.parse(body);
  } catch {
    throw badRequest('the body is not JSON');
  }
  const parsed = newJob.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw badRequest(`wrong job: ${[issue?.path.join('.'), issue?.message].filter(Boolean).join(': ')}`);
  }
  const job = jobs.create(uid, parsed.data);
  log.info('job created', { job: job.id, uid, ranks: job.ranks });
  return jobView(job);
}

/** Another user's job is as unknown as one that is not there. */
function findJob(jobs: JobStore, uid: number, id: string) {
  let label: string;
  try {
    label = decodeURIComponent(id);
  } catch {
    throw badRequest(`the job id ${id} is not well escaped`);
  }
  const job = jobs.find(uid, label) ?? jobs.list().find((other) => other.id === label && maySee(uid, other.uid));
  if (job === undefined) {
    throw new VfringError('VFRING_ERR_NO_SUCH_JOB', { job: label });
  }
  return job;
}

function notFound(path: string): Answer {
  const error = badRequest(
    `there is nothing at ${path} for this method`,
    'GET /v1/status, GET and POST /v1/jobs, GET and DELETE /v1/jobs/ID are there',
  );
  return { status: 404, body: error.report() };
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES) {
      throw badRequest(`the body has more than ${MAX_BODY_BYTES} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

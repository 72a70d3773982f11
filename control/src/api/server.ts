// SPDX-License-Identifier: BSD-3-Clause
/** HTTP and JSON on api.sock: serves the table of routes.ts. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Processes } from '../node/processes.js';
import { listenForAll } from '../sockets/socket-file.js';
import { type ErrorCode, asVfringError, badRequest, causeText, isVfringError } from '../errors.js';
import { SerialQueue } from '../leases/serial-queue.js';
import type { Log } from '../log.js';
import type { PeerCred } from '../native.js';
import { openApi } from './openapi.js';
import { ROUTES, forbidden, type ApiContext, type Caller, type Route } from './routes.js';

export interface ApiOptions extends Omit<ApiContext, 'startedAt' | 'inTurn'> {
  readonly processes: Processes;
  readonly log: Log;
  /** How long a client may leave its answer unread, and may take to send its request: at most twice that, since it is looked for as seldom. */
  readonly requestMs?: number;
}

export interface ApiServer {
  /** Connections that are open. */
  readonly connections: number;
  listen(path: string): Promise<void>;
  close(): Promise<void>;
}

const MAX_BODY_BYTES = 64 * 1024;
const MAX_HEADER_BYTES = 8192;
const REQUEST_MS = 5000;
const MAX_CONNECTIONS_PER_UID = 64;
/** An answer waits in memory until it is read. The longest, 256 jobs that name a thousand hosts each, has about as many. */
const MAX_UNREAD_BYTES_PER_UID = 16 * 1024 * 1024;
const ROOT = 0;
/** A job of 64 ranks has its leases in less; who asks for leases without end keeps nobody longer from the API. */
const LEASES_FIRST_MS = 100;
const REMEDY = 'GET /v1/openapi.json describes every call';

const HTTP_STATUS: Partial<Record<ErrorCode, number>> = {
  VFRING_ERR_BAD_REQUEST: 400,
  VFRING_ERR_FORBIDDEN: 403,
  VFRING_ERR_NO_SUCH_JOB: 404,
  VFRING_ERR_NO_SUCH_LEASE: 404,
  VFRING_ERR_NO_SUCH_LEASE_VF: 404,
  VFRING_ERR_NO_FREE_VF: 409,
  VFRING_ERR_PF_DOWN: 409,
  VFRING_ERR_QUOTA: 409,
  VFRING_ERR_DISTURBS: 409,
  VFRING_ERR_CONFIG: 422,
  VFRING_ERR_CONFIG_READ: 422,
  VFRING_ERR_LEDGER: 503,
  VFRING_ERR_SHUTTING_DOWN: 503,
};

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

export function apiServer(options: ApiOptions): ApiServer {
  const { requestMs = REQUEST_MS } = options;
  const own = process.getuid?.() ?? ROOT;
  /** One after the other: between two there is a turn for leases. */
  const gate = new SerialQueue();
  const startedAt = Date.now();
  /** What only looks is done for who still waits: others would wait for answers that nobody takes. */
  const contextOf = (request: IncomingMessage, response: ServerResponse): ApiContext => ({
    ...options,
    startedAt,
    inTurn: (work) => gate.run(async () => {
      if (request.method === 'GET' && response.destroyed) {
        throw badRequest('the client has gone away', REMEDY);
      }
      // Ranks that start wait for their leases; who looks at them can wait for that.
      await options.manager.whenQuiet(LEASES_FIRST_MS);
      return work();
    }),
  });
  /** Of answers that are on their way, by uid. */
  const unread = new Map<number, number>();

  /** Keeps an answer in memory until it was read or its connection is closed. False: that user has too many unread. */
  function hold(uid: number, bytes: number, response: ServerResponse): boolean {
    const others = unread.get(uid) ?? 0;
    if (others > 0 && others + bytes > MAX_UNREAD_BYTES_PER_UID) {
      return false;
    }
    unread.set(uid, others + bytes);
    response.once('close', () => {
      const left = (unread.get(uid) ?? 0) - bytes;
      left > 0 ? unread.set(uid, left) : unread.delete(uid);
    });
    return true;
  }

  async function serve(request: IncomingMessage, peer: PeerCred, context: ApiContext): Promise<Answer> {
    const caller: Caller = { ...peer, admin: peer.uid === ROOT || peer.uid === own };
    const body = await readBody(request);
    const url = parseUrl(request.url ?? '');
    if (request.method === 'GET' && url.pathname === '/v1/openapi.json') {
      return { status: 200, body: openApi() };
    }
    const found = findRoute(request.method ?? '', url.pathname);
    if (found === undefined) {
      const error = badRequest(`there is nothing at ${request.method} ${url.pathname}`, REMEDY);
      return { status: 404, body: error.report() };
    }
    const { route, params } = found;
    if (route.who === 'administrators' && !caller.admin) {
      throw forbidden(route.summary);
    }
    const query = checked(route.query, Object.fromEntries(url.searchParams), 'query');
    const call = { caller, params, query: query as Record<string, unknown>, body: route.body && checked(route.body, parse(body), 'body') };
    // What it returns may still be to be waited for: that is no part of its turn.
    const { answer } = await context.inTurn(() => ({ answer: route.handle(call, context) }));
    return { status: route.status, body: await answer };
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let result: Answer;
    let uid = -1;
    try {
      const peer = options.processes.peerOf(request.socket);
      uid = peer.uid;
      result = await serve(request, peer, contextOf(request, response));
    } catch (error) {
      const known = asVfringError(error);
      if (known.code === 'VFRING_ERR_INTERNAL') {
        options.log.error('an API request failed', { cause: known.message });
      }
      result = { status: HTTP_STATUS[known.code] ?? 500, body: known.report() };
    }
    if (!response.destroyed) {
      response.setTimeout(requestMs, () => response.destroy());
      let body = textOf(result.body);
      if (!hold(uid, body.length, response)) {
        result = { status: 429, body: badRequest('too many answers to you wait to be read', 'read those first').report() };
        body = textOf(result.body);
      }
      // The format's own type: without it Prometheus does not read the text.
      response.writeHead(result.status, { 'content-type': typeof result.body === 'string' ? 'text/plain; version=0.0.4' : 'application/json', connection: 'close' });
      response.end(body);
    }
  }

  const server: Server = createServer(
    { requestTimeout: requestMs, headersTimeout: requestMs, connectionsCheckingInterval: requestMs, maxHeaderSize: MAX_HEADER_BYTES },
    (request, response) => void answer(request, response),
  );
  const perUid = limitPerUid(server, options.processes);

  return {
    get connections() {
      return [...perUid.values()].reduce((sum, count) => sum + count, 0);
    },
    listen: (path) => listenForAll(server, path),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

const textOf = (body: unknown): string => (typeof body === 'string' ? body : `${JSON.stringify(body)}\n`);

/** The route and the parts of the path that it names. */
export function findRoute(method: string, path: string): { route: Route; params: Record<string, string> } | undefined {
  for (const route of ROUTES) {
    const params = method === route.method ? matchPath(route.path, path) : undefined;
    if (params !== undefined) {
      return { route, params };
    }
  }
  return undefined;
}

function matchPath(template: string, path: string): Record<string, string> | undefined {
  const [wanted, given] = [template.split('/'), path.split('/')];
  if (wanted.length !== given.length) {
    return undefined;
  }
  const params: Record<string, string> = {};
  for (const [i, part] of wanted.entries()) {
    const value = given[i] ?? '';
    if (part.startsWith('{')) {
      try {
        params[part.slice(1, -1)] = decodeURIComponent(value);
      } catch {
        throw badRequest(`${value} in the path is not well escaped`, REMEDY);
      }
    } else if (part !== value) {
      return undefined;
    }
  }
  return params;
}

function parseUrl(text: string): URL {
  try {
    return new URL(text, 'http://localhost');
  } catch {
    throw badRequest('the path of the request is not understood', REMEDY);
  }
}

function parse(body: string): unknown {
  try {
    return body === '' ? {} : JSON.parse(body);
  } catch {
    throw badRequest('the body is not JSON', REMEDY);
  }
}

function checked(schema: Route['body'], value: unknown, what: string): unknown {
  if (schema === undefined) {
    return value;
  }
  const parsed = schema.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw badRequest(`wrong ${what}: ${[issue?.path.join('.'), issue?.message].filter(Boolean).join(': ')}`, REMEDY);
  }
  return parsed.data;
}

/** A user that opens many connections takes them from nobody else. Returns the numbers of those that are open. */
function limitPerUid(server: Server, processes: Processes): ReadonlyMap<number, number> {
  const perUid = new Map<number, number>();
  server.on('connection', (socket) => {
    let uid: number;
    try {
      ({ uid } = processes.peerOf(socket));
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
  return perUid;
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > MAX_BODY_BYTES) {
        throw badRequest(`the body has more than ${MAX_BODY_BYTES} bytes`, REMEDY);
      }
      chunks.push(chunk);
    }
  } catch (error) {
    // A client that goes away in the middle is no defect of ours.
    throw isVfringError(error) ? error : badRequest(`the body ended early: ${causeText(error)}`, REMEDY);
  }
  return Buffer.concat(chunks).toString('utf8');
}

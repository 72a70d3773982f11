// SPDX-License-Identifier: BSD-3-Clause
/**
 * The page and the metrics over HTTP. Runs in a thread of its own: whatever
 * readers do, the daemon has one question of each kind to answer at a time.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { VfringError, causeText } from '../errors.js';
import type { Assets } from './assets.js';
import { refusal, type GuardPolicy } from './guard.js';
import { EventStreams } from './streams.js';
import type { Load, Topic } from './messages.js';

export interface WebLimits {
  readonly connections: number;
  readonly streams: number;
  /** A client may take so long to send its request; it is looked for as seldom, so that it may have twice that. */
  readonly requestMs: number;
  /** And so long to read an answer. */
  readonly answerMs: number;
  readonly unreadMs: number;
  readonly headerBytes: number;
  /** Between two looks at the state, while somebody watches. */
  readonly lookMs: number;
  /** What is younger is not asked for again. */
  readonly freshMs: number;
}

export const WEB_LIMITS: WebLimits = {
  connections: 128, streams: 64, requestMs: 5000, answerMs: 30_000, unreadMs: 10_000, headerBytes: 8192, lookMs: 1000, freshMs: 900,
};

/** A comment of the event stream: proxies and browsers see that it lives. */
const BEAT = Buffer.from(': \n\n');
const BEAT_EVERY_MS = 15_000;

/** No script but the page's own files, nothing from elsewhere, in no frame. */
const HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy': [
    "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self'", "connect-src 'self'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
  ].join('; '),
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
};

const DATA: Readonly<Record<string, readonly [topic: Topic, type: string]>> = {
  '/v1/page/state': ['state', 'application/json'],
  '/v1/page/history': ['history', 'application/json'],
  // The format's own type: without it Prometheus does not read the text.
  '/metrics': ['metrics', 'text/plain; version=0.0.4; charset=utf-8'],
};

const EVENTS = '/v1/page/events';

export interface WebServerOptions {
  readonly policy: GuardPolicy;
  readonly assets: Assets;
  /** Asks the daemon, one question of a kind at a time. */
  readonly ask: (topic: Topic) => Promise<string>;
  readonly limits?: Partial<WebLimits>;
}

export class WebServer {
  readonly server: Server;
  readonly #options: WebServerOptions;
  readonly #limits: WebLimits;
  readonly #streams: EventStreams;
  readonly #answers = new Map<Topic, { readonly at: number; readonly text: Promise<string> }>();
  /** Of the streams. */
  readonly #timers: NodeJS.Timeout[] = [];
  #connections = 0;
  #dropped = 0;
  #refused = 0;
  /** What the streams were told last. */
  #told = '';

  constructor(options: WebServerOptions) {
    this.#options = options;
    const limits = (this.#limits = { ...WEB_LIMITS, ...options.limits });
    this.#streams = new EventStreams(limits);
    this.server = createServer(
      { requestTimeout: limits.requestMs, headersTimeout: limits.requestMs, connectionsCheckingInterval: limits.requestMs, maxHeaderSize: limits.headerBytes },
      (request, response) => void this.#serve(request, response),
    );
    this.server.maxConnections = limits.connections;
    this.server.on('drop', () => this.#dropped++);
    this.server.on('connection', (socket) => {
      this.#connections++;
      socket.once('close', () => this.#connections--);
      // Who connects and says nothing is cut off by the time for its request.
      socket.on('error', () => {});
    });
  }

  get load(): Load {
    return { connections: this.#connections, streams: this.#streams.size, dropped: this.#dropped, refused: this.#refused, slow: this.#streams.slow };
  }

  close(): Promise<void> {
    this.#sleep();
    this.#streams.close();
    return new Promise((resolve) => {
      this.server.close(() => resolve());
      this.server.closeAllConnections();
    });
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const refused = refusal(request.method ?? '', request.headers, this.#options.policy);
      if (refused !== undefined) {
        this.#refused++;
        this.#say(request, response, refused.status, 'application/json', errorText(refused.error), refused.headers);
        return;
      }
      await this.#answer(request, response, (request.url ?? '').split('?', 1)[0] ?? '');
    } catch (error) {
      this.#say(request, response, 503, 'application/json', errorText(new VfringError('VFRING_ERR_HTTP_REFUSED', {
        what: `vfringd does not answer now: ${causeText(error)}`, remedy: 'try again in some seconds; see its log (journalctl -u vfringd)',
      })), { 'retry-after': '5' });
    }
  }

  async #answer(request: IncomingMessage, response: ServerResponse, path: string): Promise<void> {
    const asset = this.#options.assets.get(path);
    const data = DATA[path];
    if (asset !== undefined) {
      const known = request.headers['if-none-match'] === asset.etag;
      this.#say(request, response, known ? 304 : 200, asset.type, known ? '' : asset.body, { etag: asset.etag, 'cache-control': 'no-cache' });
    } else if (path === EVENTS && request.method === 'GET') {
      await this.#stream(request, response);
    } else if (data !== undefined) {
      this.#say(request, response, 200, data[1], await this.#get(data[0]));
    } else {
      this.#say(request, response, 404, 'application/json', errorText(new VfringError('VFRING_ERR_HTTP_REFUSED', {
        what: 'there is nothing here', remedy: 'the page is at /, the metrics are at /metrics',
      })));
    }
  }

  async #stream(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (this.#streams.full) {
      this.#dropped++;
      this.#say(request, response, 503, 'application/json', errorText(new VfringError('VFRING_ERR_HTTP_REFUSED', {
        what: `${this.#limits.streams} readers watch already`, remedy: 'the page asks every few seconds instead, until one of them leaves',
      })), { 'retry-after': '15' });
      return;
    }
    // A place is taken before the state is waited for: no more can slip in meanwhile.
    this.#streams.add(response);
    this.#watch();
    response.writeHead(200, { ...HEADERS, 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no', connection: 'close' });
    response.flushHeaders();
    const text = await this.#get('state').catch(() => undefined);
    if (text !== undefined && !response.destroyed) {
      this.#streams.sendTo(response, stateEvent(text));
    }
  }

  /** As long as somebody watches: the thread of a page that nobody reads sleeps. */
  #watch(): void {
    if (this.#timers.length === 0) {
      this.#timers.push(
        setInterval(() => void this.#tell(), this.#limits.lookMs),
        setInterval(() => this.#streams.send(BEAT), BEAT_EVERY_MS),
      );
    }
  }

  #sleep(): void {
    this.#timers.splice(0).forEach(clearInterval);
  }

  /** Everybody who watches is told what is new. */
  async #tell(): Promise<void> {
    if (this.#streams.size === 0) {
      this.#sleep();
      return;
    }
    // The daemon is busy: who watches sees the next one.
    const text = await this.#get('state').catch(() => this.#told);
    if (text !== this.#told) {
      this.#told = text;
      this.#streams.send(stateEvent(text));
    }
  }

  /** One question to the daemon is for everybody who asks meanwhile, and a little after. */
  #get(topic: Topic): Promise<string> {
    const known = this.#answers.get(topic);
    const now = performance.now();
    if (known !== undefined && now - known.at < this.#limits.freshMs) {
      return known.text;
    }
    const text = this.#options.ask(topic);
    this.#answers.set(topic, { at: now, text });
    text.catch(() => this.#answers.delete(topic));
    return text;
  }

  #say(request: IncomingMessage, response: ServerResponse, status: number, type: string, body: string | Buffer, more: Readonly<Record<string, string>> = {}): void {
    if (response.headersSent || response.destroyed) {
      response.destroy();
      return;
    }
    // However slowly it is read, the connection is free again then.
    const late = setTimeout(() => response.destroy(), this.#limits.answerMs);
    response.once('close', () => clearTimeout(late));
    response.writeHead(status, { ...HEADERS, 'content-type': type, 'cache-control': 'no-store', 'content-length': Buffer.byteLength(body), connection: 'close', ...more });
    response.end(request.method === 'HEAD' || status === 304 ? undefined : body);
  }
}

/** Its id is when it was sent, by the node's clock: browsers' clocks go differently. */
const stateEvent = (text: string): Buffer => Buffer.from(`id: ${Date.now()}\nevent: state\ndata: ${text}\n\n`);

const errorText = (error: VfringError): string => `${JSON.stringify(error.report())}\n`;

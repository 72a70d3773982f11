// SPDX-License-Identifier: BSD-3-Clause
/**
 * The daemon's side of the page: starts its thread, answers its questions, and
 * starts it again when it fails. Whatever becomes of it, leases go on.
 */
import { readFileSync, statSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import type { PageStatus } from '../api/views.js';
import { parseListen, type Listen } from '../config/listen.js';
import type { HttpConfig } from '../config/schema.js';
import { VfringError, asVfringError, causeText, type ErrorReport } from '../errors.js';
import type { Log } from '../log.js';
import { pageWorker, webDir } from '../paths.js';
import { digest } from './guard.js';
import type { FromWorker, Load, ToWorker, Topic, WorkerSetup } from './messages.js';

export interface WebListenerOptions {
  /** What the page shows. */
  readonly sources: Readonly<Record<Topic, () => string>>;
  /** Resolves when nobody waits for a lease, or after a moment. */
  readonly whenQuiet: () => Promise<void>;
  readonly log: Log;
  /** The id of a group by its name; undefined: there is none. Throws where that cannot be found out. */
  readonly groupId: (name: string) => Promise<number | undefined>;
  /** For tests. */
  readonly retryMs?: number;
}

const RETRY_MS = 15_000;
const NO_LOAD: Load = { connections: 0, streams: 0, dropped: 0, refused: 0, slow: 0 };
/** Of its JavaScript: a flood ends the thread at last, and nothing else. */
const MEMORY_MB = 64;
const SHORTEST_TOKEN = 16;

export class WebListener {
  readonly #options: WebListenerOptions;
  #config: HttpConfig | undefined;
  #worker: Worker | undefined;
  #serving = false;
  #load = NO_LOAD;
  #trouble: ErrorReport | undefined;
  #retry: NodeJS.Timeout | undefined;
  /** How often the thread was answered: it does not grow with the number of readers. */
  readonly answered: Record<Topic, number> = { state: 0, history: 0, metrics: 0 };

  constructor(options: WebListenerOptions) {
    this.#options = options;
  }

  get status(): PageStatus | undefined {
    return this.#config && { listen: this.#config.listen, serving: this.#serving, load: this.#load, trouble: this.#trouble };
  }

  /** Serves as configured, and what was served before no more. Returns when it does or has failed; the log and the status tell which. */
  async apply(config: HttpConfig | undefined): Promise<void> {
    await this.close();
    this.#config = config;
    this.#trouble = undefined;
    if (config !== undefined) {
      await this.#start(config);
    }
  }

  async close(): Promise<void> {
    clearTimeout(this.#retry);
    this.#config = undefined;
    const worker = this.#worker;
    this.#worker = undefined;
    this.#serving = false;
    this.#load = NO_LOAD;
    if (worker !== undefined) {
      const ended = new Promise((resolve) => worker.once('exit', resolve));
      tell(worker, { kind: 'close' });
      await ended;
    }
  }

  /** For tests: what a thread that dies leaves. */
  async endThread(): Promise<void> {
    await this.#worker?.terminate();
  }

  async #start(config: HttpConfig): Promise<void> {
    try {
      const setup = await this.#setup(config);
      if (this.#config !== config) {
        return; // It was told otherwise meanwhile.
      }
      await this.#run(config, setup);
      if (this.#config === config) {
        this.#trouble = undefined;
        this.#serving = true;
        this.#options.log.info('the page is served', { listen: config.listen });
      }
    } catch (error) {
      if (this.#config === config) {
        this.#failed(config, asVfringError(error));
      }
    }
  }

  async #setup(config: HttpConfig): Promise<WorkerSetup> {
    const listen = parseListen(config.listen) as Listen;
    return {
      listen,
      // A proxy has looked at the name itself, unless it is said which there are.
      hosts: listen.kind === 'unix' && config.hosts.length === 0 ? undefined : config.hosts,
      token: config.token_file === undefined ? undefined : readToken(config.listen, config.token_file),
      gid: config.group === undefined ? undefined : await this.#gid(config.listen, config.group),
      assets: webDir(),
    };
  }

  async #gid(listen: string, group: string): Promise<number> {
    const gid = await this.#options.groupId(group).catch((error: unknown) => {
      throw listenError(listen, causeText(error), `vfringd tries again every 15 s; if it stays so, see whether the name service answers: getent group ${group}`);
    });
    if (gid === undefined) {
      throw listenError(listen, `there is no group ${group}`, 'correct group: below http: in the configuration (getent group shows those there are)');
    }
    return gid;
  }

  /** Resolves when it listens. Throws VFRING_ERR_HTTP_LISTEN. */
  async #run(config: HttpConfig, workerData: WorkerSetup): Promise<void> {
    const worker = new Worker(pageWorker(), { name: 'vfringd-page', workerData, resourceLimits: { maxOldGenerationSizeMb: MEMORY_MB } });
    this.#worker = worker;
    await new Promise<void>((resolve, reject) => {
      worker.on('message', (message: FromWorker) => {
        switch (message.kind) {
          case 'listening':
            resolve();
            break;
          case 'failed':
            // Its end, which comes, is no news.
            this.#worker = undefined;
            reject(listenError(config.listen, message.cause, remedyFor(message.errno, workerData.listen)));
            break;
          case 'ask':
            this.#load = message.load;
            void this.#answer(worker, message.topic);
        }
      });
      const gone = (cause: string): void => {
        const error = listenError(config.listen, cause, 'vfringd tries again every 15 s; if it stays so, report it with the log');
        reject(error);
        if (this.#worker === worker) {
          this.#worker = undefined;
          this.#failed(config, error);
        }
      };
      worker.on('error', (error) => gone(causeText(error)));
      worker.on('exit', () => gone('its thread has ended'));
    });
  }

  async #answer(worker: Worker, topic: Topic): Promise<void> {
    try {
      await this.#options.whenQuiet();
      this.answered[topic]++;
      tell(worker, { kind: 'answer', topic, text: this.#options.sources[topic]() });
    } catch (error) {
      tell(worker, { kind: 'no answer', topic, cause: causeText(error) });
    }
  }

  #failed(config: HttpConfig, error: VfringError): void {
    const report = error.report();
    if (this.#trouble?.message !== report.message) {
      this.#options.log.error('the page is not served; leases are', { ...report });
    }
    this.#trouble = report;
    this.#serving = false;
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => void this.#start(config), this.#options.retryMs ?? RETRY_MS);
    this.#retry.unref();
  }
}

/** Nothing is asked before the thread runs; what it asked before it ended needs no answer. */
function tell(worker: Worker, message: ToWorker): void {
  worker.postMessage(message);
}

const listenError = (listen: string, cause: string, remedy: string): VfringError =>
  new VfringError('VFRING_ERR_HTTP_LISTEN', { listen, cause, remedy });

function readToken(listen: string, file: string): string {
  let token: string;
  let mode: number;
  try {
    token = readFileSync(file, 'utf8').trim();
    ({ mode } = statSync(file));
  } catch (error) {
    throw listenError(listen, `its token cannot be read: ${causeText(error)}`, `make one: (umask 077; head -c 24 /dev/urandom | base64 > ${file})`);
  }
  if ((mode & 0o007) !== 0) {
    throw listenError(listen, `everybody can read its token in ${file}`, `chmod o= ${file}; and as it is known now, make another one`);
  }
  if (token.length < SHORTEST_TOKEN || /\s/.test(token)) {
    throw listenError(listen, `the token in ${file} is no word of at least ${SHORTEST_TOKEN} characters`, `make one: (umask 077; head -c 24 /dev/urandom | base64 > ${file})`);
  }
  return digest(token).toString('hex');
}

function remedyFor(errno: string, listen: Listen): string {
  switch (errno) {
    case 'EADDRINUSE':
      return listen.kind === 'unix'
        ? 'end the program that has it, or choose another path for listen: below http:'
        : `see who has it (ss -ltnp sport = :${listen.port}), or choose another port for listen: below http:`;
    case 'EADDRNOTAVAIL':
      return 'this host has no such address (ip addr): correct listen: below http:';
    case 'EACCES':
    case 'EPERM':
      return listen.kind === 'unix'
        // libuv says so of a folder that is not there, too.
        ? 'choose a folder that is there, and that vfringd may write to: /run/vfring'
        : 'vfringd has given up what ports below 1024 need: choose a port from 1024 on; its service may also be kept from the network (docs/admin-guide.md)';
    case 'EAFNOSUPPORT':
      return 'the service is kept from the network: allow RestrictAddressFamilies=AF_INET AF_INET6 (docs/admin-guide.md)';
    case 'ENOENT':
      return 'install vfring whole: files of the page are missing';
    default:
      return 'correct listen: below http: in the configuration; docs/configuration.md has examples';
  }
}


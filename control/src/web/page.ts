// SPDX-License-Identifier: BSD-3-Clause
/** The page put together: what it shows, the last hour, and its listener. */
import { metricsText } from '../api/metrics.js';
import type { PageStatus } from '../api/views.js';
import { causeText } from '../errors.js';
import { exec } from '../exec.js';
import { version } from '../paths.js';
import { groupId } from './group-id.js';
import { History, SAMPLE_EVERY_MS } from './history.js';
import { WebListener, type WebListenerOptions } from './listener.js';
import { pageState, type PageSource } from './state.js';
import type { HttpConfig } from '../config/schema.js';

export interface PageOptions extends Omit<PageSource, 'history' | 'release' | 'startedAt'>, Pick<WebListenerOptions, 'whenQuiet' | 'log' | 'retryMs'> {
  /** For tests. */
  readonly sampleEveryMs?: number;
}

export class Page {
  readonly #options: PageOptions;
  readonly #history = new History();
  readonly #source: PageSource;
  readonly listener: WebListener;
  #sampling: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: PageOptions) {
    this.#options = options;
    this.#source = { ...options, history: this.#history, release: version(), startedAt: Date.now() };
    this.listener = new WebListener({
      ...options,
      groupId: (name) => groupId(name, exec),
      sources: {
        state: () => JSON.stringify(pageState(this.#source)),
        history: () => JSON.stringify(this.#history.view),
        metrics: () => metricsText(options, this.listener.status),
      },
    });
  }

  get status(): PageStatus | undefined {
    return this.listener.status;
  }

  /** Never throws: what is wrong is told, and tried again. */
  async apply(config: HttpConfig | undefined): Promise<void> {
    clearInterval(this.#sampling);
    if (config !== undefined) {
      this.#sampling = setInterval(() => void this.#options.whenQuiet().then(() => this.sample()), this.#options.sampleEveryMs ?? SAMPLE_EVERY_MS);
      this.#sampling.unref();
    }
    await this.listener.apply(config);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#sampling);
    await this.listener.close();
  }

  /** Notes how the node is now, as is done by itself every some seconds; not where nobody could see it, or while the daemon starts. */
  sample(): void {
    const { manager, jobs, ledger, log } = this.#options;
    if (this.#closed || this.status === undefined || manager.pool.entries.length === 0) {
      return; // Closed, and the ledger with it.
    }
    try {
      this.#history.add({ wallMs: Date.now(), steadyMs: performance.now(), entries: manager.pool.entries, jobs: jobs.active(), totals: ledger.vfTotals() });
    } catch (error) {
      log.error('the last hour of the page has a gap', { cause: causeText(error) });
    }
  }
}

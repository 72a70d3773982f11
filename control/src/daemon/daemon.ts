// SPDX-License-Identifier: BSD-3-Clause
/** vfringd put together: provider, leases, sockets, and the rounds that keep them right. */
import { apiServer, type ApiServer } from '../api/server.js';
import type { Config } from '../config/schema.js';
import { causeText } from '../errors.js';
import type { Log } from '../log.js';
import { apiSocket, leaseSocket } from '../paths.js';
import type { Provider } from '../providers/provider.js';
import { MemoryJobStore } from './job-registry.js';
import { LeaseManager } from './lease-manager.js';
import { leaseServer } from './lease-server.js';
import type { LineLimits, LineServer } from './line-server.js';
import type { Prlimit } from './memlock.js';
import type { Processes } from './processes.js';
import type { PeerCred } from '../native.js';
import { claimRunDir, type RunDir } from './run-dir.js';

export interface DaemonOptions {
  readonly config: Config;
  readonly runDir: string;
  readonly provider: Provider;
  readonly processes: Processes;
  readonly prlimit: Prlimit;
  readonly log: Log;
  readonly lineLimits?: LineLimits;
  /** How often draining VFs are asked for, and the others looked at. */
  readonly drainEveryMs?: number;
  readonly reconcileEveryMs?: number;
}

const DRAIN_EVERY_MS = 500;
const RECONCILE_EVERY_MS = 15_000;

export class Daemon {
  readonly manager: LeaseManager;
  readonly jobs = new MemoryJobStore();
  readonly #options: DaemonOptions;
  readonly #leaseServer: LineServer<PeerCred>;
  readonly #apiServer: ApiServer;
  readonly #rounds: NodeJS.Timeout[] = [];
  #runDir: RunDir | undefined;

  constructor(options: DaemonOptions) {
    this.#options = options;
    const { config, provider, processes, prlimit, log } = options;
    this.manager = new LeaseManager({
      provider,
      spread: config.spread,
      limits: config.limits,
      jobs: this.jobs,
      prlimit,
      log,
    });
    this.#leaseServer = leaseServer({
      manager: this.manager,
      processes,
      dmaLimitBytes: config.limits.dma_per_vf,
      log,
      ...(options.lineLimits && { limits: options.lineLimits }),
    });
    this.#apiServer = apiServer({
      manager: this.manager,
      jobs: this.jobs,
      processes,
      provider: provider.kind,
      spread: config.spread,
      log,
    });
  }

  /** When it returns, both sockets take requests. Throws VFRING_ERR_*, with nothing left behind. */
  async start(): Promise<void> {
    const { runDir, provider } = this.#options;
    this.#runDir = claimRunDir(runDir);
    try {
      await this.manager.start();
      await this.#leaseServer.listen(leaseSocket(runDir));
      await this.#apiServer.listen(apiSocket(runDir));
    } catch (error) {
      await this.stop();
      throw error;
    }
    this.#every(this.#options.drainEveryMs ?? DRAIN_EVERY_MS, () => this.manager.drain());
    this.#every(provider.sampleEveryMs, () => this.manager.sample());
    this.#every(this.#options.reconcileEveryMs ?? RECONCILE_EVERY_MS, () => this.manager.reconcile());
  }

  /** Takes every VF back, answers what was asked, and leaves the run directory. */
  async stop(): Promise<void> {
    this.#rounds.forEach(clearTimeout);
    this.#rounds.length = 0;
    await this.manager.stop();
    await this.#leaseServer.close();
    await this.#apiServer.close();
    this.#options.processes.close();
    this.#runDir?.release();
    this.#runDir = undefined;
  }

  /** A round begins when the one before has ended, so that slow ones do not pile up. */
  #every(ms: number, round: () => Promise<void>): void {
    const slot = this.#rounds.length;
    const next = (): void => {
      this.#rounds[slot] = setTimeout(() => {
        round()
          .catch((error: unknown) => this.#options.log.error('a round failed', { cause: causeText(error) }))
          .finally(() => {
            if (this.#runDir !== undefined) {
              next();
            }
          });
      }, ms);
    };
    next();
  }
}

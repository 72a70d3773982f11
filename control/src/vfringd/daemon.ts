// SPDX-License-Identifier: BSD-3-Clause
/** vfringd put together: provider, leases, sockets, and the rounds that keep them right. */
import { setTimeout as sleep } from 'node:timers/promises';
import { apiServer, type ApiServer } from '../api/server.js';
import type { Clock } from '../clock.js';
import type { Config } from '../config/schema.js';
import { causeText } from '../errors.js';
import type { Log } from '../log.js';
import { apiSocket, leaseSocket } from '../paths.js';
import type { PlannedStep, Provider } from '../providers/provider.js';
import { Ledger } from '../ledger/ledger.js';
import { Hotplug } from '../node/hotplug.js';
import { JobControl } from '../jobs/control.js';
import { JobRegistry } from '../jobs/registry.js';
import { LeaseManager, type Settings } from '../leases/manager.js';
import { leaseServer } from '../sockets/lease-server.js';
import type { LineLimits, LineServer } from '../sockets/line-server.js';
import type { Prlimit } from '../node/memlock.js';
import type { Numa } from '../node/numa.js';
import type { Processes } from '../node/processes.js';
import { claimRunDir, type RunDir } from '../sockets/run-dir.js';
import { Page, type PageOptions } from '../web/page.js';
import { RecentEvents } from '../web/recent.js';

export interface DaemonOptions {
  readonly config: Config;
  readonly runDir: string;
  /** Where the ledger is, or IN_MEMORY. */
  readonly ledgerFile: string;
  readonly provider: Provider;
  readonly processes: Processes;
  readonly prlimit: Prlimit;
  readonly numa: Numa;
  readonly log: Log;
  /** For tests. */
  readonly clock?: Clock;
  /** Reads the configuration again. Throws VFRING_ERR_CONFIG and the like. */
  readonly reload: () => Promise<Settings>;
  /** Announcements of the kernel that PFs or VFs have changed; without, the rounds find it. */
  readonly watchDevices?: (changed: () => void) => { close(): void };
  readonly lineLimits?: LineLimits;
  readonly apiRequestMs?: number;
  readonly page?: Pick<PageOptions, 'retryMs' | 'sampleEveryMs'>;
  /** How often draining VFs are asked for, and the others looked at. */
  readonly drainEveryMs?: number;
  readonly reconcileEveryMs?: number;
  readonly jobsEveryMs?: number;
}

const DRAIN_EVERY_MS = 500;
const RECONCILE_EVERY_MS = 15_000;
const JOBS_EVERY_MS = 1000;
/** Nothing written for so long: nobody is likely to wait. */
const TIDY_EVERY_MS = 250;
/** Every so many rounds the settings of PFs and VFs are read back, too: that runs programs. */
const CLOSE_LOOK_EVERY = 20;
/** The page's thread has started in a fraction of this. */
const PAGE_FIRST_MS = 500;
/** Ranks that start have their leases in less; who reads the page can wait for that. */
const LEASES_FIRST_MS = 100;

export class Daemon {
  readonly #options: DaemonOptions;
  readonly #rounds: NodeJS.Timeout[] = [];
  /** Each sets the timer of its round, if there is reason to and it is not set. */
  readonly #arms: (() => void)[] = [];
  #parts: Parts | undefined;
  #runDir: RunDir | undefined;
  #hotplug: Hotplug | undefined;
  #devices: { close(): void } | undefined;

  constructor(options: DaemonOptions) {
    this.#options = options;
  }

  get manager(): LeaseManager {
    return this.#part('manager');
  }

  get jobs(): JobRegistry {
    return this.#part('jobs');
  }

  /** For tests. */
  get apiConnections(): number {
    return this.#part('apiServer').connections;
  }

  get control(): JobControl {
    return this.#part('control');
  }

  get page(): Page {
    return this.#part('page');
  }

  get ledger(): Ledger {
    return this.#part('ledger');
  }

  /** Takes the configuration file over as it is now. Throws VFRING_ERR_DISTURBS and the like; then nothing changes. */
  reload(force: boolean): Promise<readonly PlannedStep[]> {
    return this.#part('reload')(force);
  }

  /** When it returns, both sockets take requests. Throws VFRING_ERR_*; leases of an earlier daemon go on then, for the next one. */
  async start(): Promise<void> {
    const { runDir, provider, processes } = this.#options;
    this.#runDir = claimRunDir(runDir);
    try {
      const parts = (this.#parts = assemble(this.#options));
      const page = parts.page.apply(this.#options.config.http);
      await parts.manager.start(processes);
      // Its thread would share the processors with the first leases while it starts. It has no say in whether there are any.
      await Promise.race([page, sleep(PAGE_FIRST_MS, undefined, { ref: false })]);
      parts.page.sample();
      await parts.leaseServer.listen(leaseSocket(runDir));
      await parts.apiServer.listen(apiSocket(runDir));
    } catch (error) {
      await this.stop('keep');
      throw error;
    }
    const { manager, control, ledger } = this;
    this.#every(this.#options.drainEveryMs ?? DRAIN_EVERY_MS, () => manager.drain(), () => manager.pool.count('draining') > 0);
    this.#every(provider.sampleEveryMs, () => manager.sample(), () => manager.pool.count('leased') > 0);
    this.#every(this.#options.jobsEveryMs ?? JOBS_EVERY_MS, () => control.tick(), () => control.timed);
    this.#every(TIDY_EVERY_MS, () => this.#tidy(), () => ledger.untidy);
    const hotplug = (this.#hotplug = new Hotplug({
      look: () => this.manager.reconcile(true),
      failed: (error) => this.#options.log.error('a look after a change of devices failed', { cause: causeText(error) }),
    }));
    this.#devices = this.#options.watchDevices?.(() => hotplug.announce());
    manager.onStep(() => this.#arms.forEach((arm) => arm()));
    let round = 0;
    this.#every(this.#options.reconcileEveryMs ?? RECONCILE_EVERY_MS, () => this.manager.reconcile(++round % CLOSE_LOOK_EVERY === 0));
  }

  /**
   * Answers what was asked, and leaves the run directory.
   *
   * @param leases of living processes: `keep` leaves them, for the next daemon
   * to take over; `end` takes every VF back
   */
  async stop(leases: 'keep' | 'end' = 'keep'): Promise<void> {
    this.#arms.length = 0;
    this.#rounds.forEach(clearTimeout);
    this.#rounds.length = 0;
    this.#devices?.close();
    this.#hotplug?.close();
    if (this.#parts !== undefined) {
      const { manager, leaseServer, apiServer: api, ledger, page } = this.#parts;
      await page.close();
      await manager.stop(leases);
      await leaseServer.close();
      await api.close();
      // Leases whose answers could not be delivered end before the ledger is closed.
      await manager.exclusively(() => {});
      ledger.close();
    }
    this.#options.processes.close();
    this.#runDir?.release();
    this.#runDir = undefined;
  }

  async #tidy(): Promise<void> {
    const { manager, ledger } = this;
    if (ledger.dueToTidy()) {
      await ledger.flush();
      // Not if it was stopped meanwhile: then the ledger is closed.
      if (this.#rounds.length > 0) {
        await manager.exclusively(() => ledger.tidy());
      }
    }
  }

  #part<K extends keyof Parts>(name: K): Parts[K] {
    if (this.#parts === undefined) {
      throw new Error('the daemon has not been started');
    }
    return this.#parts[name];
  }

  /**
   * A round begins when the one before has ended, so that slow ones do not pile
   * up, and only while there is `reason` for it: an idle daemon sleeps.
   */
  #every(ms: number, round: () => Promise<void>, reason: () => boolean = () => true): void {
    const slot = this.#arms.length;
    let armed = false;
    this.#arms.push(() => {
      if (armed || this.#runDir === undefined || !reason()) {
        return;
      }
      armed = true;
      this.#rounds[slot] = setTimeout(() => {
        round()
          .catch((error: unknown) => this.#options.log.error('a round failed', { cause: causeText(error) }))
          .finally(() => {
            armed = false;
            this.#arms[slot]?.();
          });
      }, ms);
    });
    this.#arms[slot]?.();
  }
}

interface Parts {
  readonly ledger: Ledger;
  readonly jobs: JobRegistry;
  readonly manager: LeaseManager;
  readonly control: JobControl;
  readonly reload: (force: boolean) => Promise<readonly PlannedStep[]>;
  readonly leaseServer: LineServer;
  readonly apiServer: ApiServer;
  readonly page: Page;
}

/** Everything that needs the run directory to be ours. Throws VFRING_ERR_LEDGER. */
function assemble(options: DaemonOptions): Parts {
  const { config, provider, processes, prlimit, numa } = options;
  const recent = new RecentEvents(options.log);
  const { log } = recent;
  const timed = options.clock && { clock: options.clock };
  const ledger = new Ledger(options.ledgerFile, { ...timed });
  const jobs = new JobRegistry(ledger, options.clock);
  const settings: Settings = { config, provider };
  const manager = new LeaseManager({ settings, jobs, ledger, prlimit, numa, log, ...timed });
  const control = new JobControl({ manager, jobs, ledger, settings, log, ...timed });
  const page = new Page({ manager, jobs, ledger, settings, recent, log, whenQuiet: () => manager.whenQuiet(LEASES_FIRST_MS), ...options.page });
  const reload = async (force: boolean): Promise<readonly PlannedStep[]> => {
    const steps = await manager.reprovision(await options.reload(), force);
    await page.apply(settings.config.http);
    page.sample();
    return steps;
  };
  return {
    ledger,
    jobs,
    manager,
    control,
    reload,
    page,
    leaseServer: leaseServer({ manager, processes, log, ...(options.lineLimits && { limits: options.lineLimits }) }),
    apiServer: apiServer({ manager, jobs, control, ledger, processes, settings, reload, page: () => page.status, log, ...(options.apiRequestMs && { requestMs: options.apiRequestMs }) }),
  };
}

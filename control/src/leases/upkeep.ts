// SPDX-License-Identifier: BSD-3-Clause
/**
 * Keeps the VFs as they are configured. To look at a device, and to mend one,
 * may take long: that happens beside the queue of leases. In the queue is only
 * what changes the pool, which is over at once. What is to be mended is taken
 * out of the pool first, and whatever is in the pool is left alone.
 */
import { VfringError, causeText, isVfringError, type ErrorReport } from '../errors.js';
import type { Log } from '../log.js';
import type { Vf } from '../model/vf.js';
import type { Around, PlannedStep, Provider } from '../providers/provider.js';
import type { VfKeeper } from './keeper.js';
import { heldVfs, type Lease } from './lease.js';
import type { Settings } from './manager.js';
import type { PoolEntry, VfPool } from './pool.js';
import { SerialQueue } from './serial-queue.js';

export interface UpkeepOptions {
  readonly pool: VfPool;
  readonly keeper: VfKeeper;
  readonly settings: Settings;
  /** Of leases. */
  readonly queue: SerialQueue;
  readonly log: Log;
  readonly leases: () => readonly Lease[];
  /** In the queue: takes VFs, by name, from their leases. */
  readonly take: (vfs: ReadonlySet<string>) => Promise<void>;
  readonly closing: () => boolean;
}

/** A PF that cannot be used; the others are. */
export interface PfTrouble extends ErrorReport {
  readonly pf: string;
}

interface Provisioned {
  readonly vfs: readonly Vf[];
  /** Why VFs could not be set up, by their names. */
  readonly sick: ReadonlyMap<string, string>;
}

/** A plan is of what can be set up; provisioning tells of the rest. */
const LEFT_OUT: Pick<Around, 'trouble' | 'sick'> = { trouble: () => {}, sick: () => {} };

export class Upkeep {
  readonly #options: UpkeepOptions;
  /** Looks and repairs are one after the other, too. */
  readonly #rounds = new SerialQueue();
  #troubles: readonly PfTrouble[] = [];

  constructor(options: UpkeepOptions) {
    this.#options = options;
  }

  /** PFs of the configuration that gave no VFs when they were last set up. */
  get troubles(): readonly PfTrouble[] {
    return this.#troubles;
  }

  /** At the start: nobody can ask for a VF yet. */
  async begin(leased: ReadonlySet<string>): Promise<void> {
    const { pool, settings } = this.#options;
    const { vfs, sick } = await this.#provision(settings.provider, { leased });
    pool.update(vfs, { sick });
  }

  /** Looks at every VF; provisions anew what is gone or, asked to look `closely`, what is set otherwise. */
  reconcile(closely: boolean): Promise<void> {
    return this.#rounds.run(async () => {
      const { keeper, pool, settings, closing } = this.#options;
      if (closing()) {
        return;
      }
      await this.#look();
      try {
        if (pool.count('unhealthy') > 0 || this.#troubles.length > 0 || closely) {
          await this.#mend(settings.provider);
        }
        keeper.content();
      } catch (error) {
        keeper.complain('provision', causeText(error));
      }
    });
  }

  /** What provisioning would change on this node now. Reads only. */
  plan(): Promise<readonly PlannedStep[]> {
    const { pool, settings } = this.#options;
    return this.#rounds.run(() => settings.provider.plan({ leased: pool.busyNames(), ...LEFT_OUT }));
  }

  /**
   * Makes the node what a new configuration says. Throws VFRING_ERR_DISTURBS
   * when that would take VFs from under processes, unless `force` is given:
   * then they are taken from their leases first. On error the old configuration stays.
   */
  reprovision(next: Settings, force: boolean): Promise<readonly PlannedStep[]> {
    return this.#rounds.run(async () => {
      const { pool, settings, log, queue, take, leases } = this.#options;
      const steps = await next.provider.plan({ leased: pool.busyNames(), force: true, ...LEFT_OUT });
      const disturbed = new Set(steps.flatMap((step) => step.disturbs ?? []));
      const theirs = (): Lease[] => leases().filter((lease) => heldVfs(lease).some(({ vf }) => disturbed.has(vf.name)));
      if (disturbed.size > 0 && !force) {
        const jobs = theirs().map((lease) => `job ${lease.job.id} of uid ${lease.uid} (process ${lease.pid})`);
        throw new VfringError('VFRING_ERR_DISTURBS', { vfs: [...disturbed].join(', '), jobs: jobs.join(', ') || 'a process that outlived its lease' });
      }
      await queue.run(async () => {
        await take(disturbed);
        this.#takeOut(() => true);
      });
      try {
        const { vfs, sick } = await this.#provision(next.provider, { leased: pool.busyNames(), force: disturbed.size > 0 });
        Object.assign(settings, next);
        await queue.run(async () => pool.update(vfs, { sick }));
      } finally {
        await this.#look();
      }
      log.info('configuration taken over', { steps: steps.length, disturbed: [...disturbed].join(',') });
      return steps;
    });
  }

  async #mend(provider: Provider): Promise<void> {
    const { pool, queue } = this.#options;
    const steps = await provider.plan({ leased: pool.busyNames(), ...LEFT_OUT });
    if (steps.length === 0 && pool.count('unhealthy') === 0 && this.#troubles.length === 0) {
      return;
    }
    const touched = new Set(steps.flatMap((step) => step.touches ?? []));
    await queue.run(async () => this.#takeOut(({ vf }) => touched.has(vf.name)));
    try {
      const { vfs, sick } = await this.#provision(provider, { leased: pool.namesBut('unhealthy') });
      await queue.run(async () => pool.update(vfs, { sick, keepMissing: this.#troubles.length > 0 }));
    } finally {
      await this.#look();
    }
  }

  /** Free VFs that are about to be changed are nobody's meanwhile. */
  #takeOut(which: (entry: PoolEntry) => boolean): void {
    const { pool } = this.#options;
    pool.in('free').filter(which).forEach((entry) => pool.setUnhealthy(entry, 'it is being set up'));
  }

  async #provision(provider: Provider, around: Around): Promise<Provisioned> {
    const troubles: PfTrouble[] = [];
    const sick = new Map<string, string>();
    const vfs = await provider.provision({
      ...around,
      sick: (vf, error) => sick.set(vf, causeText(error)),
      trouble: (pf, error) => troubles.push({ pf, ...(isVfringError(error) ? error.report() : { code: 'VFRING_ERR_INTERNAL', message: causeText(error), remedy: 'report it, with the log' }) }),
    });
    for (const { pf, code, message, remedy } of troubles) {
      if (!this.#troubles.some((known) => known.pf === pf && known.message === message)) {
        this.#options.log.error('a PF gives no VFs', { pf, code, message, remedy });
      }
    }
    this.#troubles = troubles;
    return { vfs, sick };
  }

  /** Where a look shows nothing amiss, no lease waits for it. */
  async #look(): Promise<void> {
    const { pool, keeper, queue } = this.#options;
    for (const entry of pool.entries) {
      const amiss = await keeper.watch(entry);
      if (amiss) {
        await queue.run(() => keeper.mend(entry));
      }
    }
  }
}

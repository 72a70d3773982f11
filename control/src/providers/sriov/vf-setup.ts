// SPDX-License-Identifier: BSD-3-Clause
/** Sets up the VFs of one PF: what goes wrong with one of them is undone, and keeps no other from being set up. */
import { isVfringError } from '../../errors.js';
import { silentLog } from '../../log.js';
import { applyAll, undoAll, type ApplyContext } from './apply.js';
import type { VfState } from './observe.js';
import type { Action } from './plan.js';

export class VfSetup {
  /** Why VFs could not be set up, by bdf. */
  readonly failed = new Map<string, unknown>();
  /** What was done to each VF, and stays. */
  readonly #taken = new Map<string, Action[]>();
  readonly #known: ReadonlySet<string>;
  readonly #context: ApplyContext;

  /** @param known VFs that could not be set up the last time: what is tried again is not logged again */
  constructor(known: ReadonlySet<string>, context: ApplyContext) {
    this.#known = known;
    this.#context = context;
  }

  /** What was done to all of them, and stays. */
  get steps(): Action[] {
    return [...this.#taken.values()].flat();
  }

  /**
   * Throws what is no fault of one VF, and without `leaveOut` the first of any fault. What was done to others stays then.
   *
   * @param leaveOut VFs that cannot be set up
   */
  async run(vfs: readonly VfState[], plan: (vf: VfState) => readonly Action[], leaveOut: boolean): Promise<void> {
    const waits = new Map<VfState, Action[]>();
    const attempt = async (vf: VfState, work: (steps: Action[]) => Promise<void>): Promise<void> => {
      const steps = this.#taken.get(vf.bdf) ?? [];
      this.#taken.set(vf.bdf, steps);
      try {
        await work(steps);
      } catch (error) {
        waits.delete(vf);
        await this.fail(vf, error);
        if (!leaveOut || !isOfOneVf(error)) {
          throw error;
        }
      }
    };
    // It was waited for in vain: for the next VF it is only looked at, so that a cable that is out costs one wait as well.
    let linkless = false;
    for (const vf of vfs) {
      await attempt(vf, async (steps) => {
        const actions = plan(vf);
        waits.set(vf, actions.filter(({ do: what }) => what === 'wait-node'));
        const context = this.#contextOf(vf);
        try {
          await applyAll(actions.filter(({ do: what }) => what !== 'wait-node'), steps, linkless ? { ...context, patienceMs: 0 } : context);
        } finally {
          const link = actions.find((action) => action.do === 'wait-link');
          linkless = link === undefined ? linkless : (await context.sysfs.read(`class/net/${link.pf}/carrier`)) !== '1';
        }
      });
    }
    // At once: a fault that all VFs have, as of their driver, is known after one wait.
    const waited = await Promise.allSettled([...waits].map(([vf, actions]) => attempt(vf, (steps) => applyAll(actions, steps, this.#contextOf(vf)))));
    const refused = waited.find((result) => result.status === 'rejected');
    if (refused !== undefined) {
      throw refused.reason;
    }
  }

  /** Undoes what was done to a VF. Returns these steps. */
  async fail(vf: VfState, error: unknown): Promise<readonly Action[]> {
    const steps = this.#taken.get(vf.bdf) ?? [];
    this.#taken.delete(vf.bdf);
    this.failed.set(vf.bdf, error);
    await undoAll(steps, this.#contextOf(vf));
    return steps;
  }

  #contextOf({ bdf }: VfState): ApplyContext {
    return this.#known.has(bdf) ? { ...this.#context, log: silentLog } : this.#context;
  }
}

/** Errors of one VF: it, or its driver, does not do as it is told, or somebody else has it. */
export function isOfOneVf(error: unknown): boolean {
  const codes = ['VFRING_ERR_IP_FAILED', 'VFRING_ERR_SYSFS', 'VFRING_ERR_VF_NO_NODE', 'VFRING_ERR_NOT_SETTLED', 'VFRING_ERR_VF_FOREIGN_DRIVER'] as const;
  return codes.some((code) => isVfringError(error, code));
}

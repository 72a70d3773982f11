// SPDX-License-Identifier: BSD-3-Clause
/** Launch after launch, with what is known so far in safe hands after each. */
import type { Launcher } from './launch.js';
import type { PlannedLaunch } from './plan.js';
import type { Launch, Load } from './result.js';

export interface RunnerOptions {
  readonly launch: Launcher;
  readonly env: NodeJS.ProcessEnv;
  readonly timeoutMs: number;
  /** Ends the launch under way, and the run. */
  readonly signal: AbortSignal;
  readonly load: () => Load;
  /** Is told all launches so far. What it throws ends the run. */
  readonly save: (launches: readonly Launch[]) => void;
  readonly progress: Progress;
}

export interface Progress {
  begins(planned: PlannedLaunch, number: number, of: number): void;
  ended(launch: Launch, leftOut: boolean): void;
}

/** One that failed so often is not tried again: each try may take minutes until its time limit. */
export const MOST_FAILURES = 2;

/** @returns all launches, those that failed among them; the one that was interrupted is the last */
export async function runPlan(planned: readonly PlannedLaunch[], options: RunnerOptions): Promise<Launch[]> {
  const { launch, env, timeoutMs, signal, load, save, progress } = options;
  const launches: Launch[] = [];
  const failures = new Map<string, number>();
  for (const [index, one] of planned.entries()) {
    const { round, benchmark, transport, argv } = one;
    const which = `${benchmark.name} ${transport.name}`;
    if (signal.aborted) {
      break;
    }
    if ((failures.get(which) ?? 0) >= MOST_FAILURES) {
      continue;
    }
    progress.begins(one, index + 1, planned.length);
    const loadBefore = load()[0];
    const { seconds, failure, rows } = await launch(argv, { env: { ...env, ...transport.env }, timeoutMs, signal });
    const done: Launch = {
      round, benchmark: benchmark.name, transport: transport.name, argv: [...argv], seconds, load: loadBefore, ok: failure === null, failure, rows: [...rows],
    };
    launches.push(done);
    if (failure !== null && !signal.aborted) {
      failures.set(which, (failures.get(which) ?? 0) + 1);
    }
    progress.ended(done, (failures.get(which) ?? 0) >= MOST_FAILURES);
    save(launches);
  }
  return launches;
}

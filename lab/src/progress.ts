// SPDX-License-Identifier: BSD-3-Clause
// Lines on standard error that show that a long step lives.
const intervalMs = 10_000;

export function say(line: string): void {
  process.stderr.write(`lab: ${line}\n`);
}

export interface Step {
  /** The newest line of the step's own output, shown with the elapsed time. */
  note(line: string): void;
}

/** Runs `work`, with a line at its start, every ten seconds, and at its end. */
export async function step<T>(title: string, work: (step: Step) => Promise<T>): Promise<T> {
  const start = performance.now();
  const elapsed = (): string => `${((performance.now() - start) / 1000).toFixed(1)} s`;
  let last = '';
  say(`${title} ...`);
  const timer = setInterval(() => {
    say(`${title}: ${elapsed()}${last === '' ? '' : `, ${last.slice(0, 100)}`}`);
  }, intervalMs);
  try {
    const result = await work({
      note: (line) => {
        last = line.trim() === '' ? last : line.trim();
      },
    });
    say(`${title}: done after ${elapsed()}`);
    return result;
  } finally {
    clearInterval(timer);
  }
}

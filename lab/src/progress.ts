// SPDX-License-Identifier: BSD-3-Clause
/** What the lab says to who waits for it; long steps show that they live by tools/steps.ts. */

export function say(line: string): void {
  process.stderr.write(`lab: ${line}\n`);
}

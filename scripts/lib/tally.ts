// SPDX-License-Identifier: BSD-3-Clause
/** How many tests passed and failed, gathered from several runners' own words. */

export interface Tally {
  passed: number;
  failed: number;
}

/** node --test-reporter=tap: "# pass 12", "# fail 0", "# cancelled 0". */
export function tallyOfTap(output: string): Tally {
  const count = (word: string): number => Number(new RegExp(`^# ${word} (\\d+)$`, 'm').exec(output)?.[1] ?? 0);
  return { passed: count('pass'), failed: count('fail') + count('cancelled') };
}

/** automake's summaries: "# PASS:  3", one block a folder. */
export function tallyOfAutomake(output: string): Tally {
  const sum = (word: string): number =>
    [...output.matchAll(new RegExp(`^# ${word}: +(\\d+)$`, 'gm'))].reduce((total, match) => total + Number(match[1]), 0);
  return { passed: sum('PASS') + sum('XFAIL'), failed: sum('FAIL') + sum('XPASS') + sum('ERROR') };
}

/** "12 passed, 1 failed" alone on a line; the last one counts. */
export function tallyOfPlain(output: string): Tally {
  const match = [...output.matchAll(/^(\d+) passed, (\d+) failed/gm)].at(-1);
  return { passed: Number(match?.[1] ?? 0), failed: Number(match?.[2] ?? 0) };
}

/** A script's lines "ok - …" and "not ok - …". */
export const tallyOfLines = (output: string, ok: boolean): Tally =>
  judged({ passed: output.match(/^ok - /gm)?.length ?? 0, failed: output.match(/^not ok - /gm)?.length ?? 0 }, ok);

/**
 * A run that failed without saying which test did, or that ran none, is a
 * failure of its own: it must not look like a success.
 */
export function judged(tally: Tally, ok: boolean): Tally {
  const silent = (!ok && tally.failed === 0) || tally.passed + tally.failed === 0;
  return silent ? { passed: tally.passed, failed: tally.failed + 1 } : tally;
}

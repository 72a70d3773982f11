// SPDX-License-Identifier: BSD-3-Clause
/**
 * As much of vitest as the suites need that run in the emulated machine as well, by node's own test
 * runner: vitest itself would take minutes to start there. They assert by node:assert.
 */
import { describe as nodeDescribe, test as nodeTest } from 'node:test';

type Work = () => void | Promise<void>;

/** Of the test that runs now: node's runner runs one after the other. */
let finishing: Work[] = [];

export function onTestFinished(work: Work): void {
  finishing.push(work);
}

export function describe(name: string, suite: () => void): void {
  void nodeDescribe(name, suite);
}

export function test(name: string, work: Work): void {
  void nodeTest(name, async () => {
    finishing = [];
    try {
      await work();
    } finally {
      for (const last of finishing.reverse()) {
        await last();
      }
    }
  });
}

// SPDX-License-Identifier: BSD-3-Clause
/**
 * As much of vitest as the suites need that run in the emulated machine as well: vitest's own
 * expect, and node's own test runner. vitest itself would take minutes to start there.
 */
import { describe as nodeDescribe, test as nodeTest } from 'node:test';
import { JestAsymmetricMatchers, JestChaiExpect, JestExtend, type ExpectStatic } from '@vitest/expect';
import * as chai from 'chai';

chai.use(JestExtend);
chai.use(JestChaiExpect);
chai.use(JestAsymmetricMatchers);
export const expect = ((value: unknown, message?: string) => chai.expect(value, message)) as ExpectStatic;

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

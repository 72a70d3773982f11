// SPDX-License-Identifier: BSD-3-Clause
/** `vfring doctor --hardware`, as an owner of a card runs it, but shorter. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { allReturned, asUser, leasesEnded, type Daemon, type Site } from './site.js';

interface Step {
  readonly step: string;
  readonly verdict: string;
  readonly cause: string;
  readonly traffic: readonly { readonly pf: string; readonly tx_frames: number }[];
}

interface HardwareReport {
  readonly verdict: string;
  readonly cards: readonly (readonly [string, string][])[];
  readonly steps: readonly Step[];
}

export function hardwareTests(site: Site): void {
  describe(`${site.kind}: two VFs of a card are tested for a report`, () => {
    let daemon: Daemon;
    const file = join(site.scratch, 'report.json');
    const testIt = ['vfring', 'doctor', '--hardware', '--minutes', '0', '--output', file];
    before(async () => {
      daemon = await site.startDaemon({ vfs: 4 });
    });
    after(async () => {
      await daemon.stop();
    });

    test('every step goes well, over two VFs of one PF, and the report says on what', async () => {
      const { status, stdout, stderr } = await asUser(site, testIt, { timeoutS: 1800 });
      assert.equal(status, 0, stdout + stderr);
      const text = readFileSync(file, 'utf8');
      const { verdict, cards, steps } = JSON.parse(text) as HardwareReport;
      assert.match(verdict, /^all \d+ steps went well/);
      assert.ok(steps.length >= 8 && steps.every((step) => step.verdict !== 'fail'), JSON.stringify(steps, null, 1));
      for (const { step, traffic } of steps.filter(({ step: name }) => site.counted && name !== "the kernel's log")) {
        assert.ok(traffic.length >= 2 && traffic.every(({ pf, tx_frames: frames }) => frames > 0 && pf === traffic[0]?.pf), `${step}: ${JSON.stringify(traffic)}`);
      }
      const ids = site.kind === 'soft' ? /soft VFs of model 82576/ : /0x8086 0x10ca/;
      assert.match(JSON.stringify(cards), ids);
      assert.ok(!text.includes(os.hostname()) && !/([0-9a-f]{2}:){5}/i.test(text), 'no name of a host, and no MAC');
      await allReturned(site);
      assert.ok(((await leasesEnded(site))['process ended'] ?? 0) >= 1, 'one of them was killed');
    });

    test('ended in the middle it ends its job, and leaves nothing behind', async () => {
      const job = site.user(testIt, { timeoutS: 600 });
      await job.until('two VFs are driven', async () => (await site.nodes()).filter(({ state }) => state === 'open').length === 2);
      process.kill(job.pid, 'SIGTERM');
      const { status, stdout, stderr } = await job.done;
      assert.equal(status, 143, stdout + stderr);
      await allReturned(site);
    });

    test('a report that cannot be written is told of before anything runs', async () => {
      const before = await leasesEnded(site);
      const { status, stderr } = await asUser(site, [...testIt.slice(0, -1), '/proc/report.json']);
      assert.equal(status, 73, stderr);
      assert.deepEqual(await leasesEnded(site), before);
    });
  });
}

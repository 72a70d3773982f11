// SPDX-License-Identifier: BSD-3-Clause
/** A guest that stands still is found, recorded, and started anew once; so is one whose QEMU fails. Runs real guests: npm test -- lab-standstill. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { LabError } from '../../lab/src/errors.js';
import { type Job, withGuest } from '../../lab/src/guest.js';
import { buildDir } from '../../lab/src/paths.js';
import { restarts } from '../../lab/src/restarts.js';
import { withSite } from '../../lab/src/site.js';

/** Longer than the two seconds between beats, shorter than what the lab waits for otherwise. */
const options = { parts: [], standstillMs: 5000 } as const;

/**
 * Ends the guest's heartbeat and leaves it idle: to this machine the same as processors that no timer wakes.
 * The brackets keep the script from finding itself.
 */
const STAND_STILL = `
for p in /proc/[0-9]*; do
    if grep -q 'echo [b]eat' $p/cmdline 2>/dev/null; then kill -9 \${p#/proc/}; fi
done
exec sleep 1000
`;
const standStill = async (guest: { exec(job: Job): Promise<unknown> }): Promise<unknown> => await guest.exec({ argv: ['sh', '-c', STAND_STILL] });

const logs = (): string[] => readdirSync(buildDir).filter((name) => name.startsWith('standstill-'));
mkdirSync(buildDir, { recursive: true }); // a fresh checkout has none
const logsBefore = new Set(logs());
process.on('exit', () => logs().filter((name) => !logsBefore.has(name)).forEach((name) => rmSync(join(buildDir, name))));

await test('an idle guest beats on, is left alone, and has a clock that is not too fast', async () => {
  const before = restarts().length;
  const elapsedS = await withGuest(options, async (guest) => {
    const start = performance.now();
    assert.equal((await guest.exec({ argv: ['sleep', '10'] })).status, 0);
    return (performance.now() - start) / 1000;
  });
  assert.equal(restarts().length, before);
  // A busy machine can only make it longer.
  assert.ok(elapsedS > 9.9, `10 s of the guest were ${elapsedS} s`);
});

await test('work is done again in another guest when the first stood still, which is counted', async () => {
  const before = restarts().length;
  let attempts = 0;
  const status = await withGuest(options, async (guest) => {
    attempts += 1;
    if (attempts === 1) {
      await standStill(guest);
    }
    return (await guest.exec({ argv: ['true'] })).status;
  });
  assert.equal(status, 0);
  assert.equal(attempts, 2);
  assert.equal(restarts().length, before + 1);
});

await test('so it is when QEMU ended by an assertion of its own', async () => {
  const before = restarts().length;
  let attempts = 0;
  const status = await withGuest(options, async (guest) => {
    attempts += 1;
    if (attempts === 1) {
      process.kill((await guest.threads()).pid, 'SIGABRT');
    }
    return (await guest.exec({ argv: ['true'] })).status;
  });
  assert.equal(status, 0);
  assert.equal(attempts, 2);
  assert.match(restarts().slice(before).join(), /QEMU failed while the guest ran \(SIGABRT\)/);
});

await test('a second stand-still is an error, with what QEMU knew in a log', async () => {
  let attempts = 0;
  const error = await withGuest(options, async (guest) => {
    attempts += 1;
    await standStill(guest);
  }).then(() => undefined, (reason: unknown) => reason);
  assert.ok(error instanceof LabError);
  assert.equal(error.code, 'VFRING_ERR_LAB_STANDSTILL');
  assert.equal(attempts, 2);
  const log = readFileSync(/is in (\S+)$/.exec(error.remedy)?.[1] ?? '', 'utf8');
  for (const part of [/VM status: running/, /dumping local APIC state for CPU 0/, /dumping local APIC state for CPU 1/, /^RIP=/m, /^pic0: /m, /thread \d+ \(.*\): waits in/]) {
    assert.match(log, part);
  }
});

await test('of several hosts, one that stands still is named to whoever waits for another one, and all are started anew, once', async () => {
  const before = restarts().length;
  let attempts = 0;
  const statuses = await withSite({ ...options, hosts: 2, machine: { pfs: 1 } }, async (site) => {
    attempts += 1;
    if (attempts === 1) {
      const waiting = site.host(1).exec({ argv: ['sleep', '1000'] });
      standStill(site.host(2)).catch(() => undefined);
      await assert.rejects(waiting, (error: unknown) => error instanceof LabError && error.code === 'VFRING_ERR_LAB_STANDSTILL' && /^host2 stood still/.test(error.message));
      await waiting;
    }
    return (await site.execOnAll({ argv: ['true'] })).map(({ status }) => status);
  });
  assert.deepEqual(statuses, [0, 0]);
  assert.equal(attempts, 2);
  assert.match(restarts().slice(before).join(), /host2 stood still/);
  assert.ok(logs().some((name) => name.startsWith('standstill-host2-') && !logsBefore.has(name)));
});

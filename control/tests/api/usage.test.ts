// SPDX-License-Identifier: BSD-3-Clause
/** What users had, as the API and `vfring job --since` tell it. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { apiClient } from '../../src/api/client.js';
import { historyText } from '../../src/cli/status.js';
import { findRoute } from '../../src/api/server.js';
import type { Call } from '../../src/api/routes.js';
import { fakeJob } from '../helpers/fake-views.js';
import { startNode } from '../helpers/fake-node.js';
import { ask, leaseRequest } from '../helpers/lease-client.js';

const uid = process.getuid?.() ?? 0;
const PAST = '2026-01-01T00:00:00Z';

test('jobs since a moment come page by page, and what users had by day beside them', async () => {
  const node = await startNode({ vfs: 1 });
  const api = apiClient(node.runDir);
  const { ledger } = node.daemon;
  for (let i = 0; i < 600; i++) {
    ledger.addJob({ uid, id: `j${i}`, state: 'open', createdAt: Date.now(), openedAt: { wall: 1, boot: 1 }, waitUntil: undefined });
  }
  const { lease } = await ask(node.lease, leaseRequest({ job: 'real' }));
  await api.endLease(lease);
  const jobs = await api.jobsSince(PAST);
  expect(jobs.map(({ id }) => id)).toEqual(['real', ...Array.from({ length: 600 }, (_unused, i) => `j${599 - i}`)]);
  expect(jobs[0]).toMatchObject({ leases: [], totals: { leases: 1 } });
  expect(await api.usage(PAST)).toMatchObject([{ day: new Date().toISOString().slice(0, 10), uid, jobs: 1, totals: { leases: 1 } }]);
  expect(await api.usage(PAST, uid + 1)).toEqual([]);
  expect((await api.jobs(uid + 1))).toEqual([]);
});

test('days without number are told a part at a time, oldest first, and none twice', async () => {
  const node = await startNode();
  const { ledger } = node.daemon;
  const key = ledger.addJob({ uid, id: 'j', state: 'open', createdAt: 1, openedAt: { wall: 1, boot: 1 }, waitUntil: undefined });
  const year = Date.now() - 365 * 86_400_000;
  const count = (day: number, of: number): void => {
    const { id } = ledger.beginLease({ jobKey: key, uid: of, pid: 1, startTicks: 1, rank: 0, ranks: 1, grantedAt: { wall: 1, boot: 1 }, dmaLimitBytes: 1, vfs: [] });
    ledger.endLease(id, 'released', { wall: year + day * 86_400_000, boot: 1 }, []);
  };
  for (let day = 0; day < 365; day++) {
    [1, 2, 3].forEach((of) => count(day, of));
  }
  const read = ledger.usage.bind(ledger);
  const asked = vi.spyOn(ledger, 'usage').mockImplementation((...args) => {
    const part = read(...args);
    // Between two parts another user's first lease of the day ends.
    count(364, 4 + asked.mock.calls.length);
    return part;
  });
  const days = await apiClient(node.runDir).usage(PAST);
  expect(days).toHaveLength(asked.mock.results.reduce((sum, { value }) => sum + (value as unknown[]).length, 0));
  const names = days.map(({ day, uid: of }) => `${day} ${of}`);
  expect(names).toEqual([...new Set(names)].sort());
  expect(Math.max(...asked.mock.results.map(({ value }) => (value as unknown[]).length))).toBe(500);
});

test('a user asks for nobody else', async () => {
  const node = await startNode();
  const { manager, ledger } = node.daemon;
  const call = (caller: Call['caller'], query: Call['query']): Call => ({ caller, query, params: {}, body: undefined });
  const user = { pid: 1, uid: 7, gid: 7, admin: false };
  const day = { traffic: { txFrames: 0, rxFrames: 0, txBytes: 0, rxBytes: 0 }, last: null, peakBytes: null };
  for (const of of [7, 8]) {
    const key = ledger.addJob({ uid: of, id: `of-${of}`, state: 'open', createdAt: 1, openedAt: { wall: 1, boot: 1 }, waitUntil: undefined });
    const { id } = ledger.beginLease({ jobKey: key, uid: of, pid: 1, startTicks: 1, rank: 0, ranks: 1, grantedAt: { wall: 1, boot: 1 }, dmaLimitBytes: 1, vfs: [] });
    ledger.endLease(id, 'released', { wall: 1, boot: 1 }, [day]);
  }
  for (const path of ['/v1/jobs', '/v1/usage']) {
    const route = findRoute('GET', path)?.route;
    const inTurn = async <T>(work: () => T): Promise<T> => work();
    const handle = async (caller: Call['caller'], query: object) => JSON.stringify(await route?.handle(call(caller, query as Call['query']), { manager, ledger, inTurn } as never));
    await expect(handle(user, { uid: 8 })).rejects.toMatchObject({ code: 'VFRING_ERR_FORBIDDEN' });
    expect(await handle(user, {})).toContain('"uid":7');
    expect(await handle(user, {})).not.toContain('"uid":8');
    expect(await handle({ ...user, admin: true }, {})).toContain('"uid":8');
  }
});

test.each([['since=yesterday'], ['before=-1'], ['leases=some'], ['uid=x']])('?%s is refused', async (query) => {
  const node = await startNode();
  const { status } = await new Promise<{ status: number }>((resolve) => {
    void import('node:http').then(({ get }) => get({ socketPath: node.api, path: `/v1/jobs?${query}` }, (response) => resolve({ status: response.resume().statusCode ?? 0 })));
  });
  expect(status).toBe(400);
});

test('a time that is none is refused, before anybody is asked', () => {
  const main = join(import.meta.dirname, '../../src/cli/main.ts');
  const result = spawnSync(process.execPath, ['--import', 'tsx', main, 'job', '--since', 'monday'], { encoding: 'utf8', env: { ...process.env, VFRING_RUN_DIR: '/nowhere' } });
  expect([result.status, result.stderr]).toEqual([64, expect.stringContaining('for example --since 7d, or --since 2026-11-01')]);
});

test('for people: a line a day and user, a line a job', () => {
  const totals = { ...fakeJob([]).totals, leases: 3, vf_seconds: 7200, traffic: { tx_frames: 1, tx_bytes: 2048, rx_frames: 1, rx_bytes: 1 }, retransmitted_frames: 9 };
  const text = historyText({ since: PAST, days: [{ day: '2026-01-02', uid: 7, jobs: 2, totals }], jobs: [fakeJob([], { id: 'mine', uid: 7, state: 'ended', how: 'time limit', totals })] });
  expect(text.split('\n').map((line) => line.replace(/ {2,}/g, ' | '))).toEqual([
    `by day (UTC), of the leases that ended since ${PAST}:`,
    'DAY | UID | JOBS | LEASES | VF TIME | OUT | IN | SENT AGAIN',
    '2026-01-02 | 7 | 2 | 3 | 2 h | 2 KiB | 1 B | 9',
    '',
    'jobs that were under way since then, of their ended leases:',
    'JOB | UID | STATE | CREATED | ENDED | LEASES | VF TIME | OUT | IN | SENT AGAIN',
    expect.stringContaining('mine | 7 | ended (time limit)') as string,
  ]);
});

// SPDX-License-Identifier: BSD-3-Clause
/** The API over its real socket: jobs, and who may see what. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, readFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { openApi } from '../../src/api/openapi.js';
import { ROUTES } from '../../src/api/routes.js';
import type { JobView, StatusView } from '../../src/api/views.js';
import type { LeaseRecord, LeaseVfRecord } from '../../src/ledger/records.js';
import { apiClient } from '../../src/api/client.js';
import { leasesOf, startNode } from '../helpers/fake-node.js';
import { answerOf, ask, leaseHolder, leaseRequest } from '../helpers/lease-client.js';
import { eventually } from '../helpers/eventually.js';
import { softHarness } from '../providers/harness.js';
import { softConfig } from '../helpers/config.js';
import { tempDir } from '../helpers/temp-dir.js';

const uid = process.getuid?.() ?? 0;

/** A call as it stands on the wire. */
function call(socketPath: string, method: string, path: string, body?: string): Promise<{ status: number; body: unknown }> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ socketPath, method, path, agent: false }, (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => (text += chunk.toString()));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) as unknown }));
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

describe('a client that reads nothing', () => {
  test('is cut off, and what it did not read is let go', async () => {
    const node = await startNode({ apiRequestMs: 3000 });
    // More than the socket's buffers hold.
    for (let i = 0; i < 256; i++) {
      const { key } = await node.daemon.control.create(uid, { hosts: Array.from({ length: 100 }, (_unused, n) => `a-host-with-a-rather-long-name-${n}`) });
      expect(key).toBeGreaterThan(0);
    }
    const client = connect(node.api);
    client.on('error', () => {});
    const closed = new Promise((resolve) => client.once('close', resolve));
    client.write('GET /v1/jobs HTTP/1.1\r\nHost: x\r\n\r\n');
    client.pause();
    await eventually(async () => (await apiClient(node.runDir).jobs()).length === 256);
    await eventually(() => node.daemon.apiConnections === 0);
    // Cut off: what the kernel still has ends in the middle of the answer.
    client.resume();
    await closed;
  });

  test('and leaves long answers unread, takes so much memory and no more', async () => {
    const node = await startNode();
    const hosts = Array.from({ length: 1024 }, (_unused, n) => `a-host-with-a-name-as-long-as-one-request-has-room-for-it-${n}`);
    for (let i = 0; i < 256; i++) {
      await node.daemon.control.create(uid, { hosts });
    }
    const ask = async (): Promise<Socket> => {
      const client = connect(node.api).on('error', () => {});
      client.write('GET /v1/jobs HTTP/1.1\r\nHost: x\r\n\r\n');
      await once(client, 'readable');
      return client;
    };
    const status = (client: Socket): string => (client.read() as Buffer).toString('latin1').slice(9, 12);
    const first = await ask();
    const second = await ask();
    expect([status(first), status(second)]).toEqual(['200', '429']);
    first.destroy();
    await eventually(async () => (await apiClient(node.runDir).jobs()).length === 256);
  });

  test('and opens many connections, has so many and no more', async () => {
    const node = await startNode();
    const clients = Array.from({ length: 80 }, () => connect(node.api).on('error', () => {}));
    await eventually(() => node.daemon.apiConnections === 64);
    clients.forEach((client) => client.destroy());
    await eventually(async () => (await apiClient(node.runDir).status().catch(() => undefined))?.version === 1);
  });
});

describe('jobs', () => {
  test('are made, shown with what their VFs carried, and ended', async () => {
    const node = await startNode();
    const api = apiClient(node.runDir);
    const job = await api.createJob({ ranks: 2 });
    expect(job).toMatchObject({ state: 'open', ranks: 2, uid, leases: [] });

    const { child, reply } = await leaseHolder(node.lease, leaseRequest({ job: job.id, rank: 1, ranks: 2 }));
    node.soft.setCounters(reply.vfs[0] as never, { txFrames: 3, rxFrames: 4, txBytes: 300, rxBytes: 400 });
    expect((await api.job(job.id)).leases).toMatchObject([{ rank: 1, pid: child.pid, state: 'held', how: null }]);
    child.kill('SIGKILL');
    await eventually(async () => (await api.job(job.id)).leases[0]?.state === 'ended');

    const report = await api.endJob(job.id);
    expect(report).toMatchObject({ state: 'ended', leases: [{ how: 'process ended' }] });
    expect(report.leases[0]?.vfs[0]?.traffic).toEqual({ tx_frames: 3, rx_frames: 4, tx_bytes: 300, rx_bytes: 400 });
    expect(await ask(node.lease, leaseRequest({ job: job.id }))).toMatchObject({
      code: 'VFRING_ERR_BAD_REQUEST',
      message: `job ${job.id} has ended and takes no more leases`,
    });
  });

  test('that a lease made known are listed too', async () => {
    const node = await startNode();
    await ask(node.lease, leaseRequest({ job: 'prterun-host-4711@1' }));
    const api = apiClient(node.runDir);
    expect((await api.jobs()).map((job) => job.id)).toEqual(['prterun-host-4711@1']);
    expect((await api.job('prterun-host-4711@1')).ranks).toBeNull();
  });

  test('can choose their spread', async () => {
    const node = await startNode();
    expect(await apiClient(node.runDir).createJob({ ranks: 1, spread: 'pack' })).toMatchObject({ spread: 'pack' });
  });
});

describe('a wrong call', () => {
  test.each<[string, string, string | undefined, number, string]>([
    ['GET', '/v1/nothing', undefined, 404, 'VFRING_ERR_BAD_REQUEST'],
    ['GET', '/', undefined, 404, 'VFRING_ERR_BAD_REQUEST'],
    ['PUT', '/v1/jobs', undefined, 404, 'VFRING_ERR_BAD_REQUEST'],
    ['GET', '/v1/jobs/none', undefined, 404, 'VFRING_ERR_NO_SUCH_JOB'],
    ['DELETE', '/v1/jobs/none', undefined, 404, 'VFRING_ERR_NO_SUCH_JOB'],
    ['GET', '/v1/jobs/%zz', undefined, 400, 'VFRING_ERR_BAD_REQUEST'],
    ['GET', '/v1/jobs/a/b', undefined, 404, 'VFRING_ERR_BAD_REQUEST'],
    ['POST', '/v1/jobs', '{', 400, 'VFRING_ERR_BAD_REQUEST'],
    ['POST', '/v1/jobs', '{"ranks":0}', 400, 'VFRING_ERR_BAD_REQUEST'],
    ['POST', '/v1/jobs', '{"rank":1}', 400, 'VFRING_ERR_BAD_REQUEST'],
    ['POST', '/v1/jobs', '[]', 400, 'VFRING_ERR_BAD_REQUEST'],
    ['POST', '/v1/jobs', ' '.repeat(70_000), 400, 'VFRING_ERR_BAD_REQUEST'],
  ])('%s %s is refused with cause and remedy', async (method, path, body, status, code) => {
    const node = await startNode();
    const reply = await call(node.api, method, path, body);
    expect(reply).toMatchObject({ status, body: { code } });
    expect((reply.body as { remedy: string }).remedy).not.toBe('');
  });

  test('what is no HTTP at all ends its own connection only', async () => {
    const node = await startNode();
    const socket = connect(node.api);
    socket.write('\x00\x01garbage\r\n\r\n');
    expect(await answerOf(socket)).toContain('400 Bad Request');
    expect((await call(node.api, 'GET', '/v1/status')).status).toBe(200);
  });
});

describe('status', () => {
  test('shows every VF and its own user who has it', async () => {
    const node = await startNode({ vfs: 2 });
    await ask(node.lease, leaseRequest({ job: 'mine' }));
    const status = await apiClient(node.runDir).status();
    expect(status).toMatchObject({ version: 1, pid: process.pid, provider: 'soft', spread: 'pf' });
    expect(status.vfs.map((vf) => [vf.state, vf.lease?.job])).toEqual([
      ['leased', 'mine'],
      ['free', undefined],
    ]);
  });
});

describe('the description', () => {
  const committed = JSON.parse(readFileSync(join(import.meta.dirname, '../../../docs/openapi.json'), 'utf8')) as unknown;

  test('in docs/openapi.json is what the server serves (npm run openapi writes it)', async () => {
    const node = await startNode();
    expect((await call(node.api, 'GET', '/v1/openapi.json')).body).toEqual(committed);
    expect(openApi()).toEqual(committed);
  });

  test('holds for what every call answers', async () => {
    const node = await startNode();
    const job = await apiClient(node.runDir).createJob({ ranks: 1, vfs: 1, memory_bytes: 1 << 20, time_limit_s: 100, wait_s: 5 });
    const { reply } = await leaseHolder(node.lease, leaseRequest({ job: job.id }));
    const body: Record<string, string> = { createJob: '{"ranks":2}', provision: '{"force":false}' };
    const ends = ['endJob', 'endLease'];
    const seen: string[] = [];
    for (const route of [...ROUTES].sort((a, b) => ends.indexOf(a.id) - ends.indexOf(b.id))) {
      const place = route.path.replace('/leases/{id}', `/leases/${reply.lease}`).replace('{id}', job.id).replace('{name}', 'vf0');
      const text = await raw(node.api, route.method, place, body[route.id]);
      const answer: unknown = route.answer instanceof z.ZodString ? text.body : JSON.parse(text.body);
      expect([route.id, text.status]).toEqual([route.id, route.status]);
      expect([route.id, closed(route.answer).safeParse(answer).error]).toEqual([route.id, undefined]);
      seen.push(route.id);
    }
    expect(seen).toHaveLength(ROUTES.length);
  });

  test('calls for administrators are refused to others, and say so', () => {
    expect(ROUTES.filter((route) => route.who === 'administrators').map((route) => route.id).sort()).toEqual(
      ['endLease', 'getMetrics', 'getPlan', 'provision', 'reconcile'],
    );
  });
});

/** No field that the description does not name. */
function closed(schema: z.ZodType): z.ZodType {
  return schema instanceof z.ZodObject ? schema.strict() : schema;
}

function raw(socketPath: string, method: string, path: string, body?: string): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ socketPath, method, path, agent: false }, (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => (text += chunk.toString()));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: text }));
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

describe('administration', () => {
  test('metrics carry the labels of PF, VF, NUMA node and job, and never go down', async () => {
    const node = await startNode({ vfs: 2 });
    const api = apiClient(node.runDir);
    const { child, reply } = await leaseHolder(node.lease, leaseRequest({ job: 'metrics"job'.replace('"', ':') }));
    node.soft.setCounters(reply.vfs[0] as never, { txFrames: 3, rxFrames: 4, txBytes: 300, rxBytes: 400 });
    await node.daemon.manager.sample();
    const text = await api.metrics();
    expect(text).toContain('vfring_vfs{state="leased"} 1\n');
    expect(text).toContain('vfring_vf_transmit_bytes_total{pf="soft",vf="vf0",numa="-1"} 300\n');
    expect(text).toContain(`vfring_lease_limit_bytes{pf="soft",vf="vf0",numa="-1",job="metrics:job",uid="${uid}",rank="0"} 67108864\n`);
    for (const line of text.trimEnd().split('\n')) {
      expect(line).toMatch(/^(# (HELP|TYPE) \w+ .+|\w+(\{(\w+="[^"]*",?)+\})? -?\d+(\.\d+)?(e[+-]\d+)?)$/);
    }
    child.kill('SIGKILL');
    await eventually(() => node.daemon.manager.leases().length === 0);
    expect(await api.metrics()).toContain('vfring_vf_transmit_bytes_total{pf="soft",vf="vf0",numa="-1"} 300\n');
    expect(await api.metrics()).toContain('vfring_leases_ended_total{reason="process ended"} 1\n');
  });

  test('a lease is taken away, and the history of a VF tells it', async () => {
    const node = await startNode();
    const api = apiClient(node.runDir);
    const { reply } = await leaseHolder(node.lease, leaseRequest());
    expect((await api.leases()).map(({ id }) => id)).toEqual([reply.lease]);
    await api.endLease(reply.lease);
    expect(await api.leases()).toEqual([]);
    expect((await api.vfHistory('vf0')).map(({ id, how }) => [id, how])).toEqual([[reply.lease, 'ended by the administrator']]);
    await expect(api.endLease(reply.lease)).rejects.toMatchObject({ code: 'VFRING_ERR_NO_SUCH_LEASE', exitStatus: 65 });
  });

  test('one VF of a lease is taken away, then the lease with its last', async () => {
    const node = await startNode();
    const api = apiClient(node.runDir);
    const { reply } = await leaseHolder(node.lease, leaseRequest({ count: 2 }));
    await expect(api.endLease(reply.lease, 'vf9')).rejects.toMatchObject({ code: 'VFRING_ERR_NO_SUCH_LEASE_VF', exitStatus: 65 });
    expect(await api.endLease(reply.lease, 'vf0')).toMatchObject({ goes_on: true });
    expect((await api.leases())[0]?.vfs.map(({ taken_how: how }) => how)).toEqual(['ended by the administrator', null]);
    expect((await api.status()).vfs.map(({ state, lease }) => [state, lease?.rail, lease?.rails])).toEqual([['free', undefined, undefined], ['leased', 1, 1], ['free', undefined, undefined], ['free', undefined, undefined]]);
    expect(await api.endLease(reply.lease, 'vf1')).toMatchObject({ goes_on: false });
    expect(await api.leases()).toEqual([]);
  });

  test('a changed configuration is taken over; under a running process only with force', async () => {
    const dir = tempDir();
    let vfs = 2;
    const harness = softHarness(dir, 2);
    const node = await startNode({
      dir,
      provider: harness.provider(),
      reload: async () => ({ config: softConfig(join(dir, 'soft'), vfs, 'limits: {dma_per_vf: 1MiB}'), provider: harness.provider(vfs) }),
    });
    const api = apiClient(node.runDir);
    const first = await leaseHolder(node.lease, leaseRequest());
    const second = await leaseHolder(node.lease, leaseRequest());
    vfs = 1;
    await expect(api.provision(false)).rejects.toMatchObject({
      code: 'VFRING_ERR_DISTURBS',
      message: `the new configuration takes VFs vf1 from under job job of uid ${uid} (process ${second.child.pid})`,
    });
    expect((await api.status()).vfs).toHaveLength(2);
    const { steps } = await api.provision(true);
    expect(steps).toMatchObject([{ disturbs: ['vf1'] }]);
    const status = await api.status();
    expect(status.vfs.map((vf) => [vf.name, vf.lease?.pid])).toEqual([['vf0', first.child.pid]]);
    expect(status.policy.dma_per_vf_bytes).toBe(1 << 20);
  });
});

describe('what takes long', () => {
  test('asks the ledger for the jobs of all leases at once, however many there are', async () => {
    const node = await startNode({ vfs: 4 });
    for (const job of ['a', 'b', 'c', 'd']) {
      await ask(node.lease, leaseRequest({ job }));
    }
    const one = vi.spyOn(node.daemon.ledger, 'job');
    const several = vi.spyOn(node.daemon.ledger, 'jobsByKey');
    const api = apiClient(node.runDir);
    expect((await api.leases()).map(({ job }) => job)).toEqual(['a', 'b', 'c', 'd']);
    expect((await api.vfHistory('vf0')).map(({ job }) => job)).toEqual(['a']);
    expect([one.mock.calls.length, several.mock.calls.length]).toEqual([0, 2]);
  });

  test('is done a part at a time, and who asks for a VF meanwhile is served between two', async () => {
    const node = await startNode({ vfs: 1 });
    const { ledger, manager } = node.daemon;
    await ask(node.lease, leaseRequest());
    const [first] = ledger.openLeases();
    const { jobKey, pid, startTicks, grantedAt, dmaLimitBytes, vfs: [vf] } = first as LeaseRecord;
    for (let i = 0; i < 500; i++) {
      const { id } = ledger.beginLease({ jobKey, uid, pid, startTicks, rank: i, ranks: 500, grantedAt, dmaLimitBytes, vfs: [{ vf: (vf as LeaseVfRecord).vf, last: null }] });
      ledger.endLease(id, 'released', grantedAt, []);
    }
    const parts: number[] = [];
    const read = ledger.leases.bind(ledger);
    let leased = -1;
    vi.spyOn(ledger, 'leases').mockImplementation((ids) => {
      parts.push(ids.length);
      if (parts.length === 2) {
        // The connection of who asks is there; the event loop has not seen it yet.
        setImmediate(() => void manager.exclusively(() => (leased = parts.length)));
      }
      return read(ids);
    });
    const job = await apiClient(node.runDir).job('job');
    expect(job.leases.map(({ rank }) => rank)).toEqual([0, ...Array.from({ length: 500 }, (_, i) => i)]);
    expect(parts).toEqual([100, 100, 100, 100, 100, 1]);
    expect(leased).toBe(2);
    expect(await apiClient(node.runDir).vfHistory('vf0', 250)).toMatchObject(Array.from({ length: 250 }, (_, i) => ({ rank: 499 - i })));
  });
});

test('who has gone away is not answered: others wait for no more than there are', async () => {
  const node = await startNode({ vfs: 1 });
  const { ledger, manager } = node.daemon;
  const api = apiClient(node.runDir);
  const read = vi.spyOn(ledger, 'jobs');
  let go = (): void => {};
  vi.spyOn(manager, 'whenQuiet').mockReturnValueOnce(new Promise((resolve) => (go = resolve)));
  const first = api.status();
  await eventually(() => node.daemon.apiConnections === 1);
  const gone = connect(node.api);
  gone.write('GET /v1/jobs HTTP/1.1\r\nhost: x\r\n\r\n');
  await eventually(() => node.daemon.apiConnections === 2);
  // What needs no turn is answered after the other's request has come.
  expect((await call(node.api, 'GET', '/v1/nothing')).status).toBe(404);
  gone.destroy();
  await eventually(() => node.daemon.apiConnections === 1);
  go();
  await first;
  await api.status();
  expect(read).not.toHaveBeenCalled();
});

test('a segment that the configuration names anew is that of the next lease; a running process keeps what it was told', async () => {
  const dir = tempDir();
  const harness = softHarness(dir, 2);
  const node = await startNode({ dir, provider: harness.provider() });
  const api = apiClient(node.runDir);
  const { child } = await leaseHolder(node.lease, leaseRequest());
  harness.fake.segment = 'switch-2';
  expect((await api.provision(false)).steps).toEqual([]);
  const shown = async (): Promise<string | undefined> => (await api.status()).vfs[0]?.segment;
  expect(await shown()).toBe('switch-1');
  child.kill('SIGKILL');
  await eventually(async () => (await shown()) === 'switch-2');
  expect((await ask(node.lease, leaseRequest())).vfs[0]).toMatchObject({ segment: 'switch-2' });
});

/** Runs a call as another user. */
async function asUser(user: number, script: string): Promise<unknown> {
  const child = spawn(process.execPath, ['-e', script], { uid: user, gid: user, stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  for await (const chunk of child.stdout) {
    text += String(chunk);
  }
  return JSON.parse(text);
}

const NOBODY = 65_534;
const get = (socket: string, path: string, method = 'GET'): string => `
  require('http').request({ socketPath: ${JSON.stringify(socket)}, path: ${JSON.stringify(path)}, method: '${method}' },
    (r) => r.pipe(process.stdout)).end()`;
const lease = (socket: string, request: object): string => `
  const s = require('net').connect(${JSON.stringify(socket)});
  s.write(${JSON.stringify(`${JSON.stringify(request)}\n`)}); s.pipe(process.stdout)`;

describe.runIf(uid === 0)('users among each other (root only: it takes two users)', () => {
  async function sharedNode() {
    const dir = tempDir();
    chmodSync(dir, 0o755);
    return startNode({ dir });
  }

  test('a user neither sees nor ends another\'s job; root does', async () => {
    const node = await sharedNode();
    const api = apiClient(node.runDir);
    const mine = await api.createJob({ ranks: 1 });
    await ask(node.lease, leaseRequest({ job: mine.id }));

    for (const method of ['GET', 'DELETE']) {
      expect(await asUser(NOBODY, get(node.api, `/v1/jobs/${mine.id}`, method))).toMatchObject({ code: 'VFRING_ERR_NO_SUCH_JOB' });
    }
    expect(await asUser(NOBODY, get(node.api, '/v1/jobs'))).toEqual({ jobs: [], next: null });
    const status = (await asUser(NOBODY, get(node.api, '/v1/status'))) as StatusView;
    expect(status.vfs[0]).toMatchObject({ state: 'leased', lease: null });

    const theirs = (await asUser(NOBODY, get(node.api, '/v1/jobs', 'POST'))) as JobView;
    expect(theirs.uid).toBe(NOBODY);
    expect(await api.job(theirs.id)).toMatchObject({ uid: NOBODY });
    expect(await api.endJob(theirs.id)).toMatchObject({ state: 'ended' });
  });

  test('only administrators take leases away, plan, provision and see everybody\'s metrics', async () => {
    const node = await sharedNode();
    const { child, reply } = await leaseHolder(node.lease, leaseRequest());
    for (const [method, path] of [['DELETE', `/v1/leases/${reply.lease}`], ['GET', '/v1/plan'], ['POST', '/v1/provision'], ['POST', '/v1/reconcile'], ['GET', '/v1/metrics']]) {
      expect(await asUser(NOBODY, get(node.api, path ?? '', method))).toMatchObject({ code: 'VFRING_ERR_FORBIDDEN' });
    }
    const forOther = `require('http').request({ socketPath: ${JSON.stringify(node.api)}, path: '/v1/jobs', method: 'POST' }, (r) => r.pipe(process.stdout)).end('{"uid":0}')`;
    expect(await asUser(NOBODY, forOther)).toMatchObject({ code: 'VFRING_ERR_FORBIDDEN' });
    expect(await asUser(NOBODY, get(node.api, '/v1/leases'))).toEqual({ leases: [] });
    expect(await asUser(NOBODY, get(node.api, '/v1/vfs/vf0/leases'))).toEqual({ leases: [] });
    expect(node.daemon.manager.leases()).toHaveLength(1);
    const theirs = await apiClient(node.runDir).createJob({ uid: NOBODY, vfs: 1 });
    expect(theirs.uid).toBe(NOBODY);
    child.kill();
  });

  test('a label gives no rights over another user\'s job of that name', async () => {
    const node = await sharedNode();
    await ask(node.lease, leaseRequest({ job: 'same' }));
    expect(await asUser(NOBODY, lease(node.lease, leaseRequest({ job: 'same' })))).toMatchObject({ ok: true });
    expect(leasesOf(node, 'same', 0)).toHaveLength(1);
    expect(leasesOf(node, 'same', NOBODY)).toHaveLength(1);
  });

  test('a leased node belongs to who asked for it', async () => {
    const node = await sharedNode();
    const { child, reply } = await leaseHolder(node.lease, leaseRequest());
    expect(reply.ok).toBe(true);
    const given = (await asUser(NOBODY, `${lease(node.lease, leaseRequest())}`)) as { vfs: { device: string }[] };
    await eventually(() => node.daemon.manager.leases().length === 1);
    expect(given.vfs[0]?.device).not.toBe(reply.vfs[0]?.device);
    expect(await asUser(NOBODY, lease(node.lease, { v: 1, op: 'release', lease: reply.lease }))).toMatchObject({
      code: 'VFRING_ERR_NOT_OWNER',
    });
    child.kill();
  });
});

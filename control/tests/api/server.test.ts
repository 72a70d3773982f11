// SPDX-License-Identifier: BSD-3-Clause
/** The API over its real socket: jobs, and who may see what. */
import { spawn } from 'node:child_process';
import { chmodSync } from 'node:fs';
import { request } from 'node:http';
import { connect } from 'node:net';
import { describe, expect, test } from 'vitest';
import type { JobView, StatusView } from '../../src/api/views.js';
import { apiClient } from '../../src/cli/api-client.js';
import { leasesOf, startNode } from '../helpers/fake-node.js';
import { answerOf, ask, leaseHolder, leaseRequest } from '../helpers/lease-client.js';
import { eventually } from '../helpers/eventually.js';
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
    expect(await asUser(NOBODY, get(node.api, '/v1/jobs'))).toEqual({ jobs: [] });
    const status = (await asUser(NOBODY, get(node.api, '/v1/status'))) as StatusView;
    expect(status.vfs[0]).toMatchObject({ state: 'leased', lease: null });

    const theirs = (await asUser(NOBODY, get(node.api, '/v1/jobs', 'POST'))) as JobView;
    expect(theirs.uid).toBe(NOBODY);
    expect(await api.job(theirs.id)).toMatchObject({ uid: NOBODY });
    expect(await api.endJob(theirs.id)).toMatchObject({ state: 'ended' });
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

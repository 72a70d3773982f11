// SPDX-License-Identifier: BSD-3-Clause
/** The page's listener over its real port: what it says, whom it bounds, and that leases do not depend on it. */
import { createServer, type AddressInfo } from 'node:net';
import { chmodSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { apiClient } from '../../src/api/client.js';
import type { PageHistory, PageState } from '../../src/web/view.js';
import { WEB_LIMITS, WebServer } from '../../src/web/server.js';
import { softConfig } from '../helpers/config.js';
import { eventually } from '../helpers/eventually.js';
import { startNode } from '../helpers/fake-node.js';
import { ask, leaseHolder, leaseRequest } from '../helpers/lease-client.js';
import { answer, client, freePort, get, startPage, statusOf } from '../helpers/page.js';
import { tempDir } from '../helpers/temp-dir.js';

const EVENTS = get('/v1/page/events');

describe('what is served', () => {
  test('the page, its files, the state, the last hour, and the metrics that the API has', async () => {
    const node = await startPage();
    const { child } = await leaseHolder(node.lease, leaseRequest({ job: 'mine' }));
    for (const [path, type] of [['/', 'text/html; charset=utf-8'], ['/page.js', 'text/javascript; charset=utf-8'], ['/page.css', 'text/css; charset=utf-8'], ['/icon.svg', 'image/svg+xml']]) {
      const response = await fetch(`${node.url}${path}`);
      expect([response.status, response.headers.get('content-type')]).toEqual([200, type]);
      expect(response.headers.get('content-security-policy')).toContain("default-src 'none'; script-src 'self'");
      expect((await response.arrayBuffer()).byteLength).toBeGreaterThan(0);
      expect(await statusOf(`${node.url}${path}`, { 'if-none-match': response.headers.get('etag') ?? '' })).toBe(304);
    }
    const state = (await (await fetch(`${node.url}/v1/page/state`)).json()) as PageState;
    expect(state).toMatchObject({ provider: 'soft', pfs: [{ name: 'soft', trouble: null }], jobs: [{ id: 'mine', state: 'open' }] });
    expect(state.vfs.map((vf) => [vf.state, vf.lease?.job, vf.lease?.pid])).toEqual([['leased', 'mine', child.pid], ...Array(3).fill(['free', undefined, undefined])]);
    expect(state.events.map(({ text }) => text)).toContain('lease granted');
    const history = (await (await fetch(`${node.url}/v1/page/history`)).json()) as PageHistory;
    expect(history.samples).not.toHaveLength(0);
    const metrics = await fetch(`${node.url}/metrics`);
    expect(metrics.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    const names = (text: string): string[] => [...text.matchAll(/^# TYPE (\w+)/gm)].map(([, name]) => name as string);
    expect(names(await metrics.text())).toEqual(names(await apiClient(node.runDir).metrics()));
  });

  test('changes come as events, to everybody who watches', async () => {
    const node = await startPage();
    const events = (stream: string): PageState[] => [...stream.matchAll(/^data: (.*)$/gm)].map(([, data]) => JSON.parse(data as string) as PageState);
    const streams = ['', ''];
    streams.forEach((_unused, i) => client(node.port, EVENTS).on('data', (chunk) => (streams[i] += chunk.toString())));
    await eventually(() => streams.every((stream) => events(stream.replace(/\n[^\n]*$/, '')).length > 0));
    await ask(node.lease, leaseRequest({ job: 'new' }));
    await eventually(() => streams.every((stream) => stream.includes('"job":"new"')));
    expect(streams[0]).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(streams[0]).toContain('content-type: text/event-stream');
  });

  test.each([['/v1/status'], ['/v1/jobs'], ['/etc/passwd'], ['/../index.html'], ['/%2e%2e/index.html'], ['//'], ['/page.js/'], ['*'], ['http://evil.example/']])('there is nothing at %s', async (path) => {
    const node = await startPage();
    expect(await answer(node.port, get(path))).toMatch(/^HTTP\/1\.1 404 /);
  });

  test('nothing else than reading is done, whoever asks', async () => {
    const node = await startPage();
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']) {
      const reply = await answer(node.port, `${method} /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}`);
      expect(reply).toMatch(/^HTTP\/1\.1 405 /);
      expect(reply).toContain('allow: GET, HEAD');
    }
    expect(node.daemon.ledger.jobs(9)).toEqual([]);
    expect(await answer(node.port, 'HEAD /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n')).toMatch(/^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\n$/);
  });

  test('another name, another origin, no token: refused, with cause and remedy', async () => {
    const dir = tempDir();
    writeFileSync(join(dir, 'token'), 'a-secret-of-some-length\n', { mode: 0o600 });
    const node = await startPage(`, token_file: ${join(dir, 'token')}, hosts: [node7]`);
    const token = 'Authorization: Bearer a-secret-of-some-length';
    expect(await answer(node.port, get('/'))).toMatch(/^HTTP\/1\.1 401 [^]*www-authenticate: Basic[^]*"remedy":"send it as/);
    expect(await answer(node.port, get('/', [token, 'Origin: https://evil.example']))).toMatch(/^HTTP\/1\.1 403 /);
    expect(await answer(node.port, get('/', [token]).replace('localhost', 'evil.example'))).toMatch(/^HTTP\/1\.1 421 [^]*VFRING_ERR_HTTP_REFUSED/);
    expect(await answer(node.port, get('/', [token]).replace('localhost', 'node7:9155'))).toMatch(/^HTTP\/1\.1 200 /);
    expect(await answer(node.port, get('/metrics', [token]))).toMatch(/^HTTP\/1\.1 200 /);
    await eventually(async () => ((await fetch(`${node.url}/metrics`, { headers: { authorization: 'Bearer a-secret-of-some-length' } })).text()).then((text) => text.includes('vfring_http_refused_total 3\n')));
  });

  test('labels of jobs are text in every answer', async () => {
    const node = await startPage();
    node.daemon.ledger.addJob({ uid: 1, id: '</script><img src=x onerror=alert(1)>\r\n\r\ndata: {}', state: 'ended', createdAt: 1, openedAt: { wall: 1, boot: 1 }, waitUntil: undefined });
    let stream = '';
    client(node.port, EVENTS).on('data', (chunk) => (stream += chunk.toString()));
    await eventually(() => stream.includes('\n\n'));
    expect(stream.match(/^data: /gm)).toHaveLength(1);
  });
});

describe('what is no request', () => {
  test.each([
    ['garbage', '\x00\x01\x02\r\n\r\n'], ['a header without end', `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(20_000)}`], ['no Host', 'GET / HTTP/1.1\r\n\r\n'],
    ['two lengths', 'GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n'], ['a body that is announced twice', 'GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'.repeat(20)],
  ])('%s ends its own connection only', async (_name, text) => {
    const node = await startPage();
    expect(await answer(node.port, text)).toMatch(/^HTTP\/1\.1 4\d\d /);
    expect(await statusOf(node.url)).toBe(200);
  });
});

describe('readers without number', () => {
  test('1,000 streams: so many are served, the daemon is asked as often as for one, and leases are given', async () => {
    const node = await startPage('', { vfs: 8 });
    const clients = Array.from({ length: 1000 }, () => client(node.port, EVENTS));
    for (let i = 0; i < 8; i++) {
      expect(await ask(node.lease, leaseRequest({ job: `j${i}` }))).toMatchObject({ ok: true });
    }
    // Everybody else was sent away, at the door or with an answer.
    await eventually(() => node.daemon.page.status?.load.dropped === 1000 - WEB_LIMITS.streams);
    expect(node.daemon.page.status?.load).toMatchObject({ streams: WEB_LIMITS.streams, slow: 0 });
    // One question at a time, and none before the last answer is old: however long this took.
    const { answered } = node.daemon.page.listener;
    const before = answered.state;
    const since = performance.now();
    await eventually(() => answered.state >= before + 3);
    expect(answered.state - before).toBeLessThanOrEqual(2 + (performance.now() - since) / WEB_LIMITS.freshMs);
    // Who leaves makes room.
    clients.forEach((one) => one.destroy());
    await eventually(async () => (await answer(node.port, get('/'))).startsWith('HTTP/1.1 200'));
  });

  test('none of them: nothing is looked at, and no timer wakes the page', async () => {
    const [begun, ended] = [vi.spyOn(globalThis, 'setInterval'), vi.spyOn(globalThis, 'clearInterval')];
    onTestFinished(() => [begun, ended].forEach((spy) => spy.mockRestore()));
    let asked = 0;
    const web = new WebServer({ policy: { hosts: undefined, token: undefined }, assets: new Map(), ask: async () => String(++asked), limits: { lookMs: 10, freshMs: 1 } });
    onTestFinished(() => web.close());
    await new Promise<void>((resolve) => web.server.listen(0, '127.0.0.1', resolve));
    const { port } = web.server.address() as AddressInfo;
    for (let reader = 1; reader <= 2; reader++) {
      expect([asked > 0, begun.mock.calls.length]).toEqual([reader > 1, ended.mock.calls.length]);
      const [watcher, before] = [client(port, EVENTS), asked];
      await eventually(() => asked > before + 2);
      watcher.destroy();
      await eventually(() => begun.mock.calls.length === ended.mock.calls.length);
    }
  });

  test('who connects and says nothing, or reads nothing, is cut off', async () => {
    const node = await startPage();
    const silent = Array.from({ length: 20 }, () => client(node.port, ''));
    const half = Array.from({ length: 20 }, () => client(node.port, 'GET / HTTP/1.1\r\nHost: local'));
    await eventually(() => [...silent, ...half].every(({ destroyed, readyState }) => destroyed || readyState !== 'open'));
    await eventually(async () => (await answer(node.port, get('/'))).startsWith('HTTP/1.1 200'));
  });
});

describe('a page that cannot be served', () => {
  test('is told in log, status and doctor, with a remedy, while leases are given; and is served as soon as it can be', async () => {
    const port = await freePort();
    const squatter = createServer().listen(port, '127.0.0.1');
    onTestFinished(() => void squatter.close());
    const dir = tempDir();
    const node = await startNode({ dir, config: softConfig(join(dir, 'soft'), 2, `http: {listen: "127.0.0.1:${port}"}`), page: { retryMs: 50 } });
    expect(await ask(node.lease, leaseRequest())).toMatchObject({ ok: true });
    const api = apiClient(node.runDir);
    await eventually(async () => (await api.status()).http?.trouble != null);
    const { http } = await api.status();
    expect(http).toMatchObject({
      serving: false, trouble: { code: 'VFRING_ERR_HTTP_LISTEN', message: expect.stringContaining(`127.0.0.1:${port}`) as string, remedy: expect.stringContaining(`ss -ltnp sport = :${port}`) as string },
    });
    // Said once, however often it is tried.
    await eventually(() => node.log.filter((line) => line.includes('the page is not served; leases are')).length === 1);
    squatter.close();
    await eventually(async () => (await api.status()).http?.serving === true);
    expect(await statusOf(`http://127.0.0.1:${port}`)).toBe(200);
    expect(node.log.filter((line) => line.includes('the page is not served'))).toHaveLength(1);
  });

  test.each<[string, string, string]>([
    ['an address of another host', 'listen: "192.0.2.1:9155", token_file: TOKEN', 'ip addr'],
    ['a token that everybody can read', 'listen: "127.0.0.1:PORT", token_file: OPEN', 'chmod o='],
    ['a token that is short', 'listen: "127.0.0.1:PORT", token_file: SHORT', 'make one: '],
    ['a token that is not there', 'listen: "127.0.0.1:PORT", token_file: /nowhere/token', 'make one: '],
    ['a folder that is not there', 'listen: /nowhere/http.sock', 'choose a folder that is there'],
    ['a file in the place of the socket', 'listen: OPEN', 'listen: below http:'],
    ['a group that is not there', 'listen: DIR/http.sock, group: no-such-group', 'getent group'],
  ])('%s: cause and remedy, and leases', async (_name, http, remedy) => {
    const dir = tempDir();
    const file = (name: string, text: string, mode: number): string => {
      writeFileSync(join(dir, name), text);
      chmodSync(join(dir, name), mode);
      return join(dir, name);
    };
    const text = http.replace('TOKEN', file('token', 'a-secret-of-some-length', 0o600)).replace('OPEN', file('open', 'a-secret-of-some-length', 0o644))
      .replace('SHORT', file('short', 'x', 0o600)).replace('PORT', String(await freePort())).replace('DIR', dir);
    const node = await startNode({ dir, config: softConfig(join(dir, 'soft'), 2, `http: {${text}}`) });
    await eventually(() => node.daemon.page.status?.trouble !== undefined);
    expect(node.daemon.page.status?.trouble?.remedy).toContain(remedy);
    expect(await ask(node.lease, leaseRequest())).toMatchObject({ ok: true });
    expect(statSync(join(dir, 'open')).size).toBeGreaterThan(0);
  });

  test('a name service that hangs keeps no lease waiting', async () => {
    const dir = tempDir();
    writeFileSync(join(dir, 'hangs'), '');
    writeFileSync(join(dir, 'getent'), `#!/bin/sh\nwhile [ -e ${dir}/hangs ]; do sleep 0.1; done\nexit 2\n`, { mode: 0o755 });
    vi.stubEnv('PATH', `${dir}:${process.env['PATH'] ?? ''}`);
    onTestFinished(() => void vi.unstubAllEnvs());
    const node = await startNode({ dir, config: softConfig(join(dir, 'soft'), 2, `http: {listen: ${dir}/http.sock, group: slow}`) });
    expect(await ask(node.lease, leaseRequest())).toMatchObject({ ok: true });
    expect(node.daemon.page.status).toMatchObject({ serving: false, trouble: undefined });
    rmSync(join(dir, 'hangs'));
    await eventually(() => node.daemon.page.status?.trouble !== undefined);
    expect(node.daemon.page.status?.trouble?.message).toContain('there is no group slow');
  });

  test('its thread dies: it is told, begins anew, and leases do not notice', async () => {
    const node = await startPage('', { page: { retryMs: 20 } });
    await node.daemon.page.listener.endThread();
    await eventually(() => node.daemon.page.status?.serving === true);
    expect(await statusOf(node.url)).toBe(200);
    expect(node.log.join('\n')).toContain('its thread has ended');
    expect(await ask(node.lease, leaseRequest())).toMatchObject({ ok: true });
  });
});

describe('a socket for a proxy', () => {
  const over = (socketPath: string, host: string): Promise<number> => new Promise((resolve, reject) => {
    request({ socketPath, path: '/', headers: { host } }, (response) => resolve(response.resume().statusCode ?? 0)).on('error', reject).end();
  });

  test('is its group\'s, passes the names that the proxy has looked at, and goes with the daemon', async () => {
    const dir = tempDir();
    const path = join(dir, 'http.sock');
    const gid = process.getgid?.() ?? 0;
    const node = await startNode({ dir, config: softConfig(join(dir, 'soft'), 2, `http: {listen: ${path}, group: "${gid}"}`) });
    await eventually(() => node.daemon.page.status?.serving === true);
    expect(statSync(path)).toMatchObject({ mode: 0o140660, gid });
    expect(await over(path, 'status.example.org')).toBe(200);
    // Another daemon does not take it away.
    const other = tempDir();
    const second = await startNode({ dir: other, config: softConfig(join(other, 'soft'), 2, `http: {listen: ${path}}`) });
    await eventually(() => second.daemon.page.status?.trouble !== undefined);
    expect(second.daemon.page.status?.trouble?.message).toContain('another program serves this socket');
    expect(await over(path, 'status.example.org')).toBe(200);
    await node.daemon.stop('end');
    expect(statSync(path, { throwIfNoEntry: false })).toBeUndefined();
  });

  test('is of vfringd\'s user alone without a group; names that are configured are looked at', async () => {
    const dir = tempDir();
    const path = join(dir, 'http.sock');
    const node = await startNode({ dir, config: softConfig(join(dir, 'soft'), 2, `http: {listen: ${path}, hosts: [status.example.org]}`) });
    await eventually(() => node.daemon.page.status?.serving === true);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect([await over(path, 'status.example.org'), await over(path, 'evil.example')]).toEqual([200, 421]);
  });
});

test('a new configuration is served at once, and the old place no more', async () => {
  const [first, second] = [await freePort(), await freePort()];
  const dir = tempDir();
  const config = (more: string) => softConfig(join(dir, 'soft'), 2, more);
  let more = `http: {listen: "127.0.0.1:${first}"}`;
  const node = await startNode({ dir, config: config(more), reload: async () => ({ config: config(more), provider: node.soft.provider() }) });
  await eventually(() => node.daemon.page.status?.serving === true);
  more = `http: {listen: "127.0.0.1:${second}"}`;
  await node.daemon.reload(false);
  expect(await statusOf(`http://127.0.0.1:${second}`)).toBe(200);
  await expect(statusOf(`http://127.0.0.1:${first}`)).rejects.toThrow();
  more = '';
  await node.daemon.reload(false);
  expect(node.daemon.page.status).toBeUndefined();
  await expect(statusOf(`http://127.0.0.1:${second}`)).rejects.toThrow();
});

// SPDX-License-Identifier: BSD-3-Clause
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, rmdirSync, statSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { claimRunDir } from '../../src/sockets/run-dir.js';
import { makeNode, startNode } from '../helpers/fake-node.js';
import { ask, leaseHolder, leaseRequest } from '../helpers/lease-client.js';
import { tempDir } from '../helpers/temp-dir.js';

/** A daemon that has stopped while a process held a lease, and what the next one begins with. */
async function stoppedWithLease() {
  const dir = tempDir();
  const ledgerFile = join(dir, 'ledger.db');
  const first = makeNode({ dir, ledgerFile });
  await first.daemon.start();
  const { reply } = await leaseHolder(first.lease, leaseRequest());
  await first.daemon.stop();
  return { first, reply, again: { dir, ledgerFile, provider: first.soft.provider() } };
}

describe('the run directory', () => {
  test('is open to read, its sockets to use', async () => {
    const node = await startNode();
    expect(statSync(node.runDir).mode & 0o7777).toBe(0o755);
    expect(statSync(node.lease).mode & 0o7777).toBe(0o666);
    expect(statSync(node.api).mode & 0o7777).toBe(0o666);
  });

  test('serves one daemon; the second is told which, and harms nothing', async () => {
    const node = await startNode();
    const second = makeNode({ dir: node.dir });
    await expect(second.daemon.start()).rejects.toMatchObject({
      code: 'VFRING_ERR_ALREADY_RUNNING',
      message: expect.stringContaining(`process ${process.pid}`) as string,
      exitStatus: 69,
    });
    expect((await ask(node.lease, leaseRequest())).ok).toBe(true);
  });

  test('is free again after a stop', async () => {
    const node = makeNode();
    await node.daemon.start();
    await node.daemon.stop();
    const next = await startNode({ dir: node.dir });
    expect((await ask(next.lease, leaseRequest())).ok).toBe(true);
  });

  test('is free again after a start that failed', async () => {
    const node = makeNode();
    node.soft.fake.failing.set('create', 'no room');
    await expect(node.daemon.start()).rejects.toMatchObject({ code: 'VFRING_ERR_SOFTVF_FAILED' });
    claimRunDir(node.runDir).release();
  });

  test('a socket that a dead daemon left is replaced', async () => {
    const node = makeNode();
    mkdirSync(node.runDir);
    const listen = `require('net').createServer().listen('${node.lease}', () => process.kill(process.pid, 'SIGKILL'))`;
    expect(spawnSync(process.execPath, ['-e', listen]).signal).toBe('SIGKILL');
    expect(existsSync(node.lease)).toBe(true);
    await expect(ask(node.lease, leaseRequest())).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    await startNode({ dir: node.dir });
    expect((await ask(node.lease, leaseRequest())).ok).toBe(true);
  });

  test('a socket that somebody removed keeps the daemon from nothing when it stops', async () => {
    const node = await startNode();
    unlinkSync(node.lease);
    await node.daemon.stop('end');
    await startNode({ dir: node.dir });
    expect((await ask(node.lease, leaseRequest())).ok).toBe(true);
  });

  test('what is no socket in its place is left alone', async () => {
    const node = makeNode();
    mkdirSync(node.runDir);
    writeFileSync(node.lease, 'precious');
    await expect(node.daemon.start()).rejects.toMatchObject({ code: 'VFRING_ERR_RUN_DIR' });
    expect(readFileSync(node.lease, 'utf8')).toBe('precious');
  });

  test.each(['lease.sock', 'api.sock'])('a start that fails, as for a file in the place of %s, leaves leases of living processes alone', async (socket) => {
    const { first, reply, again } = await stoppedWithLease();
    writeFileSync(join(first.runDir, socket), '');
    await expect(makeNode(again).daemon.start()).rejects.toMatchObject({ code: 'VFRING_ERR_RUN_DIR' });
    unlinkSync(join(first.runDir, socket));
    const next = await startNode(again);
    expect(next.daemon.manager.leases().map(({ id }) => id)).toEqual([reply.lease]);
  });

  test('a start that fails after it took leases over leaves them alone, too', async () => {
    const { reply, again } = await stoppedWithLease();
    const second = makeNode(again);
    const started = second.daemon.start();
    // Between the look at what is there and the sockets.
    mkdirSync(second.lease);
    await expect(started).rejects.toMatchObject({ code: 'VFRING_ERR_RUN_DIR' });
    rmdirSync(second.lease);
    const next = await startNode(again);
    expect(next.daemon.manager.leases().map(({ id }) => id)).toEqual([reply.lease]);
  });

  test.each<[string, (dir: string) => void, RegExp]>([
    ['a file', (dir) => writeFileSync(dir, ''), /EEXIST/],
    ['a link', (dir) => symlinkSync('/tmp', dir), /not a directory/],
    [
      'writable for all',
      (dir) => {
        mkdirSync(dir);
        chmodSync(dir, 0o777);
      },
      /others than this user/,
    ],
  ])('that is %s is refused', (_name, make, expected) => {
    const dir = join(tempDir(), 'run');
    make(dir);
    expect(() => claimRunDir(dir)).toThrow(expected);
  });

  test('has a lock that nobody else can hold, also where an earlier release made it', () => {
    const dir = join(tempDir(), 'run');
    mkdirSync(dir);
    writeFileSync(join(dir, 'vfringd.lock'), '1\n', { mode: 0o644 });
    claimRunDir(dir).release();
    expect(statSync(join(dir, 'vfringd.lock')).mode & 0o7777).toBe(0o600);
  });

  test('whose name leaves no room for a socket is refused', () => {
    expect(() => claimRunDir(join(tempDir(), 'x'.repeat(100)))).toThrow(/too long/);
  });
});

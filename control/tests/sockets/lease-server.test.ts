// SPDX-License-Identifier: BSD-3-Clause
/** Clients that misbehave: each costs nobody else anything. */
import { once } from 'node:events';
import { writeSync } from 'node:fs';
import { connect } from 'node:net';
import { describe, expect, test } from 'vitest';
import { eventually } from '../helpers/eventually.js';
import { startNode } from '../helpers/fake-node.js';
import { answerOf, ask, leaseHolder, leaseRequest, send, type LeaseReply } from '../helpers/lease-client.js';

const line = (request: object): string => `${JSON.stringify(request)}\n`;

describe('a request that is not one', () => {
  test.each<[string, string | Buffer, RegExp]>([
    ['no JSON', 'hello\n', /not a line of JSON/],
    ['an empty line', '\n', /not a line of JSON/],
    ['JSON that is no object', '17\n', /wrong request/],
    ['null', 'null\n', /wrong request/],
    ['an unknown operation', line({ v: 1, op: 'steal' }), /op/],
    ['another version', line(leaseRequest({ v: 2 })), /v:/],
    ['an unknown field', line(leaseRequest({ uid: 0 })), /uid/],
    ['a missing field', line({ v: 1, op: 'lease', count: 1, job: 'x', rank: 0 }), /ranks/],
    ['no VFs', line(leaseRequest({ count: 0 })), /count/],
    ['too many VFs', line(leaseRequest({ count: 65 })), /count/],
    ['fewer at most than at least', line(leaseRequest({ count: 2, most: 1 })), /most: less than count/],
    ['more than can be named', line(leaseRequest({ most: 65 })), /most/],
    ['nobody on this node', line(leaseRequest({ local_ranks: 0 })), /local_ranks/],
    ['half a VF', line(leaseRequest({ count: 1.5 })), /count/],
    ['a count as text', line(leaseRequest({ count: '1' })), /count/],
    ['a negative rank', line(leaseRequest({ rank: -1 })), /rank/],
    ['a rank beyond all numbers', line(leaseRequest({ rank: 1e300 })), /rank/],
    ['exceptions that are no names', line(leaseRequest({ except: [''] })), /except/],
    ['exceptions without end', line(leaseRequest({ except: Array.from({ length: 65 }, () => 'x') })), /except/],
    ['an empty job', line(leaseRequest({ job: '' })), /job/],
    ['a job with a newline', line(leaseRequest({ job: 'a\nb' })), /job/],
    ['a job with a path', line(leaseRequest({ job: '../x' })), /job/],
    ['a job that is too long', line(leaseRequest({ job: 'x'.repeat(129) })), /job/],
    ['a line that is too long', `${'x'.repeat(5000)}\n`, /more than 4096 bytes/],
    ['no newline in 4096 bytes', 'x'.repeat(4096), /more than 4096 bytes/],
    ['two lines', line(leaseRequest()) + line(leaseRequest()), /more than one line/],
    ['bytes that are not UTF-8', Buffer.from([0x22, 0xff, 0xfe, 0x22, 0x0a]), /not UTF-8/],
    ['a VF by no MAC address', line({ v: 1, op: 'vf', mac: '02:76:66:02:00' }), /mac/],
    ['a prototype', '{"v":1,"op":"lease","__proto__":{"count":1},"job":"x","rank":0,"ranks":1}\n', /wrong request/],
  ])('%s', async (_name, bytes, expected) => {
    const node = await startNode();
    const reply = JSON.parse(await send(node.lease, bytes)) as { ok: boolean; code: string; message: string; remedy: string };
    expect(reply).toMatchObject({ v: 1, ok: false, code: 'VFRING_ERR_BAD_REQUEST' });
    expect(reply.message).toMatch(expected);
    expect(reply.remedy).not.toBe('');
    expect(node.daemon.manager.leases()).toEqual([]);
    expect((await ask(node.lease, leaseRequest())).ok).toBe(true);
  });

  test('the longest line that is allowed', async () => {
    const node = await startNode();
    const request = JSON.stringify(leaseRequest());
    const padded = `${request}${' '.repeat(4095 - request.length)}\n`;
    expect(JSON.parse(await send(node.lease, padded))).toMatchObject({ ok: true });
  });
});

describe('a lease in exchange for another', () => {
  test('gives that one back, and is not of the VFs that are of no use', async () => {
    const node = await startNode();
    const first = await ask(node.lease, leaseRequest({ count: 1 }));
    const [vf] = first.vfs ?? [];
    const second = await ask(node.lease, leaseRequest({ instead_of: first.lease, except: [vf?.name] }));
    expect(second).toMatchObject({ ok: true });
    expect(second.vfs?.[0]?.name).not.toBe(vf?.name);
    expect(node.daemon.manager.leases().map(({ id }) => id)).toEqual([second.lease]);
  });

  test('is not to be had for that of another process', async () => {
    const node = await startNode();
    const { reply } = await leaseHolder(node.lease, leaseRequest());
    expect(await ask(node.lease, leaseRequest({ instead_of: reply.lease }))).toMatchObject({ ok: false, code: 'VFRING_ERR_NOT_OWNER' });
    expect(node.daemon.manager.leases().map(({ id }) => id)).toEqual([reply.lease]);
  });
});

describe('a lease that is shown', () => {
  test('has the VFs that nobody has taken from it', async () => {
    const node = await startNode();
    const lease = await ask(node.lease, leaseRequest({ count: 3 }));
    await node.daemon.manager.revoke(lease.lease, 'vf1');
    const shown = await ask(node.lease, { v: 1, op: 'show', lease: lease.lease });
    expect(shown).toEqual({ ...lease, vfs: lease.vfs.filter(({ name }) => name !== 'vf1') });
    expect(await ask(node.lease, { v: 1, op: 'show', lease: 'l-99' })).toMatchObject({ ok: false, code: 'VFRING_ERR_NO_SUCH_LEASE' });
  });

  test('is not that of another process', async () => {
    const node = await startNode();
    const { reply } = await leaseHolder(node.lease, leaseRequest());
    expect(await ask(node.lease, { v: 1, op: 'show', lease: reply.lease })).toMatchObject({ ok: false, code: 'VFRING_ERR_NOT_OWNER' });
  });
});

describe('whether a VF has come back from its process', () => {
  const backMs = async (path: string, mac: string | undefined): Promise<number | undefined> => {
    const { ok, back_ms: ms } = await ask(path, { v: 1, op: 'vf', mac }) as LeaseReply & { back_ms?: number };
    expect(ok).toBe(true);
    return ms;
  };

  test('is not known of one that has had none, or is of another node', async () => {
    const node = await startNode();
    await ask(node.lease, leaseRequest());
    for (const { vf: { mac } } of node.daemon.manager.pool.entries) {
      expect(await backMs(node.lease, mac)).toBe(undefined);
    }
    expect(await backMs(node.lease, '02:00:00:00:00:99')).toBe(undefined);
  });

  test('is told to whoever asks once the process has ended, also when another one has it', async () => {
    const node = await startNode({ vfs: 1 });
    const mac = node.daemon.manager.pool.entries[0]?.vf.mac;
    const { child } = await leaseHolder(node.lease, leaseRequest());
    expect(await backMs(node.lease, mac)).toBe(undefined);
    child.kill('SIGKILL');
    await eventually(async () => (await backMs(node.lease, mac)) !== undefined);
    const before = await backMs(node.lease, mac) as number;
    expect(before).toBeGreaterThanOrEqual(0);
    expect(await ask(node.lease, leaseRequest())).toMatchObject({ ok: true });
    expect(await backMs(node.lease, mac)).toBeGreaterThanOrEqual(before);
  });
});

describe('a client that is slow, silent or gone', () => {
  test('a line in single bytes is a line', async () => {
    const node = await startNode();
    const socket = connect(node.lease);
    const answer = answerOf(socket);
    for (const byte of line(leaseRequest())) {
      await new Promise<void>((resolve) => socket.write(byte, () => resolve()));
    }
    expect(JSON.parse(await answer)).toMatchObject({ ok: true });
  });

  test('one that ends its side after the line gets its answer', async () => {
    const node = await startNode();
    const socket = connect({ path: node.lease, allowHalfOpen: true });
    socket.end(line(leaseRequest()));
    expect(JSON.parse(await answerOf(socket))).toMatchObject({ ok: true });
  });

  test('one that ends its side within the line is told so', async () => {
    const node = await startNode();
    const socket = connect({ path: node.lease, allowHalfOpen: true });
    socket.end('{"v":1,');
    expect(JSON.parse(await answerOf(socket))).toMatchObject({ message: 'the request ended before its newline' });
  });

  test('one that says nothing is cut off', async () => {
    const node = await startNode({ lineLimits: { silenceMs: 50 } });
    expect(JSON.parse(await answerOf(connect(node.lease)))).toMatchObject({
      code: 'VFRING_ERR_BAD_REQUEST',
      message: expect.stringContaining('silence') as string,
    });
  });

  test('one that trickles is cut off as well', async () => {
    const node = await startNode({ lineLimits: { silenceMs: 60_000, lineMs: 250 } });
    const socket = connect(node.lease);
    await once(socket, 'connect');
    const { fd } = (socket as unknown as { _handle: { fd: number } })._handle;
    // Not by node's own write: it reads no more after one that failed, as one does after the cut.
    const trickle = setInterval(() => {
      try {
        writeSync(fd, ' ');
      } catch (error) {
        expect(error).toMatchObject({ code: 'EPIPE' });
      }
    }, 100);
    socket.on('close', () => clearInterval(trickle));
    expect(JSON.parse(await answerOf(socket))).toMatchObject({ code: 'VFRING_ERR_BAD_REQUEST' });
  });

  test('one that is gone before its answer holds no lease', async () => {
    const node = await startNode({ vfs: 1 });
    const socket = connect(node.lease);
    await new Promise<void>((resolve) => socket.write(line(leaseRequest()), () => resolve()));
    socket.destroy();
    await eventually(() => node.log.some((text) => text.includes('not delivered')));
    expect(await ask(node.lease, leaseRequest())).toMatchObject({ ok: true });
  });

  test('hundreds that hang cost the others nothing', async () => {
    const node = await startNode();
    const idle = Array.from({ length: 300 }, () => connect(node.lease).on('error', () => {}));
    await Promise.all(idle.map((socket) => new Promise((resolve) => socket.once('connect', resolve))));
    expect((await ask(node.lease, leaseRequest())).ok).toBe(true);
    idle.forEach((socket) => socket.destroy());
  });

  test('one user has so many connections and no more', async () => {
    const node = await startNode({ lineLimits: { perUid: 3 } });
    const idle = Array.from({ length: 3 }, () => connect(node.lease).on('error', () => {}));
    await Promise.all(idle.map((socket) => new Promise((resolve) => socket.once('connect', resolve))));
    expect(JSON.parse(await answerOf(connect(node.lease)))).toMatchObject({
      message: 'this user has more than 3 connections open',
    });
    idle[0]?.destroy();
    // One that is turned away may be so before it has sent a byte: node does not read after a failed write.
    await eventually(async () => (await ask(node.lease, leaseRequest()).catch(() => undefined))?.ok === true);
    idle.forEach((socket) => socket.destroy());
  });
});

// SPDX-License-Identifier: BSD-3-Clause
/**
 * Garbage, halves and floods on both sockets, from a seed. Whatever comes, each
 * connection gets an answer or is closed, no VF is lost, and an honest client
 * beside it is served. FUZZ_ROUNDS and FUZZ_SEED deepen and replay a run.
 */
import { connect, type Socket } from 'node:net';
import { expect, test } from 'vitest';
import { startNode } from '../helpers/fake-node.js';
import { ask, leaseRequest } from '../helpers/lease-client.js';

const ROUNDS = Number(process.env['FUZZ_ROUNDS'] ?? 200);
const SEED = Number(process.env['FUZZ_SEED'] ?? 20_260_101);
/** At the same time, so that the machine's limits are not what is tested. */
const BREADTH = 20;

/** mulberry32: small, and the same everywhere. */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

class Fuzzer {
  readonly #random: () => number;

  constructor(seed: number) {
    this.#random = randomFrom(seed);
  }

  below(n: number): number {
    return Math.floor(this.#random() * n);
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T;
  }

  bytes(max: number): Buffer {
    return Buffer.from(Array.from({ length: this.below(max) }, () => this.below(256)));
  }

  value(depth = 0): unknown {
    const kinds: (() => unknown)[] = [
      () => this.below(100) - 50, () => 2 ** this.below(70), () => -0.5, () => null, () => true, () => '', () => 'x'.repeat(this.below(300)),
      () => this.bytes(20).toString('latin1'), () => '__proto__', () => '../../etc/passwd', () => '\u0000;rm -rf /',
    ];
    const nested = [() => Array.from({ length: this.below(5) }, () => this.value(depth + 1)), () => this.object({}, depth + 1)];
    return this.pick(depth > 3 ? kinds : [...kinds, ...nested])();
  }

  object(base: object, depth = 0): object {
    const copy: Record<string, unknown> = { ...base };
    for (let i = this.below(4); i >= 0; i--) {
      const keys = [...Object.keys(copy), 'v', 'op', 'count', 'job', 'lease', 'rank', 'constructor', 'uid', 'vfs'];
      const key = this.pick(keys);
      this.below(4) === 0 ? delete copy[key] : (copy[key] = this.value(depth));
    }
    return copy;
  }

  mangle(text: string | Buffer): Buffer {
    const bytes = Buffer.from(text);
    for (let i = this.below(4); i > 0 && bytes.length > 0; i--) {
      bytes[this.below(bytes.length)] = this.below(256);
    }
    return this.below(3) === 0 ? bytes.subarray(0, this.below(bytes.length + 1)) : bytes;
  }

  /** What goes to lease.sock. */
  leaseBytes(): Buffer {
    const honest = this.pick([leaseRequest(), leaseRequest({ count: 64 }), { v: 1, op: 'release', lease: `l-${this.below(9)}` }, { v: 1, op: 'vf', mac: '02:76:66:02:00:00' }]);
    return this.pick([
      () => this.bytes(6000),
      () => Buffer.from(`${JSON.stringify(this.object(honest))}\n`),
      () => this.mangle(`${JSON.stringify(honest)}\n`),
      () => Buffer.from(`${'['.repeat(2000)}\n`),
      () => Buffer.from(`${JSON.stringify(honest)}\n${JSON.stringify(honest)}\n`),
    ])();
  }

  /** What goes to api.sock. */
  apiBytes(): Buffer {
    const path = this.pick(['/v1/status', '/v1/jobs', '/v1/jobs/x', '/v1/jobs/%ff', '/v1/leases/l-1', '/v1/vfs/vf0/leases?limit=9', '/v1/plan', '/v1/metrics', '//', '/v1/jobs/..%2f', '/v1/jobs?uid=-1', '*', 'http://x/']);
    const body = this.pick(['', '{', JSON.stringify(this.object({ ranks: 1, vfs: 1 })), 'x'.repeat(this.below(90_000))]);
    const length = this.pick([Buffer.byteLength(body), 0, -1, 1e9, 'many']);
    const head = `${this.pick(['GET', 'POST', 'DELETE', 'PATCH', 'G\u0000T'])} ${path} HTTP/1.1\r\nHost: x\r\n${this.pick(['', 'X: '.padEnd(9000, 'y') + '\r\n', 'Transfer-Encoding: chunked\r\n'])}Content-Length: ${length}\r\n\r\n${body}`;
    return this.pick([() => Buffer.from(head), () => this.mangle(head), () => this.bytes(3000)])();
  }
}

/** Sends in pieces, as the fuzzer likes; resolves when the connection is closed. */
function play(path: string, bytes: Buffer, how: 'whole' | 'pieces' | 'half' | 'abort' | 'silent'): Promise<string> {
  return new Promise((resolve) => {
    const socket: Socket = connect({ path, allowHalfOpen: true });
    let text = '';
    socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
    socket.on('end', () => socket.end());
    socket.on('error', () => {});
    socket.on('close', () => resolve(text));
    if (how === 'silent') {
      return;
    }
    if (how === 'pieces') {
      const middle = bytes.length >> 1;
      socket.write(bytes.subarray(0, middle));
      setImmediate(() => socket.write(bytes.subarray(middle)));
      return;
    }
    socket.write(bytes, () => how === 'abort' && socket.destroy());
    if (how === 'half') {
      socket.end();
    }
  });
}

test.each(['lease', 'api'] as const)('%s.sock takes anything', async (socket) => {
  const node = await startNode({ vfs: 3, lineLimits: { silenceMs: 300, lineMs: 600 }, apiRequestMs: 300 });
  const fuzzer = new Fuzzer(SEED + socket.length);
  const path = node[socket];
  for (let round = 0; round < ROUNDS; round += BREADTH) {
    const connections = Array.from({ length: BREADTH }, () => {
      const bytes = socket === 'lease' ? fuzzer.leaseBytes() : fuzzer.apiBytes();
      const hows = socket === 'lease' ? (['whole', 'pieces', 'half', 'abort', 'silent'] as const) : (['whole', 'pieces', 'half', 'abort'] as const);
      const how = fuzzer.pick(hows);
      return { how, done: play(path, bytes, how) };
    });
    // An honest client is served while they go on: a wrong lease is refused at once, whoever else keeps silent.
    expect(await ask(node.lease, { v: 1, op: 'release', lease: 'l-none' })).toMatchObject({ code: 'VFRING_ERR_NO_SUCH_LEASE' });
    for (const { how, done } of connections) {
      const text = await done;
      if (socket === 'lease' && how !== 'abort' && text !== '') {
        expect(JSON.parse(text)).toMatchObject({ v: 1 });
      }
    }
  }
  // This very process holds what it was given; it gives all of it back, and nothing is lost.
  for (const lease of node.daemon.manager.leases()) {
    expect(await ask(node.lease, { v: 1, op: 'release', lease: lease.id })).toMatchObject({ ok: true });
  }
  expect(node.daemon.manager.pool.count('free')).toBe(3);
  expect(node.log.filter((line) => /internal error|defect/.test(line))).toEqual([]);
  expect(await ask(node.lease, leaseRequest({ count: 3 }))).toMatchObject({ ok: true });
});

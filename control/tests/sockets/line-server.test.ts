// SPDX-License-Identifier: BSD-3-Clause
/** The socket itself, below the lease protocol. */
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, onTestFinished, test, vi } from 'vitest';
import { LINE_LIMITS, LineServer, type LineHandler } from '../../src/sockets/line-server.js';
import { eventually } from '../helpers/eventually.js';
import { answerOf, send } from '../helpers/lease-client.js';
import { tempDir } from '../helpers/temp-dir.js';

const ECHO: LineHandler = {
  peerOf: () => ({ pid: 1, uid: 2, gid: 3 }),
  answer: async (line) => ({ line: `${line}!` }),
  fault: (fault) => ({ line: fault }),
};

async function listen(handler: Partial<LineHandler> = {}, limits = {}): Promise<{ server: LineServer; path: string }> {
  const server = new LineServer({ ...ECHO, ...handler }, { ...LINE_LIMITS, ...limits });
  const path = join(tempDir(), 's');
  await server.listen(path);
  onTestFinished(() => server.close());
  return { server, path };
}

test('a client that does not take its answer is cut off, and counts as one that never had it', async () => {
  let lost = 0;
  const { path } = await listen({ answer: async () => ({ line: 'x'.repeat(4 << 20), undelivered: () => lost++ }) }, { silenceMs: 100 });
  const client = connect(path).pause();
  client.on('error', () => {});
  client.write('hello\n');
  await eventually(() => lost === 1);
  client.destroy();
});

/** A server whose answers come with descriptors, of which `sent` bytes go at once; and what became of them. */
async function withOpened(sent: (text: Buffer) => number): Promise<{ path: string; fate: { writes: number; closed: number; lost: number } }> {
  const fate = { writes: 0, closed: 0, lost: 0 };
  const { path } = await listen({
    answer: async (line) => ({ line, opened: { descriptors: [0], close: () => void fate.closed++ }, undelivered: () => void fate.lost++ }),
    sendOpened: (socket, text) => {
      const write = socket.write.bind(socket) as (...args: unknown[]) => boolean;
      vi.spyOn(socket, 'write').mockImplementation((...args: unknown[]) => {
        fate.writes++;
        return write(...args);
      });
      return sent(text);
    },
  });
  return { path, fate };
}

test('an answer that went whole with its descriptors is followed by no write, which a client that has closed by then would spoil', async () => {
  const { path, fate } = await withOpened((text) => text.length);
  expect(await send(path, 'hello\n')).toBe('');
  expect(fate).toEqual({ writes: 0, closed: 1, lost: 0 });
});

test('what of an answer did not go with the descriptors follows', async () => {
  const { path, fate } = await withOpened(() => 2);
  expect(await send(path, 'hello\n')).toBe('llo\n');
  expect(fate).toEqual({ writes: 1, closed: 1, lost: 0 });
});

test('a client that is gone when its descriptors are to go has had no answer, and they are closed', async () => {
  const { path, fate } = await withOpened(() => {
    throw Object.assign(new Error('EPIPE'), { code: 'EPIPE' });
  });
  expect(await send(path, 'hello\n')).toBe('');
  expect(fate).toEqual({ writes: 0, closed: 1, lost: 1 });
});

test('what is asked before it closes is answered; who is in the middle of a line is cut off', async () => {
  let go = (): void => {};
  const { server, path } = await listen({ answer: (line) => new Promise((resolve) => (go = () => resolve({ line }))) });
  const whole = send(path, 'whole\n');
  const half = connect(path);
  half.write('ha');
  await eventually(() => server.connections === 2);
  const closed = server.close();
  expect(await answerOf(half)).not.toContain('ha!');
  go();
  expect(await whole).toBe('whole\n');
  await closed;
  await expect(send(path, 'late\n')).rejects.toThrow(/ENOENT|ECONNREFUSED/);
});

test('descriptors of connections are not left open, however they end', async () => {
  const { server, path } = await listen();
  const once = async (): Promise<void> => {
    await send(path, 'hello\n');
    connect(path).on('error', () => {}).destroy();
    await eventually(() => server.connections === 0);
  };
  await once();
  const before = readdirSync('/proc/self/fd').length;
  for (let i = 0; i < 30; i++) {
    await once();
  }
  expect(readdirSync('/proc/self/fd').length).toBeLessThanOrEqual(before + 2);
});

test('without descriptors, who cannot be served is cut off, and who comes later is served', async () => {
  const path = join(tempDir(), 's');
  const module = pathToFileURL(join(import.meta.dirname, '../../src/sockets/line-server.ts')).href;
  const server = spawn('sh', ['-c', 'ulimit -n 40; exec "$0" "$@"', process.execPath, '--import', 'tsx', '--input-type=module', '-e', `
    import { LINE_LIMITS, LineServer } from ${JSON.stringify(module)};
    const server = new LineServer({ peerOf: () => ({ pid: 1, uid: 2, gid: 3 }), answer: async (line) => ({ line }), fault: (line) => ({ line }) }, LINE_LIMITS);
    await server.listen(${JSON.stringify(path)});
    console.log('ready');
    process.stdin.resume();
  `], { stdio: ['pipe', 'pipe', 'inherit'] });
  onTestFinished(() => void server.kill('SIGKILL'));
  await new Promise((resolve) => server.stdout.once('data', resolve));
  const clients = Array.from({ length: 80 }, (): Socket => connect(path).on('error', () => {}));
  await new Promise((resolve) => clients[79]?.once('close', resolve).resume());
  clients.forEach((client) => client.destroy());
  await eventually(async () => (await send(path, 'again\n').catch(() => '')) === 'again\n');
});

// SPDX-License-Identifier: BSD-3-Clause
/** A node that serves its page, and clients of it that can also misbehave. */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { startNode, type FakeNode, type FakeNodeOptions } from './fake-node.js';
import { softConfig } from './config.js';
import { eventually } from './eventually.js';
import { tempDir } from './temp-dir.js';

/** A port that nobody has now. */
export function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

export interface PageNode extends FakeNode {
  readonly port: number;
  readonly url: string;
}

/** @param http further lines below http: */
export async function startPage(http = '', options: FakeNodeOptions = {}): Promise<PageNode> {
  const port = await freePort();
  const dir = options.dir ?? tempDir();
  const config = softConfig(join(dir, 'soft'), options.vfs ?? 4, `http: {listen: "127.0.0.1:${port}"${http}}`);
  const node = await startNode({ ...options, dir, config });
  await eventually(() => node.daemon.page.status?.serving === true);
  return { ...node, port, url: `http://127.0.0.1:${port}` };
}

/** A connection that says what it is told to, and reads nothing unless asked. */
export function client(port: number, text: string): Socket {
  const socket = connect({ port, host: '127.0.0.1' });
  socket.on('error', () => {});
  socket.write(text);
  onTestFinished(() => void socket.destroy());
  return socket;
}

/** Everything that comes until the other side closes. */
export function answer(port: number, text: string): Promise<string> {
  return new Promise((resolve) => {
    let all = '';
    const socket = client(port, text);
    socket.on('data', (chunk) => (all += chunk.toString('latin1')));
    socket.on('close', () => resolve(all));
  });
}

/** How a request is answered. The body is read to its end: node 22 fails where a connection is closed with some of it unread. */
export async function statusOf(url: string, headers: Readonly<Record<string, string>> = {}): Promise<number> {
  const response = await fetch(url, { headers });
  await response.arrayBuffer();
  return response.status;
}

export const get = (path: string, headers: readonly string[] = []): string => `GET ${path} HTTP/1.1\r\n${['Host: localhost', ...headers].join('\r\n')}\r\n\r\n`;

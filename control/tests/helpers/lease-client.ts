// SPDX-License-Identifier: BSD-3-Clause
/** A client of the lease socket that can also misbehave. */
import { spawn, type ChildProcess } from 'node:child_process';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

export interface LeaseReply {
  readonly ok: boolean;
  readonly lease: string;
  readonly memlock_bytes: number | null;
  readonly vfs: readonly { readonly name: string; readonly device: string; readonly pf: string; readonly dma_limit_bytes: number }[];
  readonly code?: string;
  readonly message?: string;
  readonly remedy?: string;
}

/** Everything the server says until it closes. */
export function answerOf(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    socket.setEncoding('utf8');
    socket.on('data', (chunk: string) => (text += chunk));
    socket.on('end', () => socket.end());
    socket.on('close', () => resolve(text));
    // What had been said before the error still counts.
    socket.on('error', (error) => (text === '' ? reject(error) : resolve(text)));
  });
}

/** Sends the bytes as they are and returns what comes back. */
export function send(path: string, bytes: string | Buffer): Promise<string> {
  const socket = connect({ path, allowHalfOpen: true });
  socket.write(bytes);
  return answerOf(socket);
}

export async function ask(path: string, request: object): Promise<LeaseReply> {
  return JSON.parse(await send(path, `${JSON.stringify(request)}\n`)) as LeaseReply;
}

export const leaseRequest = (more: object = {}): object => ({ v: 1, op: 'lease', count: 1, job: 'job', rank: 0, ranks: 1, ...more });

/**
 * A process of its own that leases, then lives until it is killed.
 *
 * @param by a program and its arguments that start it
 */
export async function leaseHolder(path: string, request: object, by: readonly string[] = []): Promise<{ child: ChildProcess; reply: LeaseReply }> {
  const [program, ...args] = [...by, process.execPath, join(import.meta.dirname, 'lease-holder.mjs'), path, JSON.stringify(request)];
  const child = spawn(program ?? '', args, {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const line = await new Promise<string>((resolve) => child.stdout.once('data', (data: Buffer) => resolve(data.toString())));
  return { child, reply: JSON.parse(line) as LeaseReply };
}

export function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => (child.exitCode ?? child.signalCode) === null ? child.once('exit', () => resolve()) : resolve());
}

// SPDX-License-Identifier: BSD-3-Clause
/**
 * Has `vfring node …` run on other hosts: one connection a host and question,
 * in parallel, each with its time limit. Nothing listens anywhere for it, and
 * nothing asks for a password. A host that does not answer is told, and keeps
 * nobody else waiting.
 */
import { execa } from 'execa';
import * as z from 'zod';
import { VfringError, causeText, errnoCode, type ErrorReport } from '../errors.js';
import { searchPath } from '../exec.js';
import { shellWord } from '../shell.js';

/** What a host answered, or why it did not. */
export type Answer<T> =
  | { readonly host: string; readonly value: T; /** By this host's clock, ms since 1970. */ readonly asked: number; readonly answered: number }
  | { readonly host: string; readonly error: ErrorReport };

/** What runs a command line on another host. */
export interface Reach {
  /** "ssh", for messages. */
  readonly name: string;
  argv(host: string, command: string): readonly [string, ...string[]];
}

export interface RemoteOptions {
  readonly reach: Reach;
  /** Its own path here, which is looked at there first, as mpirun does with its own. */
  readonly vfring: string;
  /** Handed on. */
  readonly runDir?: string | undefined;
  readonly timeoutMs?: number;
  /** Ends all connections. */
  readonly signal?: AbortSignal | undefined;
}

/** A reply is one line that begins so; what start-up files of a shell print is not. */
export const REPLY = 'vfring-node 1 ';
export const NOT_FOUND = 'vfring-node: there is no vfring';

const reply = z.union([
  z.object({ ok: z.literal(true), release: z.string(), value: z.unknown() }),
  z.object({ ok: z.literal(false), release: z.string(), code: z.string(), message: z.string(), remedy: z.string() }),
]);

export const CONNECT_S = 10;
/** Emulated and busy machines need seconds to start a program. */
const ANSWER_MS = 120_000;
/** Connections at a time: sshd's own limit for those who have not logged in yet (MaxStartups) is of each host's, not of all. */
const AT_A_TIME = 32;
const MAX_REPLY_BYTES = 16 << 20;
const KILL_AFTER_MS = 1000;

/** Asks each host, in the order of the hosts. Never throws for what a host does. */
export async function askHosts<T>(hosts: readonly string[], args: (host: string) => readonly string[], schema: z.ZodType<T>, options: RemoteOptions): Promise<Answer<T>[]> {
  const answers: Answer<T>[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let i = next++; i < hosts.length; i = next++) {
      const host = hosts[i] as string;
      answers[i] = await ask(host, args(host), schema, options);
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_A_TIME, hosts.length) }, worker));
  return answers;
}

async function ask<T>(host: string, args: readonly string[], schema: z.ZodType<T>, options: RemoteOptions): Promise<Answer<T>> {
  const { reach, timeoutMs = ANSWER_MS, signal } = options;
  const [program, ...words] = reach.argv(host, commandLine(args, options));
  const asked = Date.now();
  const result = await execa(program, words, {
    stdin: 'ignore',
    reject: false,
    timeout: timeoutMs,
    maxBuffer: MAX_REPLY_BYTES,
    forceKillAfterDelay: KILL_AFTER_MS,
    env: { PATH: searchPath(), LC_ALL: 'C' },
    ...(signal && { cancelSignal: signal }),
  });
  const answered = Date.now();
  const told = (error: VfringError): Answer<T> => ({ host, error: error.report() });
  if (result.isCanceled) {
    return told(silent(host, 'it was not waited for', reach));
  }
  if (result.timedOut) {
    return told(silent(host, `no answer within ${timeoutMs / 1000} s`, reach));
  }
  const line = result.stdout.split('\n').findLast((text) => text.startsWith(REPLY));
  if (line === undefined) {
    const cause = result.exitCode === undefined && result.stderr === '' ? causeText(result.cause ?? result.signal ?? 'it ended') : result.stderr;
    return told(noReply(host, { status: result.exitCode, cause, missing: errnoCode(result.cause) === 'ENOENT' }, reach, program, options.vfring));
  }
  const parsed = reply.safeParse(parseJson(line.slice(REPLY.length)));
  if (!parsed.success) {
    return told(new VfringError('VFRING_ERR_HOST_RELEASE', { host, what: 'what it says is not understood' }));
  }
  if (!parsed.data.ok) {
    const { code, message, remedy } = parsed.data;
    return { host, error: { code, message: `host ${host}: ${message}`, remedy: `on ${host}: ${remedy}` } };
  }
  const value = schema.safeParse(parsed.data.value);
  return value.success
    ? { host, value: value.data, asked, answered }
    : told(new VfringError('VFRING_ERR_HOST_RELEASE', { host, what: `it has release ${parsed.data.release}, whose answer is not understood` }));
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** For any login shell: a POSIX shell reads the rest. */
function commandLine(args: readonly string[], { vfring, runDir }: RemoteOptions): string {
  const words = ['node', ...args].map(shellWord).join(' ');
  const setting = runDir === undefined ? '' : `VFRING_RUN_DIR=${shellWord(runDir)}; export VFRING_RUN_DIR; `;
  const script = `${setting}for p in ${shellWord(vfring)} vfring; do if command -v "$p" >/dev/null 2>&1; then exec "$p" ${words}; fi; done; echo "${NOT_FOUND}" >&2; exit 127`;
  return `exec /bin/sh -c '${script.replace(/'/g, `'\\''`)}'`;
}

function silent(host: string, cause: string, { name }: Reach): VfringError {
  return new VfringError('VFRING_ERR_HOST_SILENT', { host, cause, how: name });
}

/** From what ssh and the shell there say. */
function noReply(host: string, said: { status: number | undefined; cause: string; missing: boolean }, reach: Reach, program: string, vfring: string): VfringError {
  const lines = said.cause.split('\n').map((text) => text.trim()).filter((text) => text !== '');
  const cause = lines.join('; ') || `exit status ${said.status ?? 'unknown'}`;
  if (said.missing) {
    return new VfringError('VFRING_ERR_NO_LAUNCHER', { program, cause: 'it was not found' });
  }
  if (/could not resolve hostname|name or service not known|unknown host|Invalid node name|Invalid host name/i.test(cause)) {
    return new VfringError('VFRING_ERR_HOST_UNKNOWN', { host });
  }
  if (/permission denied|host key verification failed|authentication failures|no matching host key|identification has changed/i.test(cause)) {
    return new VfringError('VFRING_ERR_HOST_LOGIN', { host, cause: lines.at(-1) ?? cause });
  }
  if (cause.includes(NOT_FOUND) || said.status === 127) {
    return new VfringError('VFRING_ERR_HOST_NO_VFRING', { host, vfring });
  }
  // ssh has this status for its own errors; vfring for words that it does not know.
  if (said.status === 64) {
    return new VfringError('VFRING_ERR_HOST_RELEASE', { host, what: `its vfring does not know what it is asked (${lines.at(-1) ?? ''})` });
  }
  return silent(host, cause, reach);
}

// SPDX-License-Identifier: BSD-3-Clause
/**
 * The thread of the page. A flood of requests keeps its event loop busy and not
 * that of the leases; what it may use of memory is bounded by who starts it,
 * and of two threads that want a processor the other one is first.
 */
import { chmodSync, chownSync } from 'node:fs';
import { connect } from 'node:net';
import { constants, hostname, setPriority } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import { causeText, errnoCode } from '../errors.js';
import { clearSocket } from '../sockets/socket-file.js';
import { readAssets } from './assets.js';
import type { FromWorker, ToWorker, Topic, WorkerSetup } from './messages.js';
import { WebServer } from './server.js';

/** The daemon answers within a fraction of this, however busy with leases. */
const PATIENCE_MS = 10_000;
const THIS_THREAD = 0;

interface Question {
  readonly promise: Promise<string>;
  readonly resolve: (text: string) => void;
  readonly reject: (error: Error) => void;
}

if (parentPort === null) {
  throw new Error('this is a thread of vfringd');
}
const daemon = parentPort;
const say = (message: FromWorker): void => daemon.postMessage(message);
const setup = workerData as WorkerSetup;
const questions = new Map<Topic, Question>();

function ask(topic: Topic): Promise<string> {
  const known = questions.get(topic);
  if (known !== undefined) {
    return known.promise;
  }
  const { promise, resolve, reject } = withResolvers();
  const late = setTimeout(() => reject(new Error(`no answer within ${PATIENCE_MS / 1000} s`)), PATIENCE_MS).unref();
  questions.set(topic, { promise, resolve, reject });
  promise.catch(() => {}).finally(() => {
    clearTimeout(late);
    questions.delete(topic);
  });
  say({ kind: 'ask', topic, load: web.load });
  return promise;
}

function withResolvers(): Question {
  let resolve: Question['resolve'] = () => {};
  let reject: Question['reject'] = () => {};
  const promise = new Promise<string>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

/** Where another server listens already, its socket file is not taken from it. */
function isServed(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path, () => {
      probe.destroy();
      resolve(true);
    });
    probe.on('error', (error) => resolve(!['ENOENT', 'ECONNREFUSED'].includes(errnoCode(error) ?? '')));
  });
}

async function listen(): Promise<void> {
  const { listen: place, gid } = setup;
  if (place.kind === 'unix') {
    if (await isServed(place.path)) {
      throw Object.assign(new Error('another program serves this socket'), { code: 'EADDRINUSE' });
    }
    clearSocket(place.path);
  }
  await new Promise<void>((resolve, reject) => {
    web.server.once('error', reject);
    web.server.listen(place.kind === 'unix' ? { path: place.path } : { host: place.host, port: place.port, exclusive: true }, resolve);
  });
  if (place.kind === 'unix') {
    // Until here it is its owner's alone, as the umask leaves no other the right to write.
    if (gid !== undefined) {
      chownSync(place.path, -1, gid);
    }
    chmodSync(place.path, gid === undefined ? 0o600 : 0o660);
  }
}

async function close(): Promise<void> {
  await web.close();
  if (setup.listen.kind === 'unix') {
    clearSocket(setup.listen.path);
  }
  daemon.close();
}

daemon.on('message', (message: ToWorker) => {
  switch (message.kind) {
    case 'answer':
      questions.get(message.topic)?.resolve(message.text);
      break;
    case 'no answer':
      questions.get(message.topic)?.reject(new Error(message.cause));
      break;
    case 'close':
      void close();
  }
});

setPriority(THIS_THREAD, constants.priority.PRIORITY_BELOW_NORMAL);
const web = new WebServer({
  policy: {
    hosts: setup.hosts && new Set([hostname(), ...setup.hosts].map((name) => name.toLowerCase())),
    token: setup.token === undefined ? undefined : Buffer.from(setup.token, 'hex'),
  },
  assets: readAssets(setup.assets),
  ask,
});
try {
  await listen();
  say({ kind: 'listening' });
} catch (error) {
  say({ kind: 'failed', errno: errnoCode(error) ?? '', cause: causeText(error) });
  await web.close();
  daemon.close();
}

// SPDX-License-Identifier: BSD-3-Clause
/** Leases of VFs that the daemon opens: what a client gets, and that nothing stays open in the daemon. */
import { execFile } from 'node:child_process';
import { closeSync, openSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import type { OpenedVfs, Provider } from '../../src/providers/provider.js';
import { eventually } from '../helpers/eventually.js';
import { startNode, type FakeNode } from '../helpers/fake-node.js';
import { ask, leaseRequest } from '../helpers/lease-client.js';
import { tempDir } from '../helpers/temp-dir.js';
import { softHarness } from '../providers/harness.js';

/** Sends a line, and prints the answer and what each descriptor that came with it reads. */
const CLIENT = `
import array, json, os, socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall((sys.argv[2] + "\\n").encode())
text, fds = b"", []
while True:
    data, control, flags, _ = s.recvmsg(65536, socket.CMSG_SPACE(64 * 4))
    for level, kind, bytes_ in control:
        fds += array.array("i", bytes_[:len(bytes_) // 4 * 4])
    text += data
    if not data:
        break
print(json.dumps({"reply": json.loads(text), "read": [os.read(fd, 100).decode() for fd in fds]}))
`;

interface Got {
  readonly reply: { readonly ok: boolean; readonly code?: string; readonly message?: string; readonly lease?: string };
  readonly read: readonly string[];
}

async function client(node: FakeNode, request: object): Promise<Got> {
  const { stdout } = await promisify(execFile)('python3', ['-c', CLIENT, node.lease, JSON.stringify(request)]);
  return JSON.parse(stdout) as Got;
}

const descriptors = (): number => readdirSync('/proc/self/fd').length;

/** Soft VFs of a provider that opens them: files stand for what it hands over. */
async function openingNode(open: (names: readonly string[], dir: string) => Promise<OpenedVfs>): Promise<FakeNode> {
  const dir = tempDir();
  const { provider } = softHarness(dir);
  const opening: Provider = Object.assign(provider(), { open: (vfs: readonly { name: string }[]) => open(vfs.map(({ name }) => name), dir) });
  return startNode({ dir, provider: opening });
}

function filesOf(names: readonly string[], dir: string, closed: () => void = () => {}): OpenedVfs {
  const fds = ['container', ...names].map((name) => {
    writeFileSync(join(dir, `opened-${name}`), name);
    return openSync(join(dir, `opened-${name}`), 'r');
  });
  return { descriptors: fds, close: () => { fds.forEach(closeSync); closed(); } };
}

test('the container and each VF arrive with the reply, and the daemon keeps none', async () => {
  const node = await openingNode(async (names, dir) => filesOf(names, dir));
  const before = descriptors();
  const { reply, read } = await client(node, leaseRequest({ count: 3 }));
  expect(reply.ok).toBe(true);
  expect(read[0]).toBe('container');
  expect(read).toHaveLength(4);
  await eventually(() => descriptors() <= before);
  // Its process has ended by now, not gone without its reply.
  await eventually(() => node.daemon.manager.leases().length === 0);
  expect(node.log.filter((line) => /not delivered/.test(line))).toEqual([]);
});

test('a client that is gone gets none: its lease ends, and nothing stays open', async () => {
  let closed = 0;
  let go = (): void => {};
  const node = await openingNode((names, dir) => new Promise((resolve) => (go = () => resolve(filesOf(names, dir, () => closed++)))));
  const child = execFile('python3', ['-c', CLIENT, node.lease, JSON.stringify(leaseRequest())]);
  await eventually(() => node.daemon.manager.leases().length === 1);
  child.kill('SIGKILL');
  await eventually(() => node.daemon.manager.leases().length === 0);
  go();
  await eventually(() => closed === 1);
  expect(node.daemon.manager.pool.count('free')).toBe(4);
});

test('a lease that is taken away while its VFs are opened is none', async () => {
  let closed = 0;
  let go = (): void => {};
  const node = await openingNode((names, dir) => new Promise((resolve) => (go = () => resolve(filesOf(names, dir, () => closed++)))));
  const asked = ask(node.lease, leaseRequest());
  await eventually(() => node.daemon.manager.leases().length === 1);
  await node.daemon.manager.revoke(node.daemon.manager.leases()[0]?.id ?? '');
  go();
  expect(await asked).toMatchObject({ ok: false, code: 'VFRING_ERR_NO_SUCH_LEASE' });
  expect(closed).toBe(1);
});

test('VFs that cannot be opened are no lease', async () => {
  const node = await openingNode(async () => {
    throw Object.assign(new Error('EPERM'), { code: 'EPERM' });
  });
  expect(await client(node, leaseRequest())).toMatchObject({ reply: { ok: false }, read: [] });
  expect(node.daemon.manager.leases()).toEqual([]);
  expect(node.daemon.manager.pool.count('free')).toBe(4);
});

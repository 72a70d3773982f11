// SPDX-License-Identifier: BSD-3-Clause
/** The scripts that start the programs: what vfringd holds for root, and that it can do its work with that; node's debugger. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { apiClient } from '../../src/api/client.js';
import { CAPABILITIES, CAPABILITY_MASK } from '../../src/vfringd/capabilities.js';
import { eventually } from '../helpers/eventually.js';
import { ended, leaseRequest } from '../helpers/lease-client.js';
import { tempDir } from '../helpers/temp-dir.js';
import { wrapper } from '../../install/wrapper.js';

const root = join(import.meta.dirname, '../../..');
const NOBODY = 65_534;
/** What this machine's root has itself: a container's may lack some. */
const OWN = BigInt(`0x${/^CapBnd:\s*(\S+)$/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1] ?? '0'}`);
const MAY_RAISE = (OWN & (1n << BigInt(CAPABILITIES.SYS_RESOURCE))) !== 0n;
const ONLY = `-all,${Object.keys(CAPABILITIES).map((name) => `+${name.toLowerCase()}`).join(',')}`;

/** An installation whose daemon is the source. */
function install(more = ''): { dir: string; vfringd: string } {
  const dir = tempDir();
  chmodSync(dir, 0o755);
  const main = join(dir, 'lib/vfring/control/src/vfringd');
  mkdirSync(main, { recursive: true });
  mkdirSync(join(dir, 'sbin'));
  const url = (path: string): string => JSON.stringify(pathToFileURL(join(root, path)).href);
  writeFileSync(join(main, 'main.mjs'), `import { register } from ${url('node_modules/tsx/dist/esm/api/index.mjs')};
register();
await import(${url('control/src/vfringd/main.ts')});
`);
  const vfringd = join(dir, 'sbin/vfringd');
  writeFileSync(vfringd, wrapper('vfringd/main.mjs', { flags: ' --max-semi-space-size=1', confined: true }), { mode: 0o755 });
  writeFileSync(join(dir, 'vfringd.yaml'), `version: 1\nprovider: {soft: {dir: ${dir}/soft, vfs: 2, mtu: 1500}}\njobs: {kill_after: 1s}\n${more}`);
  return { dir, vfringd };
}

/** Starts it, by `before` if that is given, and waits until it is ready. `more` is of its configuration. */
async function start(before: readonly string[] = [], more?: string): Promise<{ child: ChildProcess; dir: string; log: () => string }> {
  const { dir, vfringd } = install(more);
  const argv = [...before, vfringd, '--foreground', '--config', join(dir, 'vfringd.yaml'), '--run-dir', join(dir, 'run')];
  const child = spawn(argv[0] as string, argv.slice(1), { stdio: ['ignore', 'pipe', 'pipe'] });
  onTestFinished(async () => {
    child.kill('SIGTERM');
    await ended(child);
  });
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  await new Promise<void>((resolve, reject) => {
    child.stdout.on('data', () => said.includes('vfringd ready') && resolve());
    child.on('exit', () => reject(new Error(said)));
  });
  return { child, dir, log: () => said };
}

/** Of each thread: name and value of a field of its status. */
function threads(pid: number | undefined, field: string): string[] {
  const dir = `/proc/${pid}/task`;
  return readdirSync(dir).map((tid) => new RegExp(`^${field}:\\s*(\\S+)$`, 'm').exec(readFileSync(join(dir, tid, 'status'), 'latin1'))?.[1] ?? '');
}

function expectConfined(pid: number | undefined): void {
  const mask = (CAPABILITY_MASK & OWN).toString(16).padStart(16, '0');
  expect(readdirSync(`/proc/${pid}/task`).length).toBeGreaterThan(3);
  for (const [field, value] of [['CapBnd', mask], ['CapPrm', mask], ['CapEff', mask], ['CapInh', '0'.repeat(16)], ['CapAmb', '0'.repeat(16)], ['NoNewPrivs', '1']] as const) {
    expect([field, ...new Set(threads(pid, field))]).toEqual([field, value]);
  }
}

/** Leases as another user, and lives until it is killed. */
async function holder(socket: string): Promise<{ child: ChildProcess; device: string }> {
  const code = `const s = require('net').connect(${JSON.stringify(socket)});
    s.write(${JSON.stringify(`${JSON.stringify(leaseRequest())}\n`)}); s.pipe(process.stdout, { end: false }); setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['-e', code], { uid: NOBODY, gid: NOBODY, cwd: '/', stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  const line = await new Promise<string>((resolve) => child.stdout.once('data', (data: Buffer) => resolve(data.toString())));
  const reply = JSON.parse(line) as { ok: boolean; vfs: [{ device: string }] };
  expect(reply).toMatchObject({ ok: true, memlock_bytes: MAY_RAISE ? 128 * 2 ** 20 : null });
  return { child, device: reply.vfs[0].device };
}

describe.runIf(process.getuid?.() === 0)('vfringd of root', () => {
  test('keeps what it needs on every thread and no more, and does its work for another user with that', async () => {
    const { child: daemon, dir, log } = await start();
    expectConfined(daemon.pid);
    expect(log()).not.toContain('capabilities');

    const { child, device } = await holder(join(dir, 'run/lease.sock'));
    expect(statSync(device).uid).toBe(NOBODY);
    if (MAY_RAISE) {
      expect(readFileSync(`/proc/${child.pid}/limits`, 'utf8')).toMatch(/^Max locked memory +134217728 +134217728 /m);
    }
    // The counters of a file that is another user's are read.
    const api = apiClient(join(dir, 'run'));
    await eventually(async () => (await api.status()).vfs.some((vf) => vf.lease?.traffic));
    // Ends a process of another user.
    await api.endJob('job', { uid: NOBODY, kill: true });
    await ended(child);
    await eventually(() => statSync(device).uid === 0);
    expect(child.signalCode).toBe('SIGTERM');
    expectConfined(daemon.pid);
  });

  test('may not open a port of the privileged ones for its page: that is told, and leases are given', async ({ skip }) => {
    const port = Number(readFileSync('/proc/sys/net/ipv4/ip_unprivileged_port_start', 'utf8')) - 1;
    skip(port < 1, 'here every port is for everybody');
    const { dir } = await start([], `http: {listen: "127.0.0.1:${port}"}\n`);
    const api = apiClient(join(dir, 'run'));
    await eventually(async () => (await api.status()).http?.trouble != null);
    expect((await api.status()).http?.trouble).toMatchObject({
      code: 'VFRING_ERR_HTTP_LISTEN', message: expect.stringContaining('EACCES') as string, remedy: expect.stringContaining('a port from 1024 on') as string,
    });
    await holder(join(dir, 'run/lease.sock'));
  });

  test('that a service manager has confined needs no setpriv', async () => {
    const { child } = await start(['setpriv', '--no-new-privs', `--bounding-set=${ONLY}`, ...hidden('setpriv')]);
    expectConfined(child.pid);
  });

  test('loses what is inheritable or ambient', async () => {
    const { child } = await start(['setpriv', '--inh-caps=+chown,+kill', '--ambient-caps=+chown']);
    expectConfined(child.pid);
  });

  test('does not start with more than it needs', () => {
    const { vfringd } = install();
    const without = spawnSync('setpriv', ['--bounding-set=-setpcap', vfringd, '--help'], { encoding: 'utf8' });
    expect(without).toMatchObject({ status: 77, stdout: '', stderr: expect.stringMatching(/^vfringd: .*CAP_SETPCAP.*chown,dac_override,/) as string });
    const [env, ...path] = hidden('setpriv');
    const none = spawnSync(env as string, [...path, vfringd, '--help'], { encoding: 'utf8' });
    expect(none).toMatchObject({ status: 69, stdout: '', stderr: expect.stringContaining('install util-linux') as string });
  });
});

/** Runs what follows with a PATH that has what the script needs but for one program. */
function hidden(program: string): string[] {
  const dir = tempDir();
  for (const name of ['sh', 'id', 'sed', 'dirname', 'basename', 'readlink', 'node', 'setpriv']) {
    if (name !== program) {
      const found = spawnSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).stdout.trim();
      writeFileSync(join(dir, name), `#!/bin/sh\nexec ${found} "$@"\n`, { mode: 0o755 });
    }
  }
  return ['env', `PATH=${dir}`];
}

test('a daemon that was started otherwise says what it holds too much', () => {
  // Its configuration is missing: it says that, too, and ends.
  const { status, stderr } = spawnSync(process.execPath, ['--import', 'tsx', join(root, 'control/src/vfringd/main.ts'), '--config', '/nonexistent'], { cwd: root, encoding: 'utf8' });
  expect(status).toBe(78);
  expect(stderr.includes('capabilities that it does not need')).toBe(process.getuid?.() === 0);
});

test('a program that does not listen for SIGUSR1 yet opens no debugger at it', async () => {
  const dir = tempDir();
  mkdirSync(join(dir, 'lib/vfring/control/src'), { recursive: true });
  mkdirSync(join(dir, 'bin'));
  writeFileSync(join(dir, 'lib/vfring/control/src/early.mjs'), 'process.stdout.write("up"); setInterval(() => {}, 1000);\n');
  writeFileSync(join(dir, 'bin/early'), wrapper('early.mjs'), { mode: 0o755 });
  const child = spawn(join(dir, 'bin/early'), { stdio: ['ignore', 'pipe', 'pipe'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  child.stdout.once('data', () => child.kill('SIGUSR1'));
  const said = await new Promise<string>((resolve, reject) => {
    child.stderr.once('data', (chunk: Buffer) => resolve(chunk.toString()));
    child.once('exit', (code, signal) => reject(new Error(`ended: ${signal ?? code}`)));
  });
  expect(said).toMatch(/^Starting inspector on .* failed/);
  expect(child.exitCode ?? child.signalCode).toBeNull();
});

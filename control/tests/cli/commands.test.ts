// SPDX-License-Identifier: BSD-3-Clause
/** Both programs as users start them. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { native } from '../../src/native.js';
import { ask, ended, leaseHolder, leaseRequest } from '../helpers/lease-client.js';
import { eventually } from '../helpers/eventually.js';
import { tempDir } from '../helpers/temp-dir.js';

const root = join(import.meta.dirname, '../../..');
const libexec = join(root, 'build/prefix/libexec/vfring');
const main = { vfring: 'control/src/cli/main.ts', vfringd: 'control/src/vfringd/main.ts' };

const argv = (program: keyof typeof main, args: readonly string[]): string[] => ['--import', 'tsx', join(root, main[program]), ...args];

function command(program: keyof typeof main, ...args: string[]) {
  const result = spawnSync(process.execPath, argv(program, args), {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, VFRING_RUN_DIR: join(tempDir(), 'run') },
  });
  return { status: result.status, out: result.stdout, err: result.stderr };
}

describe('exit statuses and messages', () => {
  test('help is no error, and names the manual page', () => {
    for (const program of ['vfring', 'vfringd'] as const) {
      expect(command(program, '--help')).toMatchObject({ status: 0, err: '', out: expect.stringMatching(new RegExp(`^Manual page: man (8 )?${program}\\.$`, 'm')) as string });
    }
  });

  test('a version is no error, and is the release\'s', () => {
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
    for (const program of ['vfring', 'vfringd'] as const) {
      expect(command(program, '--version')).toEqual({ status: 0, out: `${program} ${version}\n`, err: '' });
    }
  });

  test.each(['-h 0.01', '--help', '--version', '-- -h'])('what follows the program is its own: p %s', (text) => {
    // Asked for a run, vfring says that there is no daemon, or no Open MPI.
    const { status, out } = command('vfring', 'run', '-n', '2', '--', './p', ...text.split(' '));
    expect({ status, out }).toEqual({ status: 69, out: '' });
  });

  test.each<[keyof typeof main, string[], number]>([
    ['vfring', [], 64],
    ['vfring', ['fly'], 64],
    ['vfring', ['status', '--jsno'], 64],
    ['vfring', ['run', '-n', '2', 'p'], 64],
    ['vfring', ['provision'], 69],
    ['vfring', ['provision', '--plan', '--config', '/nowhere'], 78],
    ['vfring', ['top'], 69],
    ['vfring', ['lease'], 69],
    ['vfring', ['preflight'], 64],
    ['vfring', ['preflight', '-n', 'x'], 64],
    ['vfring', ['job', 'create', '--memory', '64'], 64],
    ['vfring', ['completion', 'csh'], 64],
    ['vfring', ['doctor', '--config', '/nowhere'], 69],
    ['vfring', ['status'], 69],
    ['vfring', ['job'], 69],
    ['vfring', ['config', 'check', '/nowhere'], 78],
    ['vfringd', ['--fly'], 64],
    ['vfringd', ['x'], 64],
    ['vfringd', ['--config', '/nowhere'], 78],
  ])('%s %j: %d', (program, args, status) => {
    const result = command(program, ...args);
    expect(result.status).toBe(status);
    // The doctor's findings are its result; everything else is said on standard error.
    expect(args[0] === 'doctor' ? result.out : result.err).not.toBe('');
    expect(result.err).not.toMatch(/\n\s+at /); // no stack trace
  });

  test('a reader that goes away is no error', async () => {
    for (const program of ['vfring', 'vfringd'] as const) {
      const child = spawn(process.execPath, argv(program, ['--help']), { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
      child.stdout.destroy();
      let err = '';
      child.stderr.on('data', (data: Buffer) => (err += data.toString()));
      await ended(child);
      expect({ status: child.exitCode, err }).toEqual({ status: 0, err: '' });
    }
  });

  test('config check names file, line, column and field of every problem', () => {
    const file = join(tempDir(), 'c.yaml');
    writeFileSync(file, 'version: 1\nprovider:\n  soft: {dir: /x, vfs: 0}\nfoo: 1\n');
    const { status, err } = command('vfring', 'config', 'check', file);
    expect(status).toBe(78);
    expect(err.trim().split('\n')).toHaveLength(2);
    expect(err).toContain(`${file}:4:1: foo: unknown field`);
  });

  test.each<[keyof typeof main, string[]]>([['vfring', ['provision', '--plan']], ['vfringd', []]])('%s that cannot go on for it names them, too, a line each', (program, args) => {
    const file = join(tempDir(), 'c.yaml');
    writeFileSync(file, 'version: 1\nprovider:\n  soft: {dir: /x, vfs: 0}\nfoo: 1\n');
    const lines = command(program, ...args, '--config', file).err.trimEnd().split('\n').filter((line) => !line.startsWith('{'));
    expect(lines).toEqual([`${program}: VFRING_ERR_CONFIG: ${file}:`, `${program}:   ${file}:`, `${program}: remedy: mend`].map((begin) => expect.stringContaining(begin) as string));
  });
});

describe.skipIf(!existsSync(join(libexec, 'vfring-softvf')))('vfringd with real soft VFs (skipped until vfring-softvf is built)', () => {
  async function start(dir: string): Promise<{ daemon: ChildProcess; lease: string }> {
    const file = join(dir, 'c.yaml');
    writeFileSync(file, `version: 1\nprovider:\n  soft: {dir: ${dir}/soft, vfs: 2}\n`);
    const daemon = spawn(process.execPath, argv('vfringd', ['--config', file, '--run-dir', join(dir, 'run')]), {
      cwd: root,
      env: { ...process.env, VFRING_LIBEXEC: libexec },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    onTestFinished(() => void daemon.kill('SIGKILL'));
    let text = '';
    daemon.stderr.on('data', (data: Buffer) => (text += data.toString()));
    daemon.stdout.on('data', (data: Buffer) => (text += data.toString()));
    await eventually(() => text.includes('vfringd ready') || daemon.exitCode !== null);
    expect(text).toContain('vfringd ready: 2 VFs (soft)');
    return { daemon, lease: join(dir, 'run', 'lease.sock') };
  }

  test('serves, survives the crash of a holder, and ends well at SIGTERM', async () => {
    const dir = tempDir();
    const { daemon, lease } = await start(dir);
    const { child, reply } = await leaseHolder(lease, leaseRequest({ count: 2 }));
    const inode = statSync(reply.vfs[0]?.device ?? '').ino;
    child.kill('SIGKILL');
    await ended(child);
    const next = await ask(lease, leaseRequest({ count: 2 }));
    expect(next.ok).toBe(true);
    expect(statSync(reply.vfs[0]?.device ?? '').ino).not.toBe(inode);
    daemon.kill('SIGTERM');
    await ended(daemon);
    expect(daemon.exitCode).toBe(0);
    expect(existsSync(lease)).toBe(false);
  });

  test('after kill -9 it starts again, takes over the lease of a living process, and mends its node', async () => {
    const dir = tempDir();
    const first = await start(dir);
    const { child, reply } = await leaseHolder(first.lease, leaseRequest());
    const device = reply.vfs[0]?.device ?? '';
    const inode = statSync(device).ino;
    first.daemon.kill('SIGKILL');
    await ended(first.daemon);
    const owner = statSync(device);
    native().setNodeOwner(device, 'file', 0, 0, owner.uid, owner.gid, 0o640);
    const second = await start(dir);
    expect(statSync(device).mode & 0o7777).toBe(0o600);
    expect(statSync(device).ino).toBe(inode); // not cut off
    expect(await ask(second.lease, leaseRequest({ count: 2 }))).toMatchObject({ code: 'VFRING_ERR_NO_FREE_VF' });
    child.kill('SIGKILL');
    await ended(child);
    expect((await ask(second.lease, leaseRequest({ count: 2 }))).ok).toBe(true);
  });

  test('SIGTERM leaves the leases of living processes to the next daemon; one that ends in between is noticed', async () => {
    const dir = tempDir();
    const first = await start(dir);
    const a = await leaseHolder(first.lease, leaseRequest());
    const b = await leaseHolder(first.lease, leaseRequest());
    first.daemon.kill('SIGTERM');
    await ended(first.daemon);
    expect(first.daemon.exitCode).toBe(0);
    b.child.kill('SIGKILL');
    await ended(b.child);
    const second = await start(dir);
    const free = await ask(second.lease, leaseRequest());
    expect(free.vfs[0]?.device).toBe(b.reply.vfs[0]?.device);
    expect(await ask(second.lease, { v: 1, op: 'release', lease: a.reply.lease })).toMatchObject({ code: 'VFRING_ERR_NOT_OWNER' });
  });
});

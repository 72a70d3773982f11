// SPDX-License-Identifier: BSD-3-Clause
/** What an ill-willed user can swap under the daemon: paths and pids. On the real kernel. */
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { realProcesses } from '../../src/node/processes.js';
import { errnoCode } from '../../src/errors.js';
import { native } from '../../src/native.js';
import { nodeOps } from '../../src/providers/node-ops.js';
import { eventually } from '../helpers/eventually.js';
import { tempDir } from '../helpers/temp-dir.js';

const FILE = { kind: 'file' } as const;
const uid = process.getuid?.() ?? 0;
const gid = process.getgid?.() ?? 0;

describe('a node whose path is swapped all the time', () => {
  test.each(['symlink', 'fifo', 'directory'])('for a %s: nothing but the VF\'s own file is ever changed', async (what) => {
    const dir = tempDir();
    const path = join(dir, 'vf0');
    const victim = join(dir, 'victim');
    writeFileSync(victim, 'precious');
    chmodSync(victim, 0o644);
    mkdirSync(join(dir, 'd'));
    const make: Record<string, string> = {
      symlink: 'fs.symlinkSync(victim, next)',
      fifo: `require('child_process').spawnSync('mkfifo', [next])`,
      directory: 'fs.mkdirSync(next)',
    };
    const swapper = spawn(process.execPath, ['-e', `
      const fs = require('fs'); const [, path, victim] = process.argv; const next = path + '.next';
      console.log('ready');
      for (;;) {
        fs.rmSync(path, { recursive: true, force: true }); fs.writeFileSync(next, ''); fs.renameSync(next, path);
        fs.rmSync(path, { recursive: true, force: true }); ${make[what]}; fs.renameSync(next, path);
      }`, path, victim], { stdio: ['ignore', 'pipe', 'inherit'] });
    const over = new Promise<void>((resolve) => swapper.once('exit', () => resolve()));
    // Until it has ended, it makes files in the folder that is to go.
    onTestFinished(() => {
      swapper.kill('SIGKILL');
      return over;
    });
    await new Promise((resolve) => swapper.stdout.once('data', resolve));
    const outcomes = new Set<string>();
    for (let i = 0; i < 20_000 && !(i > 3000 && outcomes.size > 2); i++) {
      try {
        nodeOps.setOwner(path, FILE, uid, gid);
        outcomes.add('done');
      } catch (error) {
        outcomes.add(errnoCode(error) ?? String(error));
      }
      try {
        nodeOps.giveFile(path, uid, gid);
      } catch (error) {
        outcomes.add(errnoCode(error) ?? String(error));
      }
      try {
        await nodeOps.look(path);
      } catch (error) {
        outcomes.add(errnoCode(error) ?? String(error));
      }
    }
    expect([...outcomes].filter((outcome) => !['done', 'ENOENT', 'EINVAL', 'ELOOP', 'EISDIR', 'ENXIO'].includes(outcome))).toEqual([]);
    expect(statSync(victim).mode & 0o7777).toBe(0o644);
    expect(readFileSync(victim, 'utf8')).toBe('precious');
  });
});

test.each([0o777, 0o775])('a soft VF in a folder that others can write to (mode %o) is not given away: they could put another file\'s name there', (mode) => {
  const dir = tempDir();
  const path = join(dir, 'vf0');
  writeFileSync(path, '', { mode: 0o644 });
  chmodSync(dir, mode);
  expect(() => nodeOps.setOwner(path, FILE, uid, gid)).toThrow('nobody else can write to the folder');
  expect(statSync(path).mode & 0o7777).toBe(0o644);
  chmodSync(dir, 0o755);
  nodeOps.setOwner(path, FILE, uid, gid);
  expect(statSync(path).mode & 0o7777).toBe(0o600);
});

describe('a process that is taken over by pid and start time', () => {
  test('is the same process or none', async () => {
    const child = spawn('sleep', ['1000']);
    onTestFinished(() => void child.kill('SIGKILL'));
    const processes = realProcesses(native());
    onTestFinished(() => processes.close());
    const pid = child.pid ?? 0;
    const ticks = Number(readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ')[19]);
    expect(processes.adopt(pid, ticks + 1)).toBeUndefined();
    const held = processes.adopt(pid, ticks);
    expect(held).toMatchObject({ pid, startTicks: ticks });
    expect(held?.ended()).toBe(false);
    let told = false;
    held?.onEnd(() => (told = true));
    expect(held?.signal('SIGTERM')).toBe(true);
    await eventually(() => told);
    expect(held?.ended()).toBe(true);
    held?.close();
    expect(held?.signal('SIGKILL')).toBe(false);
    expect(processes.adopt(pid, ticks)).toBeUndefined();
  });

  test('descriptors do not stay behind', () => {
    const processes = realProcesses(native());
    onTestFinished(() => processes.close());
    const ticks = Number(readFileSync('/proc/self/stat', 'latin1').split(') ')[1]?.split(' ')[19]);
    const count = (): number => readdirSync('/proc/self/fd').length;
    const before = count();
    for (let i = 0; i < 200; i++) {
      processes.adopt(process.pid, ticks + 1);
      processes.adopt(process.pid, ticks)?.close();
    }
    expect(count()).toBeLessThanOrEqual(before + 2);
  });
});

describe.skipIf(spawnSync('python3', ['--version']).status !== 0)('the service manager', () => {
  test.each(['path', 'abstract'])('is told over its socket (%s)', async (kind) => {
    const address = kind === 'path' ? join(tempDir(), 'notify') : `@vfring-test-${process.pid}`;
    const listener = spawn('python3', ['-c', `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
a = sys.argv[1]
s.bind('\\0' + a[1:] if a[0] == '@' else a)
print('ready', flush=True)
print(s.recv(4096).decode(), flush=True)`, address], { stdio: ['ignore', 'pipe', 'inherit'] });
    onTestFinished(() => void listener.kill());
    let text = '';
    listener.stdout.on('data', (data: Buffer) => (text += data.toString()));
    await eventually(() => text.includes('ready'));
    native().sdNotify(address, 'READY=1\nSTATUS=4 VFs');
    await eventually(() => text.includes('STATUS'));
    expect(text).toBe('ready\nREADY=1\nSTATUS=4 VFs\n');
  });

  test('that is not there is an error, and a path that is too long too', () => {
    expect(() => native().sdNotify('/nowhere', 'x')).toThrow('ENOENT');
    expect(() => native().sdNotify(`/${'x'.repeat(200)}`, 'x')).toThrow('ENAMETOOLONG');
  });
});

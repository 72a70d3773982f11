// SPDX-License-Identifier: BSD-3-Clause
/** The real addon on the real kernel. */
import koffi from 'koffi';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { chmodSync, chownSync, closeSync, linkSync, openSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { tryLock } from '../src/libc.js';
import { native } from '../src/native.js';
import { addonPath } from '../src/paths.js';
import { tempDir } from './helpers/temp-dir.js';

const addon = native();
const isRoot = process.getuid?.() === 0;
const uid = process.getuid?.() ?? 0;
const gid = process.getgid?.() ?? 0;

/** Character devices can be made by root outside of containers only. */
function canMakeDevices(): boolean {
  return isRoot && /cap_mknod|=ep/i.test(capabilities());
}

function capabilities(): string {
  const effective = /^CapEff:\s+(\w+)/m.exec(execFileSync('cat', ['/proc/self/status'], { encoding: 'utf8' }))?.[1] ?? '0';
  return (BigInt(`0x${effective}`) >> 27n) & 1n ? 'cap_mknod' : '';
}

/** An access control list as its attribute has it (linux/posix_acl_xattr.h): uid 4343 may read and write. */
function giveAccess(file: string, mask: number): boolean {
  const entries = [[1, 6, -1], [2, 6, 4343], [4, 0, -1], [16, mask, -1], [32, 0, -1]] as const;
  const list = Buffer.alloc(4 + 8 * entries.length);
  list.writeUInt32LE(2, 0);
  entries.forEach(([tag, rights, id], i) => {
    list.writeUInt16LE(tag, 4 + 8 * i);
    list.writeUInt16LE(rights, 6 + 8 * i);
    list.writeInt32LE(id, 8 + 8 * i);
  });
  const setxattr = koffi.load(null).func('int setxattr(const char *path, const char *name, const uint8_t *value, size_t size, int flags)');
  return setxattr(file, 'system.posix_acl_access', list, list.length, 0) === 0;
}

function hasAccessList(file: string): boolean {
  const getxattr = koffi.load(null).func('long getxattr(const char *path, const char *name, void *value, size_t size)');
  return Number(getxattr(file, 'system.posix_acl_access', null, 0)) > 0;
}

describe('owner of a node', () => {
  test.runIf(isRoot)('an access control list that the former owner left is gone (root only; where the file system has them)', () => {
    const file = join(tempDir(), 'vf0');
    writeFileSync(file, '');
    chownSync(file, 4242, 4242);
    if (!giveAccess(file, 6)) {
      return;
    }
    expect(hasAccessList(file)).toBe(true);
    addon.setNodeOwner(file, 'file', 0, 0, 4244, 0, 0o600);
    expect(hasAccessList(file)).toBe(false);
    // Its own, but not private: somebody had widened it.
    addon.setNodeOwner(file, 'file', 0, 0, 0, 0, 0o600);
    giveAccess(file, 6);
    addon.setNodeOwner(file, 'file', 0, 0, 4244, 0, 0o600);
    expect(hasAccessList(file)).toBe(false);
  });

  test.runIf(isRoot)('a private file is given away while nobody has it locked (root only)', () => {
    const file = join(tempDir(), 'vf0');
    writeFileSync(file, '', { mode: 0o600 });
    const fd = openSync(file, 'r');
    expect(tryLock(fd)).toBe(true);
    expect(() => addon.giveFile(file, 4242, 0)).toThrow(expect.objectContaining({ code: 'EBUSY' }));
    closeSync(fd);
    addon.giveFile(file, 4242, 0);
    expect(statSync(file)).toMatchObject({ uid: 4242, gid: 0, mode: 0o100600 });
  });

  test('no other file is given away: linked twice, widened, somebody else\'s, in an open folder, not a file', () => {
    const dir = tempDir();
    const make = (name: string): string => {
      writeFileSync(join(dir, name), '', { mode: 0o600 });
      return join(dir, name);
    };
    linkSync(make('linked'), join(dir, 'second'));
    chmodSync(make('widened'), 0o640);
    symlinkSync(make('target'), join(dir, 'link'));
    const refusal = (path: string): unknown => {
      try {
        addon.giveFile(path, uid, gid);
        return 'given';
      } catch (error) {
        return (error as { code?: unknown }).code;
      }
    };
    if (isRoot) {
      chownSync(make('foreign'), 4242, 0);
      expect(refusal(join(dir, 'foreign'))).toBe('EINVAL');
    }
    expect(['linked', 'widened', 'link', 'none', '.'].map((name) => refusal(join(dir, name)))).toEqual(['EINVAL', 'EINVAL', 'ELOOP', 'ENOENT', 'EINVAL']);
    expect(refusal(make('own'))).toBe('given');
    chmodSync(dir, 0o777);
    expect(refusal(join(dir, 'own'))).toBe('EINVAL');
  });

  test('a file changes its mode', () => {
    const file = join(tempDir(), 'vf0');
    writeFileSync(file, '', { mode: 0o644 });
    addon.setNodeOwner(file, 'file', 0, 0, uid, gid, 0o600);
    expect(statSync(file).mode & 0o7777).toBe(0o600);
  });

  test.runIf(isRoot)('a file changes its owner (root only)', () => {
    const file = join(tempDir(), 'vf0');
    writeFileSync(file, '');
    addon.setNodeOwner(file, 'file', 0, 0, 4242, 0, 0o600);
    expect(statSync(file)).toMatchObject({ uid: 4242, gid: 0 });
    chownSync(file, 4242, 4242);
    chmodSync(file, 0o4777);
    addon.setNodeOwner(file, 'file', 0, 0, 0, 0, 0o600);
    expect(statSync(file).mode & 0o7777).toBe(0o600);
  });

  test.runIf(canMakeDevices())('a device must have the right number (root with CAP_MKNOD only)', () => {
    const node = join(tempDir(), 'node');
    execFileSync('mknod', [node, 'c', '1', '3']);
    expect(() => addon.setNodeOwner(node, 'char', 1, 5, 4242, 0, 0o600)).toThrow('EINVAL');
    expect(() => addon.setNodeOwner(node, 'file', 0, 0, 4242, 0, 0o600)).toThrow('EINVAL');
    expect(statSync(node).uid).toBe(0);
    addon.setNodeOwner(node, 'char', 1, 3, 4242, 0, 0o600);
    expect(statSync(node).uid).toBe(4242);
  });

  test('what is not the VF\'s own node is left alone', () => {
    const dir = tempDir();
    const file = join(dir, 'file');
    writeFileSync(file, '', { mode: 0o644 });
    symlinkSync(file, join(dir, 'link'));
    expect(() => addon.setNodeOwner(join(dir, 'link'), 'file', 0, 0, uid, gid, 0o600)).toThrow(/EINVAL/);
    expect(() => addon.setNodeOwner(dir, 'file', 0, 0, uid, gid, 0o600)).toThrow(/EINVAL/);
    expect(() => addon.setNodeOwner('/dev/null', 'file', 0, 0, uid, gid, 0o600)).toThrow(/EINVAL/);
    expect(() => addon.setNodeOwner(join(dir, 'none'), 'file', 0, 0, uid, gid, 0o600)).toThrow(/ENOENT/);
    expect(() => addon.setNodeOwner(`${file}\0x`, 'file', 0, 0, uid, gid, 0o600)).toThrow(TypeError);
    linkSync(file, join(dir, 'second'));
    expect(() => addon.setNodeOwner(file, 'file', 0, 0, uid, gid, 0o600)).toThrow(/EINVAL/);
    expect(statSync(file).mode & 0o7777).toBe(0o644);
  });
});

describe('a lock on a file', () => {
  test('is seen while another holds it, and not after', async () => {
    const file = join(tempDir(), 'vf0');
    writeFileSync(file, '');
    chmodSync(file, 0o640);
    expect(addon.lookAtFile(file)).toEqual({ uid, mode: 0o640, locked: false });
    const holder = spawn('flock', ['--no-fork', file, 'sh', '-c', 'echo held; exec sleep 1000']);
    await new Promise((resolve) => holder.stdout.once('data', resolve));
    expect(addon.lookAtFile(file).locked).toBe(true);
    const over = new Promise((resolve) => holder.once('close', resolve));
    holder.kill('SIGKILL');
    await over;
    expect(addon.lookAtFile(file)).toEqual({ uid, mode: 0o640, locked: false });
    expect(() => addon.lookAtFile(join(file, 'x'))).toThrow(/ENOTDIR/);
    expect(() => addon.lookAtFile(`${file}2`)).toThrow(/ENOENT/);
  });
});

describe('processes', () => {
  test('a start time is what /proc says, whatever the name of the program', () => {
    const dir = tempDir();
    const odd = join(dir, 'a) b (c)');
    execFileSync('cp', ['/bin/sleep', odd]);
    const child = spawn(odd, ['1000']);
    const pid = child.pid ?? 0;
    onTestFinished(() => void child.kill('SIGKILL'));
    const stat = execFileSync('cat', [`/proc/${pid}/stat`], { encoding: 'latin1' });
    expect(addon.startTicks(pid)).toBe(Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]));
    expect(addon.startTicks(process.pid)).toBeGreaterThan(0);
    expect(addon.startTicks(0x7fff_fffe)).toBeNull();
  });

  test('the end of a process is reported once, however it ends', async () => {
    const child = spawn('sleep', ['1000']);
    const pidfd = addon.pidfdOpen(child.pid ?? 0);
    let resolve: (token: number) => void = () => {};
    const seen = new Promise<number>((done) => (resolve = done));
    const watch = new addon.ProcessWatch((token) => resolve(token));
    onTestFinished(() => watch.close());
    const token = watch.add(pidfd);
    expect(addon.pidfdEnded(pidfd)).toBe(false);
    child.kill('SIGKILL');
    expect(await seen).toBe(token);
    expect(addon.pidfdEnded(pidfd)).toBe(true);
    expect(watch.remove(token)).toBe(true);
    expect(watch.remove(token)).toBe(false);
    addon.closeFd(pidfd);
  });

  test('a process that ended before it was watched is reported too', async () => {
    const child = spawn('sleep', ['1000']);
    const pidfd = addon.pidfdOpen(child.pid ?? 0);
    child.kill('SIGKILL');
    await new Promise((resolve) => child.once('exit', resolve));
    const seen = new Promise((resolve) => {
      const watch = new addon.ProcessWatch(resolve);
      onTestFinished(() => watch.close());
      watch.add(pidfd);
    });
    await seen;
    addon.closeFd(pidfd);
  });

  test('what is no process is an error with its errno', () => {
    expect(() => addon.pidfdOpen(0x3fff_fffe)).toThrow(expect.objectContaining({ code: 'ESRCH', syscall: 'pidfd_open' }));
    expect(() => addon.pidfdEnded(99_999)).toThrow(expect.objectContaining({ code: 'EBADF' }));
    expect(() => addon.peerCred(openSync('/dev/null', 'r'))).toThrow(expect.objectContaining({ code: 'ENOTSOCK' }));
    expect(() => addon.pidfdOpen('1' as unknown as number)).toThrow(TypeError);
  });

  test('a signal in the middle of the question is no answer', () => {
    const script = `
      const { pidfdOpen, pidfdEnded } = require(process.argv[1]);
      const fd = pidfdOpen(process.pid);
      for (let i = 0; i < 1_000_000; i++) {
        if (pidfdEnded(fd)) throw new Error('ended?');
      }
      console.log('it lives');`;
    // Node's own profiler sends the main thread a signal every 100 us; without the remedy, every other run of this fails.
    const profiled = ['--cpu-prof', '--cpu-prof-interval=100', `--cpu-prof-dir=${tempDir()}`];
    const { stdout, stderr } = spawnSync(process.execPath, [...profiled, '-e', script, addonPath()], { encoding: 'utf8' });
    expect({ stdout, stderr }).toEqual({ stdout: 'it lives\n', stderr: '' });
  });
});

describe('registers', () => {
  test('are read little endian, and never beyond the BAR', () => {
    const bar = join(tempDir(), 'resource0');
    writeFileSync(bar, Buffer.from([0, 0, 0, 0, 0x78, 0x56, 0x34, 0xf2]));
    expect(addon.readRegisters(bar, [4, 0])).toEqual([0xf234_5678, 0]);
    expect(() => addon.readRegisters(bar, [8])).toThrow('EOVERFLOW');
    expect(() => addon.readRegisters(bar, [2])).toThrow(TypeError);
    expect(() => addon.readRegisters(bar, [-4])).toThrow(TypeError);
    expect(() => addon.readRegisters(join(bar, 'x'), [0])).toThrow('ENOTDIR');
  });

  test('the counters stand where the datasheet has them', () => {
    expect(addon.vfRegisters).toEqual({
      82576: { VFGPRC: 0xf10, VFGPTC: 0xf14, VFGORC: 0xf18, VFGOTC: 0xf34 },
      82599: { VFGPRC: 0x101c, VFGPTC: 0x201c, VFGORC: 0x1020, VFGOTC: 0x2020 },
    });
  });
});

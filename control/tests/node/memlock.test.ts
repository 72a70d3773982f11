// SPDX-License-Identifier: BSD-3-Clause
import { spawn } from 'node:child_process';
import { describe, expect, onTestFinished, test } from 'vitest';
import { raiseMemlock, restoreMemlock, type Prlimit } from '../../src/node/memlock.js';
import { RLIMIT_MEMLOCK, prlimit, type Rlimit } from '../../src/libc.js';

const MiB = 2 ** 20;

function played(before: Rlimit) {
  const set: Rlimit[] = [];
  return {
    set,
    prlimit: (_pid: number, _resource: number, limit?: Rlimit): Rlimit => {
      if (limit !== undefined) {
        set.push(limit);
      }
      return before;
    },
  };
}

describe('RLIMIT_MEMLOCK', () => {
  test.each<[string, Rlimit, number | 'unlimited', Rlimit | undefined, number | null]>([
    ['both raised', { soft: 8, hard: 8 }, MiB, { soft: MiB, hard: MiB }, MiB],
    ['the soft one raised', { soft: 8, hard: 2 * MiB }, MiB, { soft: MiB, hard: 2 * MiB }, MiB],
    ['lifted', { soft: 8, hard: 8 }, 'unlimited', { soft: 'unlimited', hard: 'unlimited' }, -1],
    ['never lowered', { soft: 4 * MiB, hard: 'unlimited' }, MiB, undefined, null],
    ['left alone when it has no end', { soft: 'unlimited', hard: 'unlimited' }, MiB, undefined, null],
  ])('%s', (_name, before, policy, wanted, reported) => {
    const fake = played(before);
    const grant = raiseMemlock(1, policy, fake.prlimit);
    expect(fake.set).toEqual(wanted === undefined ? [] : [wanted]);
    expect(grant).toEqual({ reported, before: wanted === undefined ? undefined : before });
  });

  test('of a real process, by the real call', () => {
    const child = spawn('sleep', ['1000']);
    onTestFinished(() => void child.kill('SIGKILL'));
    const pid = child.pid ?? 0;
    // Lowering needs no rights, so this runs as any user.
    prlimit(pid, RLIMIT_MEMLOCK, { soft: 0, hard: prlimit(pid, RLIMIT_MEMLOCK).hard });
    expect(raiseMemlock(pid, 4096, prlimit).reported).toBe(4096);
    expect(prlimit(pid, RLIMIT_MEMLOCK).soft).toBe(4096);
  });

  test('that may not be raised stays, and is not reported as raised', () => {
    const before: Rlimit = { soft: 8, hard: 8 };
    const forbidden: Prlimit = (_pid: number, _resource: number, limit?: Rlimit) => (limit === undefined ? before : (undefined as never));
    expect(raiseMemlock(1, MiB, forbidden)).toEqual({ reported: null, before: undefined });
    expect(() => restoreMemlock(1, before, forbidden)).toThrow('EPERM');
  });

  test('of a process that is gone cannot be set', () => {
    expect(() => raiseMemlock(0x3fff_fffe, MiB, prlimit)).toThrow(expect.objectContaining({ code: 'VFRING_ERR_LIMIT' }));
  });
});

// SPDX-License-Identifier: BSD-3-Clause
/** The addon's part for soft VFs, played: real files, and counters and states that a test sets. */
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Native, SoftVfState } from '../../src/native.js';

type FakeFile = { -readonly [K in keyof SoftVfState]: SoftVfState[K] } & { made: number };

export class FakeSoftVf implements Pick<Native, 'softvfCreate' | 'softvfShow' | 'softvfDestroy'> {
  readonly files = new Map<string, FakeFile>();
  readonly calls: string[][] = [];
  /** Set: every call of this kind fails so. */
  readonly failing = new Map<'create' | 'show' | 'destroy', NodeJS.ErrnoException>();
  /** Called with the file of each one that was made. */
  onCreate: (file: string) => void = () => {};

  file(path: string): FakeFile {
    const file = this.files.get(path);
    if (file === undefined) {
      throw new Error(`no soft VF ${path}`);
    }
    return file;
  }

  softvfCreate(dir: string, index: number, mac: string, mtu: number): void {
    const path = join(dir, `vf${index}`);
    this.#note('create', path);
    rmSync(path, { force: true });
    writeFileSync(path, '', { mode: 0o600 });
    this.files.set(path, { mac, mtu, open: false, made: (this.files.get(path)?.made ?? 0) + 1, rxFrames: 0, txFrames: 0, rxBytes: 0, txBytes: 0 });
    this.onCreate(path);
  }

  softvfShow(path: string): SoftVfState {
    this.#note('show', path);
    const file = this.files.get(path);
    if (file === undefined || !existsSync(path)) {
      throw systemError('ENOENT', `open '${path}'`);
    }
    return { ...file };
  }

  softvfDestroy(path: string): void {
    this.#note('destroy', path);
    rmSync(path);
    this.files.delete(path);
  }

  #note(command: 'create' | 'show' | 'destroy', path: string): void {
    this.calls.push([command, path]);
    const failure = this.failing.get(command);
    if (failure !== undefined) {
      throw failure;
    }
  }
}

export function systemError(code: string, what: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: ${what}`), { code });
}

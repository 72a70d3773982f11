// SPDX-License-Identifier: BSD-3-Clause
/** Soft VFs, played: real files, and counters and states that a test sets. */
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { VfringError } from '../../src/errors.js';
import type { VfCounters } from '../../src/model/vf.js';
import type { SoftVfTool } from '../../src/providers/soft/softvf-tool.js';

interface FakeFile {
  mac: string;
  mtu: number;
  model: string;
  state: 'free' | 'open';
  made: number;
  counters: VfCounters;
}

type Command = keyof SoftVfTool;

export class FakeSoftVf implements SoftVfTool {
  readonly files = new Map<string, FakeFile>();
  readonly calls: Command[] = [];
  /** Identity of the folder's switch. */
  segment = 'switch-1';
  /** Set: every run of this command fails with this text. */
  readonly failing = new Map<Command, string>();
  /** Called with the path of each file that is made. */
  onCreate: (file: string) => void = () => {};

  file(path: string): FakeFile {
    const file = this.files.get(path);
    if (file === undefined) {
      throw new Error(`no soft VF ${path}`);
    }
    return file;
  }

  create(dir: string, index: number, mac: string, mtu: number, model: string): void {
    this.#begin('create');
    const file = join(dir, `vf${index}`);
    rmSync(file, { force: true });
    writeFileSync(file, '', { mode: 0o600 });
    const made = (this.files.get(file)?.made ?? 0) + 1;
    this.files.set(file, { mac, mtu, model, state: 'free', made, counters: { rxFrames: 0, txFrames: 0, rxBytes: 0, txBytes: 0 } });
    this.onCreate(file);
  }

  show(path: string): ReturnType<SoftVfTool['show']> {
    this.#begin('show');
    const { mac, mtu, model, state, counters } = this.#present('show', path);
    return { mac, mtu, model, segment: this.segment, open: state === 'open', counters: { ...counters } };
  }

  destroy(path: string): void {
    this.#begin('destroy');
    this.#present('destroy', path);
    rmSync(path);
    this.files.delete(path);
  }

  #begin(command: Command): void {
    this.calls.push(command);
    const cause = this.failing.get(command);
    if (cause !== undefined) {
      throw new VfringError('VFRING_ERR_SOFTVF_FAILED', { command, cause });
    }
  }

  #present(command: Command, path: string): FakeFile {
    const file = this.files.get(path);
    if (file === undefined || !existsSync(path)) {
      throw new VfringError('VFRING_ERR_SOFTVF_FAILED', { command, cause: `${path}: not a soft VF` });
    }
    return file;
  }
}

// SPDX-License-Identifier: BSD-3-Clause
/** The tool vfring-softvf, played: real files, and counters and states that a test sets. */
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Exec, ExecResult } from '../../src/exec.js';

interface FakeFile {
  mac: string;
  mtu: number;
  state: 'free' | 'open';
  made: number;
  counters: { rx_frames: number; tx_frames: number; rx_bytes: number; tx_bytes: number; rx_dropped: number };
}

export class FakeSoftVf {
  readonly files = new Map<string, FakeFile>();
  readonly calls: string[][] = [];
  /** Set: every run of this command fails with this text. */
  readonly failing = new Map<string, string>();

  readonly exec: Exec = async (program, args) => {
    if (basename(program) !== 'vfring-softvf') {
      throw Object.assign(new Error(`spawn ${program} ENOENT`), { code: 'ENOENT' });
    }
    this.calls.push([...args]);
    const [command = ''] = args;
    const failure = this.failing.get(command);
    return failure === undefined ? this.#run(args) : { status: 1, stdout: '', stderr: `${failure}\n` };
  };

  file(path: string): FakeFile {
    const file = this.files.get(path);
    if (file === undefined) {
      throw new Error(`no soft VF ${path}`);
    }
    return file;
  }

  #run(args: readonly string[]): ExecResult {
    const [command, path = ''] = args;
    if (command === 'create') {
      const option = (name: string): string => args[args.indexOf(name) + 1] ?? '';
      const file = join(path, `vf${option('--index')}`);
      rmSync(file, { force: true });
      writeFileSync(file, '', { mode: 0o600 });
      this.files.set(file, {
        mac: option('--mac'),
        mtu: Number(option('--mtu')),
        state: 'free',
        made: (this.files.get(file)?.made ?? 0) + 1,
        counters: { rx_frames: 0, tx_frames: 0, rx_bytes: 0, tx_bytes: 0, rx_dropped: 0 },
      });
      return { status: 0, stdout: '', stderr: '' };
    }
    const file = this.files.get(path);
    if (file === undefined || !existsSync(path)) {
      return { status: 1, stdout: '', stderr: `vfring-softvf: ${path}: not a soft VF\n` };
    }
    if (command === 'destroy') {
      rmSync(path);
      this.files.delete(path);
      return { status: 0, stdout: '', stderr: '' };
    }
    const { mac, mtu, state, counters } = file;
    const shown = { index: 0, mac, mtu, state, owner_pid: 0, generation: 1, counters, details: {} };
    return { status: 0, stdout: `${JSON.stringify(shown)}\n`, stderr: '' };
  }
}

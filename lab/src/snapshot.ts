// SPDX-License-Identifier: BSD-3-Clause
/**
 * The machine as saved when it had booted and waited for its project (lab/guest/init):
 * resuming it takes a tenth of the time of booting.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { hashParts } from './content-hash.js';
import { type Emulator, machineArguments } from './emulator.js';
import { buildDir } from './paths.js';
import type { Prepared } from './prepare.js';
import type { Machine } from './qemu.js';

const FOLDER = 'snapshots';
/** Each is about 130 MB. */
const KEPT = 6;

export class Snapshot {
  readonly #file: string;

  private constructor(file: string) {
    this.#file = file;
  }

  /** The state that belongs to exactly this kernel, initramfs, Debian image and machine; the project is not part of it. */
  static of(prepared: Prepared, machine: Machine): Snapshot {
    const anyProject = { ...prepared, images: { ...prepared.images, project: '' } };
    return new Snapshot(path.join(FOLDER, `${hashParts({ machine: machineArguments(anyProject, machine) })}.state`));
  }

  get #path(): string {
    return path.join(buildDir, this.#file);
  }

  get exists(): boolean {
    return existsSync(this.#path);
  }

  /** Arguments of QEMU that make it load the state; relative to its working folder, whose name may hold any character. */
  get incoming(): string[] {
    return ['-incoming', `file:${this.#file}`];
  }

  /** Waits until a machine that was started with {@link incoming} is as it was saved, and can be told to `cont`. */
  async load(emulator: Emulator): Promise<void> {
    emulator.addToLog(readFileSync(`${this.#path}.log`, 'latin1'));
    const now = new Date();
    utimesSync(this.#path, now, now);
    for (;;) {
      const { status } = await emulator.monitor.execute('query-status') as { status: string };
      if (status !== 'inmigrate') {
        break;
      }
      await sleep(5);
    }
  }

  /** Saves a machine that waits, and lets it go on. */
  async save(emulator: Emulator): Promise<void> {
    mkdirSync(path.dirname(this.#path), { recursive: true });
    const unfinished = `${this.#file}.${process.pid}`;
    try {
      await emulator.monitor.execute('stop');
      // The default limit is that of a slow network.
      await emulator.monitor.execute('migrate-set-parameters', { 'max-bandwidth': 2 ** 40 });
      await emulator.monitor.execute('migrate', { uri: `file:${unfinished}` });
      for (;;) {
        const { status, 'error-desc': cause } = await emulator.monitor.execute('query-migrate') as { status: string; 'error-desc'?: string };
        if (status === 'completed') {
          break;
        }
        if (status === 'failed') {
          throw new Error(cause ?? 'unknown cause');
        }
        await sleep(5);
      }
      writeFileSync(`${this.#path}.log`, emulator.kernelLog, 'latin1');
      renameSync(path.join(buildDir, unfinished), this.#path);
    } finally {
      rmSync(path.join(buildDir, unfinished), { force: true });
      await emulator.monitor.execute('cont');
    }
    this.#sweep();
  }

  remove(): void {
    rmSync(this.#path, { force: true });
    rmSync(`${this.#path}.log`, { force: true });
  }

  /** Removes the states that were not used for longest, and what killed labs left unfinished. */
  #sweep(): void {
    const dir = path.dirname(this.#path);
    for (const name of readdirSync(dir)) {
      const writer = /\.state\.(\d+)$/.exec(name)?.[1];
      if (writer !== undefined && !existsSync(`/proc/${writer}`)) {
        rmSync(path.join(dir, name), { force: true });
      }
    }
    const states = readdirSync(dir).filter((name) => name.endsWith('.state'))
      .map((name) => ({ name, used: statSync(path.join(dir, name)).mtimeMs })).sort((a, b) => b.used - a.used);
    for (const { name } of states.slice(KEPT)) {
      new Snapshot(path.join(FOLDER, name)).remove();
    }
  }
}

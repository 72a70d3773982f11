// SPDX-License-Identifier: BSD-3-Clause
/** A node with soft VFs and a vfringd of its own, in a temporary folder. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nativeEnv, prefix } from './native.js';
import { StepError } from './steps.js';

export interface SoftNodeOptions {
  readonly vfs?: number;
  readonly mtu?: number;
}

/** How long vfringd may take to say that it is ready; generous, for slow machines. */
const READY_MS = 30_000;

export class SoftNode {
  readonly dir: string;
  readonly env: NodeJS.ProcessEnv;
  readonly config: string;
  #daemon: ChildProcess | undefined;

  constructor(readonly options: SoftNodeOptions = {}) {
    // Short: a socket's path has to fit into 107 bytes.
    this.dir = mkdtempSync(join(tmpdir(), 'vfring-'));
    this.env = nativeEnv(join(this.dir, 'run'));
    this.config = join(this.dir, 'vfringd.yaml');
    writeFileSync(this.config, [
      'version: 1',
      'provider:',
      '  soft:',
      `    dir: ${join(this.dir, 'soft')}`,
      `    vfs: ${options.vfs ?? 4}`,
      `    mtu: ${options.mtu ?? 9000}`,
      '',
    ].join('\n'));
  }

  async start(): Promise<void> {
    const daemon = spawn(join(prefix, 'sbin', 'vfringd'), ['--config', this.config, '--run-dir', join(this.dir, 'run')], {
      env: this.env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#daemon = daemon;
    let log = '';
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new StepError(`vfringd is not ready after ${READY_MS / 1000} s:\n${log}`)), READY_MS);
      const heard = (chunk: Buffer): void => {
        log += chunk.toString();
        if (/\bready\b/.test(log)) {
          clearTimeout(timer);
          resolve();
        }
      };
      daemon.stdout.on('data', heard);
      daemon.stderr.on('data', heard);
      daemon.once('error', reject);
      daemon.once('exit', (code) => {
        clearTimeout(timer);
        reject(new StepError(`vfringd ended with status ${code}:\n${log}`));
      });
    });
  }

  /** Stops the daemon and removes the folder. */
  async stop(): Promise<void> {
    const daemon = this.#daemon;
    this.#daemon = undefined;
    if (daemon && daemon.exitCode === null && daemon.signalCode === null) {
      daemon.kill('SIGTERM');
      await once(daemon, 'exit');
    }
    rmSync(this.dir, { recursive: true, force: true });
  }
}

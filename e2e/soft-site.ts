// SPDX-License-Identifier: BSD-3-Clause
/** A node with soft VFs and a vfringd of its own, in a temporary folder. */
import { accessSync, constants, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Running, run, type RunOptions, type RunResult } from './run.js';
import { ConfiguredSite, type DaemonOptions, type Site, type VfCounters, type VfNode } from './site.js';
import { nativeEnv, prefix, programs } from '../tools/native.js';

/** What six VFs take at most, their arenas full. */
const SOFT_BYTES = 6 * (32 << 20) + (1 << 20);

/** Where soft VFs belong: in memory, for on a disk each page that a frame touches is the file system's business, too. */
function memoryDir(): string {
  try {
    const { bavail, bsize } = statfsSync('/dev/shm');
    accessSync('/dev/shm', constants.W_OK);
    if (bavail * bsize >= SOFT_BYTES) {
      return '/dev/shm';
    }
  } catch {
    // not every container has one
  }
  return tmpdir();
}

interface SoftVfShow {
  readonly state: 'free' | 'open';
  readonly counters: { readonly rx_frames: number; readonly tx_frames: number; readonly rx_bytes: number; readonly tx_bytes: number };
  readonly details: { readonly violations: number };
}

export class SoftSite extends ConfiguredSite implements Site {
  readonly kind = 'soft';
  readonly counted = true;
  readonly daemonUid = process.getuid?.() ?? 0;
  readonly userUid = this.daemonUid;
  readonly openerUid = this.daemonUid;
  readonly programs = programs;
  readonly scratch: string;
  readonly #softDir: string;
  readonly #runDir: string;

  private constructor(readonly dir: string, softDir: string, readonly env: NodeJS.ProcessEnv) {
    super();
    this.scratch = join(dir, 'scratch');
    this.#softDir = softDir;
    this.#runDir = join(dir, 'run');
    mkdirSync(this.scratch);
  }

  static async create(): Promise<SoftSite> {
    // Short: a socket's path has to fit into 107 bytes.
    const dir = mkdtempSync(join(tmpdir(), 'vfring-'));
    return new SoftSite(dir, mkdtempSync(join(memoryDir(), 'vfring-soft-')), await nativeEnv(join(dir, 'run')));
  }

  remove(): void {
    rmSync(this.#softDir, { recursive: true, force: true });
    rmSync(this.dir, { recursive: true, force: true });
  }

  protected provider(options: DaemonOptions): readonly string[] {
    return ['  soft:', `    dir: ${this.#softDir}`, `    vfs: ${options.vfs ?? 4}`, `    mtu: ${options.mtu ?? 9000}`];
  }

  protected write(config: string): string {
    const file = join(this.dir, 'vfringd.yaml');
    writeFileSync(file, config);
    return file;
  }

  protected daemon(file: string): { readonly argv: readonly string[]; readonly env: NodeJS.ProcessEnv } {
    return { argv: [join(prefix, 'sbin', 'vfringd'), '--config', file, '--run-dir', this.#runDir], env: this.env };
  }

  async admin(argv: readonly string[], options: RunOptions = {}): Promise<RunResult> {
    return await run(argv, { env: this.env, ...options });
  }

  user(argv: readonly string[], options: RunOptions = {}): Running {
    return new Running(argv, { env: this.env, ...options });
  }

  #files(): string[] {
    return existsSync(this.#softDir)
      ? readdirSync(this.#softDir).filter((name) => /^vf\d+$/.test(name)).map((name) => join(this.#softDir, name))
      : [];
  }

  async #show(path: string): Promise<SoftVfShow> {
    const { status, stdout, stderr } = await this.admin([join(programs, 'vfring-softvf'), 'show', path]);
    if (status !== 0) {
      throw new Error(`vfring-softvf show ${path}: ${stderr}`);
    }
    return JSON.parse(stdout) as SoftVfShow;
  }

  async nodes(): Promise<readonly VfNode[]> {
    return await Promise.all(this.#files().map(async (path) => {
      const { uid, mode } = statSync(path);
      // A soft VF pins nothing.
      const { state, details } = await this.#show(path);
      return { path, uid, mode: mode & 0o7777, state, dmaLiveBytes: 0, brokenRules: details.violations };
    }));
  }

  async sent(): Promise<ReadonlyMap<string, number>> {
    return new Map([...(await this.counters())].map(([path, { txFrames }]) => [path, txFrames]));
  }

  async counters(): Promise<ReadonlyMap<string, VfCounters>> {
    const all = await Promise.all(this.#files().map(async (path) => {
      const { counters: c } = await this.#show(path);
      return [path, { txFrames: c.tx_frames, rxFrames: c.rx_frames, txBytes: c.tx_bytes, rxBytes: c.rx_bytes }] as const;
    }));
    return new Map(all);
  }
}

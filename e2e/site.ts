// SPDX-License-Identifier: BSD-3-Clause
/**
 * Where the end-to-end tests run. The same tests run on soft VFs on this
 * machine and, inside the emulated machine, on real VFs.
 */
import assert from 'node:assert/strict';
import { Running, eventually, run, type RunOptions, type RunResult } from './run.js';

/** The device node (or file) of one VF, as the system shows it. */
export interface VfNode {
  readonly path: string;
  readonly uid: number;
  /** Permission bits. */
  readonly mode: number;
  readonly state: 'free' | 'open' | 'gone';
  /** Bytes registered for DMA now. */
  readonly dmaLiveBytes: number;
  /** Rules of the hardware that drivers have broken; only a soft VF tells. */
  readonly brokenRules?: number;
}

/** Totals of the VF's own hardware counters (32 bits; they wrap). */
export interface VfCounters {
  readonly txFrames: number;
  readonly rxFrames: number;
  readonly txBytes: number;
  readonly rxBytes: number;
}

export interface DaemonOptions {
  readonly vfs?: number;
  readonly mtu?: number;
  readonly spread?: 'pf' | 'pack';
  readonly dmaPerVf?: string;
  readonly memlock?: string;
  /** VFs of a process that does not say how many, at most; 1 unless a test is about several. */
  readonly rails?: number;
}

/** A vfringd under way. */
export interface Daemon {
  readonly running: Running;
  stop(): Promise<RunResult>;
}

export interface Site {
  readonly kind: 'soft' | 'sriov';
  /** Whether counters() has what VFs carry. VFIO gives a VF's registers to its process alone, and resets the VF after it. */
  readonly counted: boolean;
  /** Uid of the daemon: VFs that nobody has leased belong to it. */
  readonly daemonUid: number;
  /** Uid of the MPI user. */
  readonly userUid: number;
  /** Whose the nodes of leased VFs are: the MPI user's, or the daemon's, if that opens them for it. */
  readonly openerUid: number;
  /** Folder with the MPI test programs. */
  readonly programs: string;
  /** A folder that the MPI user may write; gone after the tests. */
  readonly scratch: string;
  /** Text of a configuration. */
  config(options: DaemonOptions): string;
  /** Writes the configuration file of vfringd, which goes on as it is. Returns the file. */
  configure(options: DaemonOptions): string;
  /** Starts vfringd and waits until it is ready. */
  startDaemon(options?: DaemonOptions): Promise<Daemon>;
  /** Starts vfringd on a configuration's text; it is expected to end by itself. */
  tryDaemon(config: string, timeoutS?: number): Promise<RunResult>;
  /** Runs a program as the daemon's user. */
  admin(argv: readonly string[], options?: RunOptions): Promise<RunResult>;
  /** Starts a program as the unprivileged MPI user. */
  user(argv: readonly string[], options?: RunOptions): Running;
  nodes(): Promise<readonly VfNode[]>;
  /** By path of the node. */
  counters(): Promise<ReadonlyMap<string, VfCounters>>;
  /** Frames sent so far: by each VF, under the path of its node; where those are not counted by all VFs of each PF, under its name. */
  sent(): Promise<ReadonlyMap<string, number>>;
}

/** A limit against hanging only: machines that run this may be slow and busy. */
const READY_S = 180;
const TRY_S = 120;

/** How a site configures its vfringd and starts it. */
export abstract class ConfiguredSite {
  /** Lines below `provider:`. */
  protected abstract provider(options: DaemonOptions): readonly string[];
  /** Puts a configuration where this vfringd finds it. Returns the file. */
  protected abstract write(config: string): string;
  /** @param file that write() returned */
  protected abstract daemon(file: string): { readonly argv: readonly string[]; readonly env?: NodeJS.ProcessEnv };

  config(options: DaemonOptions): string {
    return [
      'version: 1',
      'provider:',
      ...this.provider(options),
      `spread: ${options.spread ?? 'pf'}`,
      `rails: ${options.rails ?? 1}`,
      'limits:',
      `  dma_per_vf: ${options.dmaPerVf ?? '64MiB'}`,
      `  memlock: ${options.memlock ?? '128MiB'}`,
      '',
    ].join('\n');
  }

  configure(options: DaemonOptions): string {
    return this.write(this.config(options));
  }

  async startDaemon(options: DaemonOptions = {}): Promise<Daemon> {
    const { argv, env } = this.daemon(this.configure(options));
    return await startVfringd(argv, env);
  }

  async tryDaemon(config: string, timeoutS = TRY_S): Promise<RunResult> {
    const { argv, env } = this.daemon(this.write(config));
    return await run(argv, { ...(env && { env }), timeoutS });
  }
}

/** Starts a vfringd and waits until it is ready. */
export async function startVfringd(argv: readonly string[], env?: NodeJS.ProcessEnv): Promise<Daemon> {
  const running = new Running(argv, { ...(env && { env }), timeoutS: 86400 });
  await running.until('vfringd is ready', () => running.stdout.includes('vfringd ready'), READY_S);
  return {
    running,
    stop: async () => {
      running.child.kill('SIGTERM');
      return await running.done;
    },
  };
}

/** The unprivileged user's run of a program, to its end. */
export async function asUser(site: Site, argv: readonly string[], options?: RunOptions): Promise<RunResult> {
  return await site.user(argv, options).done;
}

/**
 * Waits until `vfs` VFs have sent more than `frames` each, from now on: where VFs are not counted, until each PF has.
 * The VFs must be on all of them then.
 */
export async function messagesFlow(site: Site, job: Running, what: string, vfs: number, frames = 20): Promise<void> {
  const before = await site.sent();
  await job.until(what, async () =>
    [...(await site.sent())].filter(([from, sent]) => sent > (before.get(from) ?? 0) + frames).length === (site.counted ? vfs : before.size));
}

/** Every VF back with the daemon, 0600, closed, with nothing registered, and driven by the rules. */
export async function allReturned(site: Site): Promise<void> {
  await eventually('every VF is back with the daemon, closed, nothing registered', async () =>
    (await site.nodes()).every((node) =>
      node.uid === site.daemonUid && node.mode === 0o600 && node.state === 'free' && node.dmaLiveBytes === 0));
  for (const { path, brokenRules } of await site.nodes()) {
    assert.equal(brokenRules ?? 0, 0, `the driver broke rules of the hardware on ${path}`);
  }
}

/** How many leases have ended in each way since vfringd started, by its own count. */
export async function leasesEnded(site: Site): Promise<Readonly<Record<string, number>>> {
  const { status, stdout, stderr } = await site.admin(['vfring', 'metrics']);
  assert.equal(status, 0, stdout + stderr);
  const lines = [...stdout.matchAll(/^vfring_leases_ended_total\{reason="([^"]+)"\} (\d+)$/gm)];
  return Object.fromEntries(lines.map(([, reason, count]) => [reason, Number(count)]).filter(([, count]) => count !== 0));
}

/** A plain mpirun that asks for vfring and nothing else but loopback to itself. */
export const mpirun = (ranks: number, ...program: string[]): string[] =>
  ['mpirun', '-n', String(ranks), '--oversubscribe', '--mca', 'pml', 'ob1', '--mca', 'btl', 'self,vfring', ...program];

export const vfringRun = (ranks: number, ...program: string[]): string[] =>
  ['vfring', 'run', '--local', 'vf', '-n', String(ranks), '--oversubscribe', '--', ...program];

export { run };

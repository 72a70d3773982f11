// SPDX-License-Identifier: BSD-3-Clause
/** `vfring doctor --hardware`: the test of doctor/hardware.ts on this node, and the report that can be sent in. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import os, { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { ApiClient } from '../api/client.js';
import type { StatusView } from '../api/views.js';
import { conditionsHere, readText, type Fact } from '../bench/conditions.js';
import type { Report } from '../doctor/check.js';
import { testHardware, whyNot, type HardwareTools, type Ran, type StepResult } from '../doctor/hardware.js';
import { EXIT, VfringError, causeText } from '../errors.js';
import { failureText, type Exec } from '../exec.js';
import { componentPath, findOpenMpi, type OpenMpi } from '../mpi/open-mpi.js';
import { libexecDir, prefix, version } from '../paths.js';
import { deviceDir } from '../providers/sriov/observe.js';
import type { Sysfs } from '../providers/sriov/sysfs.js';
import { out, say } from './output.js';

export interface HardwareOptions {
  readonly minutes: number;
  readonly output: string | undefined;
  readonly mpirun: string;
  readonly json: boolean;
}

interface HardwareReport {
  readonly what: 'vfring hardware report';
  readonly version: 1;
  readonly at: string;
  /** Plain words, first of all for who reads it. */
  readonly verdict: string;
  readonly conditions: readonly Fact[];
  readonly cards: readonly (readonly Fact[])[];
  readonly doctor: readonly Report[];
  readonly steps: readonly StepResult[];
}

interface Context {
  readonly api: ApiClient;
  readonly exec: Exec;
  readonly sysfs: Sysfs;
  readonly env: NodeJS.ProcessEnv;
}

/** Of a step that has no length of its own. Against hanging only. */
const STEP_S = 1800;
const TAIL = 4000;
const ENDING = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;
/** Lines of the kernel's log that have to do with it. */
const OF_INTEREST = /uio_vf|vfio|\bigb|ixgbe|DMAR|AMD-Vi|iommu|BUG:|WARNING:|Oops|call trace/i;

/** Returns the exit status. Throws where there is nothing to test. */
export async function hardware(doctor: readonly Report[], options: HardwareOptions, context: Context): Promise<number> {
  const { env } = context;
  if (process.getuid?.() === 0 && env['OMPI_ALLOW_RUN_AS_ROOT'] === undefined) {
    throw new VfringError('VFRING_ERR_USAGE', { what: 'doctor --hardware runs MPI, which root may not', remedy: 'run it as a user who may lease VFs; vfring doctor alone is for root' });
  }
  const { api, exec } = context;
  const status = await api.status();
  const trouble = whyNot(status.vfs);
  if (trouble !== undefined) {
    throw new VfringError('VFRING_ERR_NO_FREE_VF', { what: trouble });
  }
  const mpi = await findOpenMpi(options.mpirun, exec);
  const path = componentPath(mpi, prefix, env);
  const file = options.output ?? `vfring-hardware-${new Date().toISOString().replace(/[:.]/g, '-').slice(0, 19)}.json`;
  // Not after twenty minutes.
  write(file, '');
  const stop = new AbortController();
  let by: NodeJS.Signals | undefined;
  const listeners = ENDING.map((name) => [name, (): void => {
    by ??= name;
    stop.abort();
  }] as const);
  listeners.forEach(([name, listener]) => process.on(name, listener));
  const folder = mkdtempSync(join(tmpdir(), 'vfring-hardware-'));
  try {
    const steps = await testHardware(options.minutes, toolsOf({ ...context, env: { ...env, ...path } }, mpi, join(folder, 'over'), { limitMs: (STEP_S + 60 * options.minutes) * 1000, signal: stop.signal }));
    const report: HardwareReport = {
      what: 'vfring hardware report', version: 1, at: new Date().toISOString(), verdict: verdictOf(steps, status),
      // Nor are names of hosts or MACs in what programs and the kernel said: see below.
      conditions: conditionsHere({ mpi, release: version(), ranks: 2, placing: 'as mpirun places them' }).filter(([name]) => name !== 'host'),
      cards: await cardsOf(status, context), doctor, steps,
    };
    const text = withoutNames(JSON.stringify(report, null, 1));
    write(file, `${text}\n`);
    out(options.json ? text : `${report.verdict}\nreport: ${file}`);
    return steps.some(({ verdict }) => verdict === 'fail') ? EXIT.UNAVAILABLE : EXIT.OK;
  } catch (error) {
    if (by !== undefined) {
      return 128 + os.constants.signals[by];
    }
    throw error;
  } finally {
    listeners.forEach(([name, listener]) => process.off(name, listener));
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Neither the host's name nor MACs are anybody's business; programs and the kernel's log may have them. */
export function withoutNames(text: string, host = os.hostname()): string {
  const [short = ''] = host.split('.');
  const names = [host, short].filter((name) => name !== '').map((name) => name.replace(/[^A-Za-z0-9-]/g, '\\$&'));
  return text.replace(new RegExp(`(?<![A-Za-z0-9-])(?:${names.join('|')})(?![A-Za-z0-9-])`, 'g'), 'HOST').replace(/\b[0-9a-f]{2}(?::[0-9a-f]{2}){5}\b/gi, 'MAC');
}

function verdictOf(steps: readonly StepResult[], status: StatusView): string {
  const failed = steps.filter(({ verdict }) => verdict === 'fail').length;
  const on = status.provider === 'soft' ? 'soft VFs, which are software: this says nothing of a card' : `VFs of ${[...new Set(status.vfs.map(({ pf }) => pf))].join(', ')}`;
  const unknown = steps.filter(({ verdict }) => verdict === 'unknown').length;
  const unseen = unknown === 0 ? '' : `, ${unknown} could not be looked at`;
  return `${failed === 0 ? `all ${steps.length - unknown} steps went well` : `${failed} of ${steps.length} steps failed`}${unseen}, on ${on}`;
}

function write(file: string, text: string): void {
  try {
    writeFileSync(file, text);
  } catch (error) {
    throw new VfringError('VFRING_ERR_BENCH_OUTPUT', { file, cause: causeText(error), remedy: 'write elsewhere: --output /some/other/folder/FILE' }, { cause: error });
  }
}

function toolsOf({ api, exec, env }: Context, mpi: OpenMpi, endFile: string, { limitMs, signal }: Pick<RunOptions, 'limitMs' | 'signal'>): HardwareTools {
  const began = Date.now();
  return {
    api, endFile, signal,
    kill: (pid) => void process.kill(pid, 'SIGKILL'),
    endEndless: () => writeFileSync(endFile, ''),
    run: async (job, mpiOptions, [program, ...args], during) => {
      rmSync(endFile, { force: true });
      return await run([mpi.mpirun, '-n', '2', '--oversubscribe', '--mca', 'pml', 'ob1', '--mca', 'btl', 'self,vfring', ...mpiOptions, join(libexecDir(env), program), ...args],
        { env: { ...env, VFRING_JOB: job }, limitMs, signal, during });
    },
    kernelLog: async () => {
      const result = await exec('dmesg', ['--time-format', 'iso']).catch(() => undefined);
      return result?.status !== 0 ? undefined : result.stdout.split('\n').filter((line) => OF_INTEREST.test(line) && Date.parse((line.split(' ')[0] ?? '').replace(',', '.')) >= began);
    },
    progress: ({ step, verdict, cause, seconds, output }) => {
      say(`${verdict === 'ok' ? 'ok     ' : verdict === 'fail' ? 'FAIL   ' : 'unknown'}  ${step}: ${cause} (${seconds.toFixed(0)} s)`);
      if (verdict === 'fail' && output !== '') {
        say(output);
      }
    },
  };
}

interface RunOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly limitMs: number;
  readonly signal: AbortSignal;
  readonly during: ((over: () => boolean) => Promise<void>) | undefined;
}

async function run(argv: readonly [string, ...string[]], { env, limitMs, signal, during }: RunOptions): Promise<Ran> {
  const [program, ...args] = argv;
  const start = performance.now();
  // A group of its own, to be ended whole.
  const child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  let tail = '';
  let ended = false;
  const add = (text: string): void => void (tail = (tail + text).slice(-TAIL));
  child.stdout.setEncoding('utf8').on('data', add);
  child.stderr.setEncoding('utf8').on('data', add);
  const timer = setTimeout(() => {
    try {
      process.kill(-(child.pid as number), 'SIGKILL');
    } catch {
      // All of them have ended.
    }
  }, limitMs);
  // mpirun ends its ranks then.
  const end = (): void => void child.kill('SIGTERM');
  signal.addEventListener('abort', end);
  const done = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (status) => resolve(status));
  }).finally(() => {
    ended = true;
    clearTimeout(timer);
    signal.removeEventListener('abort', end);
  });
  const [status] = await Promise.all([done, during?.(() => ended)]);
  return { status, seconds: (performance.now() - start) / 1000, tail };
}

/** What each PF is, and its VFs. */
async function cardsOf(status: StatusView, { sysfs, exec }: Context): Promise<Fact[][]> {
  const pfs = [...new Set(status.vfs.map(({ pf }) => pf))];
  return await Promise.all(pfs.map(async (pf): Promise<Fact[]> => {
    const vfs = status.vfs.filter((vf) => vf.pf === pf);
    const [first] = vfs;
    if (status.provider === 'soft' || first === undefined) {
      return [['PF', pf], ['VFs', `${vfs.length} soft VFs of model ${first?.model ?? 'unknown'}`]];
    }
    const vf = deviceDir(first.name);
    const ids = async (dir: string): Promise<string> => (await Promise.all(['vendor', 'device', 'subsystem_vendor', 'subsystem_device', 'revision'].map((name) => sysfs.read(`${dir}/${name}`)))).join(' ');
    const driver = await exec('ethtool', ['-i', pf]).catch(() => undefined);
    return [
      ['PF', pf],
      ['ids (vendor, device, subsystem vendor, subsystem device, revision)', await ids(`class/net/${pf}/device`)],
      ['driver of the PF', driver === undefined ? 'unknown: there is no ethtool' : driver.status === 0 ? driver.stdout.replace(/^(expansion-rom|bus-info|supports)-?.*$/gm, '').trim().replace(/\n+/g, '; ') : failureText(driver)],
      ['speed, Mb/s', (await sysfs.read(`class/net/${pf}/speed`)) ?? 'unknown'],
      ['VFs', `${vfs.length}, MTU ${first.mtu}`],
      ['ids of a VF', await ids(vf)],
      ['driver of a VF', driverOf(join(sysfs.root, vf, 'driver'))],
      ['kernel command line, IOMMU', (readText('/proc/cmdline') ?? '').split(/\s+/).filter((word) => /iommu/.test(word)).join(' ') || 'nothing'],
    ];
  }));
}

function driverOf(link: string): string {
  try {
    return basename(readlinkSync(link));
  } catch {
    return 'none';
  }
}


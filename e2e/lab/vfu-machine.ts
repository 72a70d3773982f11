// SPDX-License-Identifier: BSD-3-Clause
/** An emulated machine whose PCI functions are soft VFs of this one: served by lab/vfu, driven by what the guest has for such cards. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { Guest, type Job, type JobResult } from '../../lab/src/guest.js';
import { kernelFaults } from '../../lab/src/kernel-log.js';
import { lineReader } from '../../lab/src/lines.js';
import { prepare } from '../../lab/src/prepare.js';
import type { PartName } from '../../lab/src/project.js';
import { backportsQemu } from '../../lab/src/qemu-release.js';
import { programs } from '../../tools/native.js';
import { buildDir } from '../../tools/steps.js';

const SERVER = join(buildDir, 'native', 'lab', 'vfu', 'vfring-vfu');

export type Model = '82576' | '82599' | 'x540';
export type Order = 'link down' | 'link up' | 'pf down' | 'pf up';

/** A served function, and what its model has said of the driver so far. */
class Served {
  said = '';
  private readonly nextLine: () => Promise<string>;

  constructor(readonly file: string, readonly mac: string, readonly socket: string, private readonly server: ChildProcessWithoutNullStreams) {
    server.stderr.on('data', (chunk: Buffer) => {
      this.said += chunk.toString();
      process.stderr.write(chunk);
    });
    this.nextLine = lineReader(server.stdout);
  }

  /** Done when this resolves. */
  async order(order: Order): Promise<void> {
    this.server.stdin.write(`${order}\n`);
    const done = await this.nextLine();
    if (done !== order) {
      throw new Error(`vfring-vfu said '${done}' to '${order}'`);
    }
  }

  /** What `vfring-softvf show` prints. */
  async show(): Promise<{ counters: Record<string, number>; details: Record<string, number> }> {
    return JSON.parse((await execa(join(programs, 'vfring-softvf'), ['show', this.file])).stdout);
  }

  async stop(): Promise<void> {
    if (this.server.exitCode === null && this.server.signalCode === null) {
      const ended = once(this.server, 'exit');
      this.server.kill('SIGTERM');
      await ended;
    }
  }
}

export interface VfuMachine {
  guest: Guest;
  functions: readonly Served[];
  /** Runs a shell script in the guest, with output shown; throws unless its status is 0. */
  sh(script: string, ...args: string[]): Promise<string>;
  exec(job: Job): Promise<JobResult>;
}

export interface VfuOptions {
  /** One function each. */
  models: readonly Model[];
  parts?: readonly PartName[];
  append?: string;
  timeoutS?: number;
  memoryMiB?: number;
  /** Faults in the kernel's log that the work provokes. */
  provokes?: RegExp;
}

async function serve(dir: string, index: number, model: Model): Promise<Served> {
  const mac = `02:76:66:00:00:0${index}`;
  await execa(join(programs, 'vfring-softvf'), ['create', dir, '--index', String(index), '--mac', mac, '--mtu', '9000', '--model', model]);
  const [file, socket] = [join(dir, `vf${index}`), join(dir, `socket${index}`)];
  // The kernel ends it when we die, however that happens.
  const served = new Served(file, mac, socket, spawn('setpriv', ['--pdeathsig', 'TERM', SERVER, '--vf', file, '--socket', socket, '--orders']));
  while (!existsSync(socket)) {
    if (served.said !== '') {
      throw new Error(served.said);
    }
    await sleep(20);
  }
  return served;
}

/** Runs `work` with a machine that has these functions; all is gone afterwards. Faults in the kernel's log are failures. */
export async function withVfuMachine<T>(options: VfuOptions, work: (machine: VfuMachine) => Promise<T>): Promise<T> {
  const dir = mkdtempSync('/dev/shm/vfring-vfu-');
  const functions: Served[] = [];
  let guest: Guest | undefined;
  try {
    for (const [index, model] of options.models.entries()) {
      functions.push(await serve(dir, index, model));
    }
    const prepared = await prepare(options.parts ?? []);
    guest = await Guest.boot({
      prepared: { ...prepared, qemu: await backportsQemu(prepared.rootfs) },
      machine: { pfs: 0, functions: functions.map(({ socket }) => socket), append: options.append ?? '', ...(options.memoryMiB === undefined ? {} : { memoryMiB: options.memoryMiB }) },
      timeoutS: options.timeoutS ?? 3600,
    });
    const running = guest;
    const result = await work({
      guest,
      functions,
      exec: (job) => running.exec(job),
      sh: async (script, ...args) => {
        const { status, stdout, stderr } = await running.exec({ argv: ['sh', '-ec', script, 'sh', ...args] });
        if (status !== 0) {
          throw new Error(`status ${status} of\n${script}\n${stdout}${stderr}\nthe end of the kernel's log:\n${running.consoleLog.split('\n').slice(-30).join('\n')}`);
        }
        return stdout;
      },
    });
    const faults = kernelFaults(guest.consoleLog).filter((line) => options.provokes?.test(line) !== true);
    if (faults.length > 0) {
      throw new Error(`the kernel log has warnings:\n${faults.join('\n')}`);
    }
    return result;
  } finally {
    await guest?.close();
    await Promise.all(functions.map((served) => served.stop()));
    rmSync(dir, { recursive: true, force: true });
  }
}

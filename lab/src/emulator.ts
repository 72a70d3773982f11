// SPDX-License-Identifier: BSD-3-Clause
/** One QEMU process, the sockets to it, and how it can be lost. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream, existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, type WriteStream } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Duplex } from 'node:stream';
import { LabError, EXIT_STATUS } from './errors.js';
import { tscKhz } from './host-clock.js';
import { buildDir, consoleLogOf } from './paths.js';
import type { Prepared } from './prepare.js';
import { type Machine, type Port, FDS, qemuArguments } from './qemu.js';
import { labQemu } from './qemu-release.js';
import { Qmp } from './qmp.js';

/** Command line of QEMU for a machine; also what says which machine a saved state belongs to. */
export function machineArguments(prepared: Prepared, machine: Machine): string[] {
  const { share } = prepared.qemu ?? labQemu(prepared.rootfs);
  return qemuArguments(machine, prepared.images, share, tscKhz(readFileSync('/proc/cpuinfo', 'latin1')));
}

/** Interrupt controllers and registers of every processor: enough to see which interrupt a halted guest misses. */
const MONITOR_QUESTIONS = ['info status', 'info cpus', 'info lapic 0', 'info lapic 1', 'info pic', 'info irq', 'info registers -a'];
const MONITOR_LIMIT_MS = 2000;

function describeThreads(pid: number | undefined): string {
  const tasks = `/proc/${pid}/task`;
  try {
    return readdirSync(tasks).map((thread) => {
      const [name, wchan, stat] = ['comm', 'wchan', 'schedstat'].map((file) => readFileSync(`${tasks}/${thread}/${file}`, 'latin1').trim());
      return `thread ${thread} (${name}): waits in ${wchan}; ns run, ns waited for a processor, times run: ${stat}`;
    }).join('\n');
  } catch (error) {
    return `QEMU's threads cannot be read: ${(error as Error).message}`;
  }
}

const liveLog = (pid: number | undefined): string => path.join(buildDir, `console-${pid}.log`);

/** Removes the logs of labs that were killed. */
function sweepLogs(): void {
  for (const name of readdirSync(buildDir)) {
    const pid = /^console-(\d+)\.log$/.exec(name)?.[1];
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) {
      rmSync(path.join(buildDir, name), { force: true });
    }
  }
}

export class Emulator {
  /** All that the guest's kernel has printed so far. */
  kernelLog = '';
  /** For the text of errors: whether the guest came as far as running jobs. */
  booted = false;
  readonly monitor: Qmp;
  /** Never resolves; rejects when QEMU ended or {@link lose} was called. To be raced with all waiting. */
  readonly lost: Promise<never>;
  /** Gives the machine up: all who wait for it get `error`. The first call counts. */
  lose!: (error: Error) => void;
  readonly #exited: Promise<void>;
  readonly #logFile: WriteStream;
  #qemuErrors = '';
  #ended = false;

  /**
   * @param extra more arguments of QEMU, such as `-incoming`
   * @param host name of the machine where there are several
   */
  static start(prepared: Prepared, machine: Machine, extra: readonly string[] = [], host?: string): Emulator {
    mkdirSync(buildDir, { recursive: true });
    sweepLogs();
    const qemu = prepared.qemu ?? labQemu(prepared.rootfs);
    const command = qemu.command(...machineArguments(prepared, machine), ...extra);
    // Node makes socket pairs of these pipes. The kernel ends QEMU when we die, however that happens.
    const count = Math.max(...Object.values(FDS)) + 1;
    const stdio = Array.from({ length: count }, (_, fd) => (fd < 2 ? 'ignore' as const : 'pipe' as const));
    return new Emulator(spawn('setpriv', ['--pdeathsig', 'KILL', ...command], {
      stdio,
      cwd: buildDir,
      // Ctrl-C on the terminal is for us; we end QEMU.
      detached: true,
      env: { ...process.env, QEMU_MODULE_DIR: qemu.modules },
    }), host);
  }

  readonly #qemu: ChildProcess;
  private constructor(qemu: ChildProcess, readonly host: string | undefined) {
    this.#qemu = qemu;
    this.lost = new Promise((_, reject) => {
      this.lose = reject;
    });
    // Somebody may be waiting for it only later.
    this.lost.catch(() => undefined);
    this.monitor = new Qmp(this.port('monitor'));
    // Under a name of its own while it grows: several labs may run at once.
    this.#logFile = createWriteStream(liveLog(qemu.pid));
    this.port('console').on('data', (chunk: Buffer) => this.addToLog(chunk.toString('latin1')));
    qemu.stderr!.on('data', (chunk: Buffer) => {
      this.#qemuErrors += chunk.toString();
    });
    for (const stream of qemu.stdio) {
      // A socket that breaks because QEMU died: its exit is what gets reported.
      stream?.on('error', () => undefined);
    }
    this.#exited = new Promise((resolve) => {
      qemu.on('error', (error) => {
        this.lose(new LabError('VFRING_ERR_LAB_HOST', `cannot start QEMU: ${error.message}`, 'apt-get install util-linux (setpriv)'));
        resolve();
      });
      qemu.on('close', (code, signal) => {
        this.lose(this.lostError(signal ?? `exit status ${code}`, signal !== null));
        resolve();
      });
    });
  }

  /** Where the kernel log is when the machine has ended. */
  get logPath(): string {
    return consoleLogOf(this.host);
  }

  /** The machine in the text of messages. */
  get title(): string {
    return this.host ?? 'the guest';
  }

  /** Undefined when QEMU could not be started. */
  get pid(): number | undefined {
    return this.#qemu.pid;
  }

  port(name: Port): Duplex {
    return this.#qemu.stdio[FDS[name] as 3] as unknown as Duplex;
  }

  /** What QEMU knows of the machine, and this machine of QEMU's threads, as text. Never fails. */
  async describe(): Promise<string> {
    const threads = describeThreads(this.pid);
    const ask = async (line: string): Promise<string> => {
      const answer = this.monitor.execute('human-monitor-command', { 'command-line': line }).catch((error: Error) => error.message);
      return `(qemu) ${line}\n${await Promise.race([answer, sleep(MONITOR_LIMIT_MS, 'no answer')])}`;
    };
    const answers: string[] = [];
    for (const line of MONITOR_QUESTIONS) {
      answers.push(await ask(line));
    }
    return [threads, ...answers].map((text) => `${String(text).replaceAll('\r', '').trimEnd()}\n`).join('\n');
  }

  /** Has the guest's kernel log the stack of every task, by a magic SysRq on its serial line. Never fails. */
  async logTasks(): Promise<void> {
    const [request, limitMs] = ['t', 5000];
    try {
      await Promise.race([this.monitor.execute('chardev-send-break', { id: 'console' }), sleep(limitMs)]);
      this.port('console').write(request);
      await sleep(limitMs);
    } catch {
      // QEMU has ended: there is nobody to ask.
    }
  }

  addToLog(text: string): void {
    this.kernelLog += text;
    this.#logFile.write(text, 'latin1');
  }

  /** @param emulatorFault whether QEMU is to blame, rather than what runs in it */
  lostError(cause: string, emulatorFault = false): LabError {
    const tail = (text: string): string => text.trimEnd().split('\n').slice(-30).map((line) => `  | ${line.trimEnd()}`).join('\n');
    const what = emulatorFault ? `QEMU failed while ${this.title} ${this.booted ? 'ran' : 'booted'}`
      : this.booted ? `${this.title} ended by itself` : `${this.title} did not boot`;
    return new LabError(
      emulatorFault ? 'VFRING_ERR_LAB_EMULATOR' : this.booted ? 'VFRING_ERR_LAB_GUEST_LOST' : 'VFRING_ERR_LAB_BOOT',
      `${what} (${cause})\n`
      + `${this.#qemuErrors.trim() === '' ? '' : `  QEMU says:\n${tail(this.#qemuErrors)}\n`}`
      + `  the end of the guest's kernel log:\n${tail(this.kernelLog)}`,
      emulatorFault ? `run it again: this is a fault of QEMU, not of what it runs; the kernel log is ${this.logPath}`
        : `the whole kernel log is ${this.logPath}`,
      EXIT_STATUS.lab, this.kernelLog);
  }

  /** Ends QEMU at once: nothing in the guest is meant to last. */
  async end(): Promise<void> {
    if (!this.#ended) {
      this.#ended = true;
      this.#qemu.kill('SIGKILL');
      await this.#exited;
      await new Promise<void>((resolve) => {
        this.#logFile.end(resolve);
      });
      renameSync(this.#logFile.path, this.logPath);
    }
  }
}

// SPDX-License-Identifier: BSD-3-Clause
// A running guest: boot, jobs, results, end. Test drivers import this.
import {randomBytes} from 'node:crypto';
import {createWriteStream, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, type WriteStream} from 'node:fs';
import path from 'node:path';
import type {Duplex, Readable} from 'node:stream';
import {type ChildProcess, spawn} from 'node:child_process';
import {execa} from 'execa';
import {LabError, exitStatus} from './errors.js';
import {LineReader} from './line-reader.js';
import {MarkerStream} from './marker-stream.js';
import {buildDir, consoleLog} from './paths.js';
import {type Prepared, prepare} from './prepare.js';
import {say} from './progress.js';
import type {PartName} from './project.js';
import {type Machine, defaultMachine, portFds, qemuArguments, ttyFd} from './qemu.js';
import {shellQuote} from './shell-quote.js';

/** The guest needs 3 seconds; a loaded machine many times that. */
const bootLimitMs = 300_000;
/**
 * QEMU can lose a timer interrupt of a guest that boots on an overloaded machine. The
 * kernel then says so and waits for ever; another boot is the only cure.
 */
const lostTimer = /kthread timer wakeup didn't happen|rcu_preempt detected stalls/;
/** Each fault of QEMU itself was seen about once in 100 boots, at 5 runnable threads a core. */
const bootAttempts = 3;
export const defaultTimeoutS = 1800;

export interface BootOptions {
  machine?: Partial<Machine>;
  /** Parts of the project to build anew when their sources changed; all by default. */
  parts?: readonly PartName[];
  /** Wall-clock limit for boot and all jobs together. */
  timeoutS?: number;
  signal?: AbortSignal;
}

export type Output = (stream: 'stdout' | 'stderr', chunk: Buffer) => void;

export interface Job {
  argv: readonly string[];
  /** `root` by default. */
  user?: string;
  /** Called with output as it comes; it is collected as well unless `collect` is false. */
  onOutput?: Output;
  collect?: boolean;
  /** Standard input; without it the job reads /dev/null. */
  stdin?: Readable;
}

export interface JobResult {
  /** 0 to 255; 128 + n when a signal n ended the job. */
  status: number;
  stdout: string;
  stderr: string;
}

const liveConsoleLog = (pid: number | undefined): string => path.join(buildDir, `console-${pid}.log`);

/** Removes what labs left behind that were killed. */
function sweepConsoleLogs(): void {
  for (const name of readdirSync(buildDir)) {
    const pid = /^console-(\d+)\.log$/.exec(name)?.[1];
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) {
      rmSync(path.join(buildDir, name), {force: true});
    }
  }
}

export class Guest {
  /** All that the guest's kernel has printed so far. */
  consoleLog = '';
  private readonly control: LineReader;
  private readonly streams = {stdout: new MarkerStream(), stderr: new MarkerStream()};
  private readonly lost: Promise<never>;
  private lose!: (error: Error) => void;
  private readonly consoleFile: WriteStream;
  private readonly exited: Promise<void>;
  private qemuErrors = '';
  private timer: NodeJS.Timeout | undefined;
  private closed = false;
  private stopListening: () => void = () => undefined;
  private hasResults = false;

  private constructor(private readonly qemu: ChildProcess, private readonly consoleFd: number) {
    this.lost = new Promise((_, reject) => {
      this.lose = reject;
    });
    // Somebody may be waiting for it only later.
    this.lost.catch(() => undefined);
    // Under a name of its own while it grows: several labs may run at once.
    this.consoleFile = createWriteStream(liveConsoleLog(qemu.pid));
    this.control = new LineReader(this.port(portFds.control));
    this.port(portFds.stdout).on('data', (chunk: Buffer) => this.streams.stdout.push(chunk));
    this.port(portFds.stderr).on('data', (chunk: Buffer) => this.streams.stderr.push(chunk));
    this.port(consoleFd).on('data', (chunk: Buffer) => {
      this.consoleLog += chunk.toString('latin1');
      this.consoleFile.write(chunk);
    });
    qemu.stderr!.on('data', (chunk: Buffer) => {
      this.qemuErrors += chunk.toString();
    });
    for (const stream of qemu.stdio) {
      // A socket that breaks because QEMU died: its exit is what gets reported.
      stream?.on('error', () => undefined);
    }
    this.exited = new Promise((resolve) => {
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

  /** Boots a guest; when it resolves, the guest waits for jobs. */
  static async boot(options: BootOptions = {}): Promise<Guest> {
    const prepared = await prepare(options.parts, options.signal);
    const deadline = performance.now() + (options.timeoutS ?? defaultTimeoutS) * 1000;
    for (let attempt = 1; ; attempt++) {
      const guest = Guest.start(prepared, {...defaultMachine, ...options.machine});
      guest.limit(deadline, options);
      try {
        await guest.untilReady();
        return guest;
      } catch (error) {
        await guest.close();
        if (!(error instanceof LabError && error.code === 'VFRING_ERR_LAB_EMULATOR') || attempt === bootAttempts) {
          throw error;
        }
        say(`${error.message.split('\n')[0]}: booting again`);
      }
    }
  }

  /** Ends the guest at `deadline` (of performance.now()) or when the caller's signal says so. */
  private limit(deadline: number, options: BootOptions): void {
    this.timer = setTimeout(() => {
      this.lose(new LabError('VFRING_ERR_LAB_TIMEOUT', `the guest was ended after ${options.timeoutS ?? defaultTimeoutS} s`,
        `if it was not hung, give it longer by --timeout; its kernel log is ${consoleLog}`, exitStatus.timeout, this.consoleLog));
    }, deadline - performance.now());
    const onAbort = (): void => {
      this.lose(new LabError('VFRING_ERR_LAB_STOPPED', 'the lab was stopped', 'run the command again', exitStatus.interrupted));
    };
    options.signal?.addEventListener('abort', onAbort);
    this.stopListening = () => options.signal?.removeEventListener('abort', onAbort);
    if (options.signal?.aborted) {
      onAbort();
    }
  }

  private async untilReady(): Promise<void> {
    const timer = setTimeout(() => this.lose(this.lostError(`no sign of life after ${bootLimitMs / 1000} s`)), bootLimitMs);
    const watch = (): void => {
      if (lostTimer.test(this.consoleLog)) {
        this.lose(this.lostError('a timer interrupt was lost', true));
      }
    };
    const console = this.port(this.consoleFd);
    console.on('data', watch);
    try {
      await this.expect('ready');
    } finally {
      clearTimeout(timer);
      console.off('data', watch);
    }
  }

  private static start(prepared: Prepared, machine: Machine): Guest {
    mkdirSync(buildDir, {recursive: true});
    sweepConsoleLogs();
    const consoleFd = machine.tty ? ttyFd + 1 : ttyFd;
    const share = path.join(prepared.rootfs.root, 'usr/share');
    const command = prepared.rootfs.tool('usr/bin/qemu-system-x86_64', ...qemuArguments(machine, prepared.images, share, consoleFd));
    // Node makes socket pairs of these pipes. The kernel ends QEMU when we die, however that happens.
    const stdio = Array.from({length: consoleFd + 1}, (_, fd) => (fd < 2 ? 'ignore' as const : 'pipe' as const));
    const qemu = spawn('setpriv', ['--pdeathsig', 'KILL', ...command], {
      stdio,
      // Ctrl-C on the terminal is for us; we end QEMU.
      detached: true,
      env: {...process.env, QEMU_MODULE_DIR: path.join(prepared.rootfs.root, 'usr/lib/x86_64-linux-gnu/qemu')},
    });
    return new Guest(qemu, consoleFd);
  }

  /** The guest's terminal, if the machine has one. */
  get tty(): Duplex {
    return this.port(ttyFd);
  }

  private port(fd: number): Duplex {
    return this.qemu.stdio[fd as 3] as unknown as Duplex;
  }

  private lostError(cause: string, emulator = false): LabError {
    const tail = (text: string): string => text.trimEnd().split('\n').slice(-30).map((line) => `  | ${line.trimEnd()}`).join('\n');
    const booted = this.control.sawLine;
    const what = emulator ? `QEMU failed while the guest ${booted ? 'ran' : 'booted'}`
      : booted ? 'the guest ended by itself' : 'the guest did not boot';
    return new LabError(
      emulator ? 'VFRING_ERR_LAB_EMULATOR' : booted ? 'VFRING_ERR_LAB_GUEST_LOST' : 'VFRING_ERR_LAB_BOOT',
      `${what} (${cause})\n`
      + `${this.qemuErrors.trim() === '' ? '' : `  QEMU says:\n${tail(this.qemuErrors)}\n`}`
      + `  the end of the guest's kernel log:\n${tail(this.consoleLog)}`,
      emulator ? `run it again: this is a fault of QEMU, not of what it runs; the kernel log is ${consoleLog}`
        : `the whole kernel log is ${consoleLog}`,
      exitStatus.lab, this.consoleLog);
  }

  private async line(): Promise<string> {
    return await Promise.race([this.control.next(), this.lost]);
  }

  private async expect(word: string): Promise<string[]> {
    const line = await this.line();
    const words = line.split(' ');
    if (words[0] !== word) {
      throw new LabError('VFRING_ERR_LAB_GUEST_LOST', `the guest's session said '${line}' where '${word} ...' was due`,
        'this is an error of lab/guest/session');
    }
    return words.slice(1);
  }

  /** Runs one job to its end. Jobs of one guest run one after the other. */
  async exec(job: Job): Promise<JobResult> {
    return await this.runJob(job, 'dumb');
  }

  /** Runs an interactive login shell on the guest's terminal; its caller connects {@link tty}. */
  async shell(user: string, terminal: {type: string; rows: number; columns: number}): Promise<number> {
    // The terminal forgets its settings when it is closed, so they are made by who keeps it open.
    const script = 'exec <>/dev/hvc0 >&0 2>&1; stty sane rows "$1" cols "$2"; exec bash -l';
    const argv = ['sh', '-c', script, 'sh', String(terminal.rows), String(terminal.columns)];
    const {status} = await this.runJob({argv, user}, terminal.type);
    return status;
  }

  private async runJob(job: Job, terminalType: string): Promise<JobResult> {
    const end = `lab-end-${randomBytes(16).toString('hex')}`;
    const text = {stdout: [] as Buffer[], stderr: [] as Buffer[]};
    const done = (['stdout', 'stderr'] as const).map((name) => this.streams[name].until(`${end}\n`, (chunk) => {
      job.onOutput?.(name, chunk);
      if (job.collect !== false) {
        text[name].push(chunk);
      }
    }));
    const script = Buffer.from([
      `JOB_USER=${shellQuote(job.user ?? 'root')} JOB_END=${end} JOB_STDIN=${job.stdin ? 1 : ''} JOB_TERM=${shellQuote(terminalType)}`,
      `set -- ${job.argv.map(shellQuote).join(' ')}`, ''].join('\n'));
    const control = this.port(portFds.control);
    control.write(`run ${script.length}\n`);
    control.write(script);
    job.stdin?.pipe(this.port(portFds.stdin));
    const [status, hasResults] = await this.expect('done');
    await Promise.race([Promise.all(done), this.lost]);
    this.hasResults = hasResults === '1';
    return {
      status: Number(status),
      stdout: Buffer.concat(text.stdout).toString(),
      stderr: Buffer.concat(text.stderr).toString(),
    };
  }

  /**
   * Replaces `dir` by the content of the guest's /results.
   * @returns whether there was any
   */
  async fetchResults(dir: string): Promise<boolean> {
    rmSync(dir, {recursive: true, force: true});
    if (!this.hasResults) {
      return false;
    }
    mkdirSync(path.dirname(dir), {recursive: true});
    const unpacked = mkdtempSync(`${dir}.`);
    const tar = execa('tar', ['-x', '-C', unpacked, '--no-same-owner'], {stdin: 'pipe'});
    this.port(portFds.control).write('results\n');
    let left = Number((await this.expect('results'))[0]);
    const port = this.port(portFds.results);
    const copied = new Promise<void>((resolve) => {
      port.on('data', (chunk: Buffer) => {
        left -= chunk.length;
        tar.stdin.write(chunk);
        if (left <= 0) {
          tar.stdin.end();
          port.removeAllListeners('data');
          resolve();
        }
      });
    });
    await Promise.race([copied, this.lost]);
    await tar;
    renameSync(unpacked, dir);
    return true;
  }

  /** Ends the guest at once: nothing in it is meant to last. */
  async close(): Promise<void> {
    if (!this.closed) {
      this.closed = true;
      clearTimeout(this.timer);
      this.stopListening();
      this.qemu.kill('SIGKILL');
      await this.exited;
      await new Promise<void>((resolve) => {
        this.consoleFile.end(resolve);
      });
      renameSync(this.consoleFile.path, consoleLog);
    }
  }
}

/** Boots a guest, runs one job, fetches /results to build/lab/results if there are any, and ends the guest. */
export async function runInGuest(options: BootOptions & Job & {resultsDir?: string}): Promise<JobResult & {consoleLog: string}> {
  const guest = await Guest.boot(options);
  try {
    const result = await guest.exec(options);
    if (options.resultsDir !== undefined) {
      await guest.fetchResults(options.resultsDir);
    }
    return {...result, consoleLog: guest.consoleLog};
  } finally {
    await guest.close();
  }
}

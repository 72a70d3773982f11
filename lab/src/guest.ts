// SPDX-License-Identifier: BSD-3-Clause
/** A running guest: boot, jobs, results, end. Test drivers import this. */
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Duplex, Readable } from 'node:stream';
import { execa } from 'execa';
import type { OwnKernel } from './boot-files.js';
import { Emulator } from './emulator.js';
import { LabError, EXIT_STATUS } from './errors.js';
import { watchHeart } from './heartbeat.js';
import { lineReader } from './lines.js';
import { MarkerStream } from './marker-stream.js';
import { type Link, netdevArguments, plugIn } from './network.js';
import { buildDir } from './paths.js';
import { type Prepared, prepare } from './prepare.js';
import { say } from './progress.js';
import type { PartName } from './project.js';
import { noteRestart, onceMore } from './restarts.js';
import { type Machine, DEFAULT_MACHINE } from './qemu.js';
import { shellQuote } from './shell-quote.js';
import { Snapshot } from './snapshot.js';

/** The guest needs 3 seconds; a loaded machine many times that. */
const BOOT_LIMIT_MS = 300_000;
const RESUME_LIMIT_MS = 60_000;
/**
 * QEMU can lose a timer interrupt of a guest that boots on an overloaded machine. The
 * kernel then says so and waits for ever; another boot is the only cure.
 */
const LOST_TIMER = /kthread timer wakeup didn't happen|rcu_preempt detected stalls/;
/** Each fault of QEMU itself was seen about once in 100 boots, at 5 runnable threads a core. */
const BOOT_ATTEMPTS = 3;
const BOOT_FAULTS = new Set<string>(['VFRING_ERR_LAB_BOOT', 'VFRING_ERR_LAB_EMULATOR', 'VFRING_ERR_LAB_STANDSTILL']);
/** With the time that it takes to record what QEMU knows, a stand-still is told within 30 seconds. */
const STANDSTILL_MS = 20_000;
export const DEFAULT_TIMEOUT_S = 1800;

/** What makes a guest one of several hosts. */
export interface HostIdentity {
  name: string;
  links: readonly Link[];
}

export interface BootOptions {
  /** Only with a machine whose network is `site`. */
  host?: HostIdentity;
  /** What {@link prepare} returned, where it was called already. */
  prepared?: Prepared;
  machine?: Partial<Machine>;
  /** Parts of the project to build anew when their sources changed; all by default. */
  parts?: readonly PartName[];
  /** A kernel to boot instead of Debian's. */
  kernel?: OwnKernel;
  /** Boot even where a saved machine could be resumed. */
  cold?: boolean;
  /** Wall-clock limit for boot and all jobs together. */
  timeoutS?: number;
  /** How long a guest that sends no heartbeat may stand still; for the test of that. */
  standstillMs?: number;
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
  /**
   * Standard input; without it the job reads /dev/null. Of one job of a guest only: its end is the
   * end of the port that leads there, which cannot be opened again.
   */
  stdin?: Readable;
}

export interface JobResult {
  /** 0 to 255; 128 + n when a signal n ended the job. */
  status: number;
  stdout: string;
  stderr: string;
}

export class Guest {
  readonly #nextLine: () => Promise<string>;
  readonly #streams = { stdout: new MarkerStream(), stderr: new MarkerStream() };
  #timer: NodeJS.Timeout | undefined;
  #stopListening: () => void = () => undefined;
  #heart: { stop: () => void } | undefined;
  #hasResults = false;
  #stdinTaken = false;
  readonly #emulator: Emulator;

  private constructor(emulator: Emulator) {
    this.#emulator = emulator;
    this.#nextLine = lineReader(emulator.port('control'));
    for (const name of ['stdout', 'stderr'] as const) {
      emulator.port(name).on('data', (chunk: Buffer) => this.#streams[name].push(chunk));
    }
  }

  /** Boots a guest, or resumes it as it was saved after its last boot; when this resolves, the guest waits for jobs. */
  static async boot(options: BootOptions = {}): Promise<Guest> {
    const prepared = options.prepared ?? await prepare(options.parts, options.signal, options.kernel);
    const machine = { ...DEFAULT_MACHINE, ...options.machine };
    // What another process serves cannot be saved.
    const snapshot = machine.functions.length === 0 ? Snapshot.of(prepared, machine) : undefined;
    const deadline = performance.now() + (options.timeoutS ?? DEFAULT_TIMEOUT_S) * 1000;
    for (let attempt = 1; ; attempt++) {
      const resume = snapshot?.exists === true && options.cold !== true;
      const { host } = options;
      const links = host?.links ?? [];
      const guest = new Guest(Emulator.start(prepared, machine, [...netdevArguments(links), ...(resume ? snapshot!.incoming : [])], host?.name));
      guest.#limit(deadline, options);
      guest.#watchHeart(options.standstillMs ?? STANDSTILL_MS);
      try {
        await guest.#untilReady(snapshot, resume, links);
        return guest;
      } catch (error) {
        await guest.close();
        if (!(error instanceof LabError) || !BOOT_FAULTS.has(error.code) || attempt === BOOT_ATTEMPTS) {
          throw error;
        }
        if (resume) {
          snapshot!.remove();
        } else if (error.code === 'VFRING_ERR_LAB_BOOT') {
          throw error;
        }
        noteRestart(`${host === undefined ? '' : `${host.name}: `}${resume ? 'the saved machine was not resumed: ' : ''}${error.message.split('\n')[0]}`);
      }
    }
  }

  /** Ends the guest when it stands still, with all that can be known about it in a log of its own. */
  #watchHeart(limitMs: number): void {
    const emulator = this.#emulator;
    if (emulator.pid === undefined) {
      return;
    }
    this.#heart = watchHeart(emulator.port('beat'), emulator.pid, limitMs, () => {
      void this.#recordStandstill(limitMs).then(({ file, woke }) => {
        emulator.lose(new LabError('VFRING_ERR_LAB_STANDSTILL',
          `${emulator.title} stood still: no heartbeat, and no work for QEMU, for ${limitMs / 1000} s (an interrupt ${woke ? 'woke it' : 'did not wake it'})`,
          `run it again: this is a fault of QEMU, not of what it runs; what QEMU knew is in ${file}`, EXIT_STATUS.lab, this.consoleLog));
      });
    });
  }

  async #recordStandstill(limitMs: number): Promise<{ file: string; woke: boolean }> {
    const emulator = this.#emulator;
    const file = path.join(buildDir, `standstill-${emulator.host === undefined ? '' : `${emulator.host}-`}${new Date().toISOString()}.log`);
    say(`${emulator.title} has stood still for ${limitMs / 1000} s; recording what QEMU knows in ${file}`);
    const facts = await emulator.describe();
    let woke = false;
    emulator.port('beat').once('data', () => {
      woke = true;
    });
    // Interrupts it by its serial line: shows what each task waits for, and whether an interrupt that is not the timer's still comes through.
    await emulator.logTasks();
    writeFileSync(file, `${facts}\nafter an interrupt of the serial line the guest ${woke ? 'sent a heartbeat' : 'still sent no heartbeat'}\n\n${this.consoleLog}`);
    return { file, woke };
  }

  /** Ends the guest at `deadline` (of performance.now()) or when the caller's signal says so. */
  #limit(deadline: number, options: BootOptions): void {
    this.#timer = setTimeout(() => {
      const error = (): LabError => new LabError('VFRING_ERR_LAB_TIMEOUT', `${this.#emulator.title} was ended after ${options.timeoutS ?? DEFAULT_TIMEOUT_S} s`,
        `if it was not hung, give it longer by --timeout; its kernel log, ${this.#emulator.logPath}, ends with what each task waited for`, EXIT_STATUS.timeout, this.consoleLog);
      void this.#emulator.logTasks().finally(() => this.#emulator.lose(error()));
    }, deadline - performance.now());
    const onAbort = (): void => {
      this.#emulator.lose(new LabError('VFRING_ERR_LAB_STOPPED', 'the lab was stopped', 'run the command again', EXIT_STATUS.interrupted));
    };
    options.signal?.addEventListener('abort', onAbort);
    this.#stopListening = () => options.signal?.removeEventListener('abort', onAbort);
    if (options.signal?.aborted) {
      onAbort();
    }
  }

  async #untilReady(snapshot: Snapshot | undefined, resume: boolean, links: readonly Link[]): Promise<void> {
    const emulator = this.#emulator;
    const limitMs = resume ? RESUME_LIMIT_MS : BOOT_LIMIT_MS;
    const timer = setTimeout(() => emulator.lose(emulator.lostError(`no sign of life after ${limitMs / 1000} s`)), limitMs);
    const watch = (): void => {
      if (LOST_TIMER.test(this.consoleLog)) {
        emulator.lose(emulator.lostError('a timer interrupt was lost', true));
      }
    };
    emulator.port('console').on('data', watch);
    try {
      if (resume) {
        await Promise.race([snapshot!.load(emulator).then(() => plugIn(emulator, links)), emulator.lost]);
        await Promise.race([emulator.monitor.execute('cont'), emulator.lost]);
      } else {
        await this.#expect('waiting');
        await Promise.race([snapshot?.save(emulator), emulator.lost]).catch((error: unknown) => {
          if (error instanceof LabError) {
            throw error;
          }
          say(`cannot save the booted machine, so the next run will boot again: ${(error as Error).message}`);
        });
        await Promise.race([plugIn(emulator, links), emulator.lost]);
      }
      emulator.port('control').write(`go ${Math.floor(Date.now() / 1000)}\n`);
      await this.#expect('ready');
      emulator.booted = true;
    } finally {
      clearTimeout(timer);
      emulator.port('console').off('data', watch);
    }
  }

  /** All that the guest's kernel has printed so far, from its boot on. */
  get consoleLog(): string {
    return this.#emulator.kernelLog;
  }

  /** The guest's terminal. */
  get tty(): Duplex {
    return this.#emulator.port('tty');
  }

  /** Where {@link consoleLog} is kept when the guest has ended. */
  get logPath(): string {
    return this.#emulator.logPath;
  }

  /** Never resolves; rejects when the guest has ended, for whatever reason, with what is known about it. */
  get lost(): Promise<never> {
    return this.#emulator.lost;
  }

  async #line(): Promise<string> {
    return await Promise.race([this.#nextLine(), this.#emulator.lost]);
  }

  async #expect(word: string): Promise<string[]> {
    const line = await this.#line();
    const words = line.split(' ');
    if (words[0] !== word) {
      throw new LabError('VFRING_ERR_LAB_GUEST_LOST', `the guest's session said '${line}' where '${word} ...' was due`,
        'this is an error of lab/guest/session');
    }
    return words.slice(1);
  }

  /** Runs one job to its end. Jobs of one guest run one after the other. */
  async exec(job: Job): Promise<JobResult> {
    return await this.#runJob(job, 'dumb');
  }

  /** Runs an interactive login shell on the guest's terminal; its caller connects {@link tty}. */
  async shell(user: string, terminal: { type: string; rows: number; columns: number }): Promise<number> {
    // The terminal forgets its settings when it is closed, so they are made by who keeps it open.
    const script = 'exec <>/dev/hvc0 >&0 2>&1; stty sane rows "$1" cols "$2"; exec bash -l';
    const argv = ['sh', '-c', script, 'sh', String(terminal.rows), String(terminal.columns)];
    const { status } = await this.#runJob({ argv, user }, terminal.type);
    return status;
  }

  async #runJob(job: Job, terminalType: string): Promise<JobResult> {
    if (job.stdin !== undefined && this.#stdinTaken) {
      throw new Error('a job of this guest had standard input already, and there is only one: send all that the jobs need at once, as a tar archive');
    }
    this.#stdinTaken ||= job.stdin !== undefined;
    const end = `lab-end-${randomBytes(16).toString('hex')}`;
    const text = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
    const done = (['stdout', 'stderr'] as const).map((name) => this.#streams[name].until(`${end}\n`, (chunk) => {
      job.onOutput?.(name, chunk);
      if (job.collect !== false) {
        text[name].push(chunk);
      }
    }));
    const script = Buffer.from([
      `JOB_USER=${shellQuote(job.user ?? 'root')} JOB_END=${end} JOB_STDIN=${job.stdin ? 1 : ''} JOB_TERM=${shellQuote(terminalType)}`,
      `set -- ${job.argv.map(shellQuote).join(' ')}`, ''].join('\n'));
    const control = this.#emulator.port('control');
    control.write(`run ${script.length}\n`);
    control.write(script);
    job.stdin?.pipe(this.#emulator.port('stdin'));
    const [status, hasResults] = await this.#expect('done');
    await Promise.race([Promise.all(done), this.#emulator.lost]);
    this.#hasResults = hasResults === '1';
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
    rmSync(dir, { recursive: true, force: true });
    if (!this.#hasResults) {
      return false;
    }
    mkdirSync(path.dirname(dir), { recursive: true });
    const unpacked = mkdtempSync(`${dir}.`);
    const tar = execa('tar', ['-x', '-C', unpacked, '--no-same-owner'], { stdin: 'pipe' });
    this.#emulator.port('control').write('results\n');
    let left = Number((await this.#expect('results'))[0]);
    const port = this.#emulator.port('results');
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
    await Promise.race([copied, this.#emulator.lost]);
    await tar;
    renameSync(unpacked, dir);
    return true;
  }

  /** Ids of QEMU's process, and of those of its threads that are the guest's processors. */
  async threads(): Promise<{ pid: number; processors: number[] }> {
    const processors = await Promise.race([this.#emulator.monitor.execute('query-cpus-fast'), this.#emulator.lost]) as { 'thread-id': number }[];
    return { pid: this.#emulator.pid!, processors: processors.map((processor) => processor['thread-id']) };
  }

  /** @param wire of a {@link Link}: its device loses its carrier, or gets it back */
  async setLink(wire: string, up: boolean): Promise<void> {
    await Promise.race([this.#emulator.monitor.execute('set_link', { name: wire, up }), this.#emulator.lost]);
  }

  /** Switches the machine off, as if its plug were pulled: what waits for it fails with `VFRING_ERR_LAB_SWITCHED_OFF`. */
  async switchOff(): Promise<void> {
    this.#emulator.lose(new LabError('VFRING_ERR_LAB_SWITCHED_OFF', `${this.#emulator.title} was switched off`, 'nothing: somebody asked for it'));
    await this.close();
  }

  /** Ends the guest at once: nothing in it is meant to last. */
  async close(): Promise<void> {
    clearTimeout(this.#timer);
    this.#heart?.stop();
    this.#stopListening();
    await this.#emulator.end();
  }
}

/** Boots a guest, does `work` in it, and ends it; once more in another one when it stood still. */
export function withGuest<T>(options: BootOptions, work: (guest: Guest) => Promise<T>): Promise<T> {
  return onceMore(() => Guest.boot(options), work);
}

/** Boots a guest, runs one job, fetches /results to build/lab/results if there are any, and ends the guest. */
export async function runInGuest(options: BootOptions & Job & { resultsDir?: string }): Promise<JobResult & { consoleLog: string }> {
  const guest = await Guest.boot(options);
  try {
    const result = await guest.exec(options);
    if (options.resultsDir !== undefined) {
      await guest.fetchResults(options.resultsDir);
    }
    return { ...result, consoleLog: guest.consoleLog };
  } finally {
    await guest.close();
  }
}

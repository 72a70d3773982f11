// SPDX-License-Identifier: BSD-3-Clause
/**
 * Running programs in the end-to-end tests. Node's own modules only: the same
 * files run natively and inside the emulated machine.
 */
import { spawn, type ChildProcess } from 'node:child_process';

export interface RunResult {
  /** Exit status; 128 + n when signal n ended it. */
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** After this the process is killed and the run fails. */
  readonly timeoutS?: number;
}

const SIGNAL_NUMBERS: Readonly<Record<string, number>> = { SIGHUP: 1, SIGINT: 2, SIGABRT: 6, SIGKILL: 9, SIGSEGV: 11, SIGTERM: 15 };

/** A program under way, with what it has printed so far. */
export class Running {
  stdout = '';
  stderr = '';
  readonly child: ChildProcess;
  readonly done: Promise<RunResult>;

  constructor(readonly argv: readonly string[], options: RunOptions = {}) {
    const [file, ...args] = argv;
    this.child = spawn(file as string, args, {
      env: options.env ?? process.env,
      cwd: options.cwd,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true, // a group of its own, to be ended whole
    });
    const timeoutS = options.timeoutS ?? 300;
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      this.killGroup('SIGKILL');
    }, timeoutS * 1000);
    this.child.stdout?.on('data', (chunk: Buffer) => (this.stdout += chunk.toString()));
    this.child.stderr?.on('data', (chunk: Buffer) => (this.stderr += chunk.toString()));
    this.done = new Promise((resolve, reject) => {
      this.child.once('error', reject);
      this.child.once('close', (code, signal) => {
        clearTimeout(timer);
        if (timedOut) {
          reject(new Error(`${argv.join(' ')} did not end within ${timeoutS} s\n${this.stdout}\n${this.stderr}`));
          return;
        }
        const status = code ?? 128 + (SIGNAL_NUMBERS[signal ?? ''] ?? 0);
        resolve({ status, stdout: this.stdout, stderr: this.stderr });
      });
    });
  }

  get pid(): number {
    return this.child.pid as number;
  }

  killGroup(signal: NodeJS.Signals): void {
    try {
      process.kill(-this.pid, signal);
    } catch {
      // It has ended already.
    }
  }

  /** Waits until `condition` holds for what was printed; fails if the program ends before. */
  async until(what: string, condition: (running: this) => boolean | Promise<boolean>, timeoutS = 120): Promise<void> {
    let ended = false;
    void this.done.finally(() => (ended = true)).catch(() => undefined);
    await eventually(`${what} (${this.argv.join(' ')})`, async () => {
      if (await condition(this)) {
        return true;
      }
      if (ended) {
        throw new Error(`${this.argv.join(' ')} ended before: ${what}\n${this.stdout}\n${this.stderr}`);
      }
      return false;
    }, timeoutS);
  }
}

export async function run(argv: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  return await new Running(argv, options).done;
}

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Looks every 50 ms until `condition` holds; a test must not depend on how long that takes. */
export async function eventually(
  what: string, condition: () => boolean | Promise<boolean>, timeoutS = 120,
): Promise<void> {
  const end = Date.now() + timeoutS * 1000;
  for (;;) {
    if (await condition()) {
      return;
    }
    if (Date.now() > end) {
      throw new Error(`not within ${timeoutS} s: ${what}`);
    }
    await sleep(50);
  }
}

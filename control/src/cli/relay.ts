// SPDX-License-Identifier: BSD-3-Clause
/** Signals that `vfring run` gets are mpirun's: they go on to it, and it does with them what it does without vfring. */
import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** Those that a terminal sends to mpirun as well: a second one makes it abort hard. */
const FROM_TERMINAL = ['SIGINT', 'SIGHUP'] as const;
/** Those that may come twice, and those that no key sends. SIGQUIT, SIGTSTP: twice is as good as once. */
const ALWAYS = ['SIGTERM', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2', 'SIGALRM', 'SIGABRT', 'SIGTSTP', 'SIGCONT'] as const;
const ENDING: ReadonlySet<NodeJS.Signals> = new Set(['SIGINT', 'SIGHUP', 'SIGTERM', 'SIGQUIT', 'SIGABRT', 'SIGALRM']);

export class SignalRelay {
  #child: ChildProcess | undefined;
  #asked: NodeJS.Signals | undefined;
  readonly #stop = new AbortController();
  readonly #inForeground: () => boolean;
  readonly #stopSelf: () => void;
  readonly #listeners: readonly (readonly [NodeJS.Signals, () => void])[];

  /** Listens at once: nothing that comes before mpirun runs, or after, ends vfring half-way. */
  constructor({ inForeground = ownsTerminal, stopSelf = (): void => void process.kill(process.pid, 'SIGSTOP') } = {}) {
    this.#inForeground = inForeground;
    this.#stopSelf = stopSelf;
    this.#listeners = [...FROM_TERMINAL, ...ALWAYS].map((signal) => [signal, () => this.#relay(signal)]);
    this.#listeners.forEach(([signal, listener]) => process.on(signal, listener));
  }

  /** The first signal that asked for an end while there was no mpirun to hand it to. */
  get asked(): NodeJS.Signals | undefined {
    return this.#asked;
  }

  /** Aborted when `asked` is set. */
  get stop(): AbortSignal {
    return this.#stop.signal;
  }

  /** @param child mpirun; undefined: it has ended */
  set child(child: ChildProcess | undefined) {
    this.#child = child;
  }

  close(): void {
    this.#listeners.forEach(([signal, listener]) => process.off(signal, listener));
  }

  #relay(signal: NodeJS.Signals): void {
    if (this.#child === undefined) {
      if (ENDING.has(signal)) {
        this.#asked ??= signal;
        this.#stop.abort();
      }
    } else if (!FROM_TERMINAL.some((other) => other === signal) || !this.#inForeground()) {
      this.#child.kill(signal);
    }
    if (signal === 'SIGTSTP') {
      // The shell waits for vfring to stop; SIGCONT finds it here, and goes on to mpirun.
      this.#stopSelf();
    }
  }
}

/** True when this process group is the one that the keys of a terminal reach. */
function ownsTerminal(): boolean {
  // Fields after the name: state, ppid, pgrp, session, tty_nr, tpgid (proc(5)).
  const stat = readFileSync('/proc/self/stat', 'latin1');
  const [, , group, , , foreground] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return group !== undefined && group === foreground;
}

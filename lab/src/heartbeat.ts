// SPDX-License-Identifier: BSD-3-Clause
/** Finds a guest that stands still: its processors are halted and no timer wakes them any more. */
import { readFileSync, readdirSync } from 'node:fs';
import type { Readable } from 'node:stream';

/** What this machine knows of a process at one moment. */
export interface Activity {
  /** Processor time it has used so far. */
  cpuMs: number;
  /** Whether a thread of it runs, or waits for this machine (a processor, a disk, a signal to go on) rather than for an event. */
  wants: boolean;
}

/** Fields of proc_pid_stat(5), counted from the state on: what precedes it is the name, which may hold anything. */
const FIELD = { state: 0, utime: 11, stime: 12 } as const;
/** USER_HZ, which is 100 on every x86. */
const MS_PER_TICK = 10;
/** Of a thread that waits for an event, as a halted processor does. */
const ASLEEP = new Set(['S', 'I']);

function statFields(file: string): string[] {
  const text = readFileSync(file, 'latin1');
  return text.slice(text.lastIndexOf(')') + 2).split(' ');
}

/** @returns undefined when there is no such process (any more) */
export function activityOf(pid: number): Activity | undefined {
  try {
    const whole = statFields(`/proc/${pid}/stat`);
    const tasks = `/proc/${pid}/task`;
    return {
      cpuMs: (Number(whole[FIELD.utime]) + Number(whole[FIELD.stime])) * MS_PER_TICK,
      wants: readdirSync(tasks).some((thread) => !ASLEEP.has(statFields(`${tasks}/${thread}/stat`)[FIELD.state]!)),
    };
  } catch {
    // A thread that ended between the two looks is as good as one that worked.
    return undefined;
  }
}

const INTERVAL_MS = 1000;
/** What a sample may add to the time of silence, however late it comes: nobody looked in between. */
const longestSampleMs = 2 * INTERVAL_MS;
/** Share of a processor that a QEMU without work may use. */
const IDLE_SHARE = 0.02;

/**
 * Judges samples of QEMU. The guest stands still when it has sent no beat for some time, in
 * which QEMU neither used processor time nor waited for this machine to give it some: a guest on a busy machine
 * is late, but wants to run.
 */
export class Stillness {
  #last: { at: number; activity: Activity } | undefined;
  #silentMs = 0;
  readonly #limitMs: number;

  constructor(limitMs: number) {
    this.#limitMs = limitMs;
  }

  /** The guest lives. */
  beat(): void {
    this.#silentMs = 0;
    this.#last = undefined;
  }

  /**
   * @param at of performance.now()
   * @returns whether the guest stands still
   */
  sample(at: number, activity: Activity | undefined): boolean {
    const last = this.#last;
    if (activity === undefined) {
      this.beat();
      return false;
    }
    this.#last = { at, activity };
    if (last === undefined || activity.wants) {
      this.#silentMs = 0;
      return false;
    }
    const sampleMs = Math.min(at - last.at, longestSampleMs);
    const works = activity.cpuMs - last.activity.cpuMs > Math.max(MS_PER_TICK, IDLE_SHARE * sampleMs);
    this.#silentMs = works ? 0 : this.#silentMs + sampleMs;
    return this.#silentMs >= this.#limitMs;
  }
}

/**
 * Watches a guest until it stands still or `stop` is called.
 * @param beats whatever comes from it is a beat (lab/guest/init sends one every two seconds)
 * @param limitMs of silence
 * @param onStandstill called once at most
 */
export function watchHeart(beats: Readable, pid: number, limitMs: number, onStandstill: () => void): { stop: () => void } {
  const stillness = new Stillness(limitMs);
  beats.on('data', () => stillness.beat());
  const timer = setInterval(() => {
    if (stillness.sample(performance.now(), activityOf(pid))) {
      clearInterval(timer);
      onStandstill();
    }
  }, INTERVAL_MS);
  return { stop: () => clearInterval(timer) };
}

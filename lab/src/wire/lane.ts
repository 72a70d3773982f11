// SPDX-License-Identifier: BSD-3-Clause
/** One direction of one port: which frames get through, how often, when and in which order. Knows neither sockets nor clocks. */
import { type Impairment, NO_IMPAIRMENT } from './impairment.js';

export interface LaneCounters {
  passed: number;
  lost: number;
  duplicated: number;
  reordered: number;
  cut: number;
}

/** A frame that nothing overtakes goes on after this time. */
const LONGEST_HOLD_MS = 20;
const MOST_OVERTAKERS = 3;

export class Lane<Frame> {
  readonly counters: LaneCounters = { passed: 0, lost: 0, duplicated: 0, reordered: 0, cut: 0 };
  #settings = NO_IMPAIRMENT;
  #toLose = 0;
  #held: { frame: Frame; overtakers: number; until: number }[] = [];
  #late: { frame: Frame; due: number }[] = [];
  readonly #random: () => number;

  /** @param random numbers from 0 to below 1; four are taken for each frame, whatever the settings */
  constructor(random: () => number) {
    this.#random = random;
  }

  get impairment(): Impairment {
    return this.#settings;
  }

  /** From the next frame on. */
  set impairment(settings: Impairment) {
    this.#settings = settings;
    if (settings.cut) {
      this.counters.cut += this.#held.length + this.#late.length;
      this.#held = [];
      this.#late = [];
    }
  }

  /** Loses the next `count` frames, besides what the settings lose. */
  lose(count: number): void {
    this.#toLose += count;
  }

  /** Whether frames go straight through, so that {@link push} need not be asked. */
  get transparent(): boolean {
    const { loss, duplicate, reorder, delayMs, cut } = this.#settings;
    return loss === 0 && duplicate === 0 && reorder === 0 && delayMs === 0 && !cut && this.#toLose === 0
      && this.#held.length === 0 && this.#late.length === 0;
  }

  /**
   * @param now of any clock that counts ms
   * @returns the frames that go on now, in their order
   */
  push(frame: Frame, now: number): Frame[] {
    const [loss, duplicate, reorder, distance] = [this.#random(), this.#random(), this.#random(), this.#random()];
    const { counters } = this;
    const settings = this.#settings;
    if (settings.cut) {
      counters.cut++;
      return [];
    }
    if (this.#toLose > 0 || loss! < settings.loss) {
      this.#toLose = Math.max(0, this.#toLose - 1);
      counters.lost++;
      return [];
    }
    if (reorder! < settings.reorder) {
      counters.reordered++;
      this.#held.push({ frame, overtakers: 1 + Math.floor(distance! * MOST_OVERTAKERS), until: now + LONGEST_HOLD_MS });
      return this.due(now);
    }
    const frames = [frame];
    if (duplicate! < settings.duplicate) {
      counters.duplicated++;
      frames.push(frame);
    }
    for (const held of this.#held) {
      held.overtakers--;
    }
    return this.#delay([...frames, ...this.#release((held) => held.overtakers <= 0)], now);
  }

  /** @returns the frames that waited until `now` */
  due(now: number): Frame[] {
    return this.#delay(this.#release((held) => held.until <= now), now);
  }

  /** When {@link due} has something to return. */
  get nextDue(): number | undefined {
    const times = [...this.#held.map(({ until }) => until), ...this.#late.slice(0, 1).map(({ due }) => due)];
    return times.length === 0 ? undefined : Math.min(...times);
  }

  #release(ready: (held: { overtakers: number; until: number }) => boolean): Frame[] {
    if (this.#held.length === 0) {
      return [];
    }
    const free = this.#held.filter(ready).map(({ frame }) => frame);
    this.#held = this.#held.filter((held) => !ready(held));
    return free;
  }

  /** The last stage: a first-in-first-out queue, or nothing. */
  #delay(frames: readonly Frame[], now: number): Frame[] {
    const { delayMs } = this.#settings;
    if (delayMs === 0 && this.#late.length === 0) {
      this.counters.passed += frames.length;
      return [...frames];
    }
    for (const frame of frames) {
      // A shorter delay does not let a frame overtake those that had a longer one.
      this.#late.push({ frame, due: Math.max(now + delayMs, this.#late.at(-1)?.due ?? 0) });
    }
    const ready = this.#late.findIndex(({ due }) => due > now);
    const out = this.#late.splice(0, ready < 0 ? this.#late.length : ready).map(({ frame }) => frame);
    this.counters.passed += out.length;
    return out;
  }
}

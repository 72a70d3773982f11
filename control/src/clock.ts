// SPDX-License-Identifier: BSD-3-Clause
/**
 * Two clocks. What people read is by the one that is set by hand, NTP or
 * daylight; how long something lasts, and when it is over, by the one that
 * nobody sets. That one is CLOCK_BOOTTIME: it goes on while the machine
 * sleeps, as limits do, and a daemon that is started anew finds it as the last
 * one left it, as long as the machine runs.
 */
import koffi from 'koffi';

/** A moment, by both clocks, in ms: since 1970, and since the machine was started. */
export interface Instant {
  readonly wall: number;
  readonly boot: number;
}

/** Tells the moment. */
export type Clock = () => Instant;

const CLOCK_BOOTTIME = 7; // linux/time.h
// time_t and long are 64 bits wide where vfring runs.
const clockGettime = koffi.load(null).func('int clock_gettime(int clock, _Out_ int64_t *time)');
const NS_PER_MS = 1e6;

/** Ms since the machine was started, by CLOCK_BOOTTIME. */
export function bootMs(): number {
  const time: (number | bigint)[] = [0, 0];
  clockGettime(CLOCK_BOOTTIME, time);
  return Number(time[0]) * 1000 + Math.floor(Number(time[1]) / NS_PER_MS);
}

export const systemClock: Clock = () => ({ wall: Date.now(), boot: bootMs() });

/** The same moment, so much later by both clocks. */
export const later = ({ wall, boot }: Instant, ms: number): Instant => ({ wall: wall + ms, boot: boot + ms });

// SPDX-License-Identifier: BSD-3-Clause
/** Numbers and times for people, as the vfring commands print them. */
import { formatSize } from '../src/config/units.js';

export const bytes = formatSize;

export const rate = (value: number | undefined): string => (value === undefined ? '–' : value < 1 ? '0' : `${bytes(value)}/s`);

const GROUPS = new Intl.NumberFormat('en');
export const number = (value: number): string => GROUPS.format(value);

/** "45 s", "12 min", "3.5 h", "2 d". */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  const [unit, size] = ([['d', 86_400], ['h', 3600], ['min', 60], ['s', 1]] as const).find(([, each]) => seconds >= each) ?? (['s', 1] as const);
  const value = seconds / size;
  return `${Number.isInteger(value) || unit === 'min' || unit === 's' ? Math.round(value) : value.toFixed(1)} ${unit}`;
}

export const ago = (at: number, now: number): string => (now - at < 2000 ? 'just now' : `${duration(now - at)} ago`);

/** In the reader's own time zone. */
export const clock = (at: number): string => new Date(at).toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit', hour12: false });
export const moment = (at: number): string => new Date(at).toLocaleString();

export const plural = (count: number, one: string, many = `${one}s`): string => `${number(count)} ${count === 1 ? one : many}`;

/** Names with numbers as people order them: vf2 before vf10. */
export const byName = new Intl.Collator('en', { numeric: true }).compare;

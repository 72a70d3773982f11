// SPDX-License-Identifier: BSD-3-Clause
/** Sizes and times with units, as they stand in the configuration. */

const FACTOR: Readonly<Record<string, number>> = {
  B: 1,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
};

/** "64MiB" as bytes; undefined if it is not a size. A bare number is not: its unit would be a guess. */
export function parseSize(text: string): number | undefined {
  const match = /^(\d+)\s?([A-Za-z]+)$/.exec(text.trim());
  const factor = match?.[2] === undefined ? undefined : FACTOR[match[2]];
  if (match?.[1] === undefined || factor === undefined) {
    return undefined;
  }
  const bytes = Number(match[1]) * factor;
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** Bytes for people: "64 MiB", "1.5 GiB", "980 B". */
export function formatSize(bytes: number): string {
  let unit = 'B';
  let value = bytes;
  for (const next of ['KiB', 'MiB', 'GiB', 'TiB']) {
    if (value < 1024) {
      break;
    }
    value /= 1024;
    unit = next;
  }
  const digits = unit === 'B' || Number.isInteger(value) ? 0 : 1;
  return `${value.toFixed(digits)} ${unit}`;
}

const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };
const MAX_SECONDS = 10 * 365 * 86_400;

/** "90s", "30m", "2h", "7d" as seconds; undefined if it is not a time from 1 s to 10 years. */
export function parseDuration(text: string): number | undefined {
  const match = /^(\d+)\s?([smhd])$/.exec(text.trim());
  const seconds = Number(match?.[1]) * (SECONDS[match?.[2] ?? ''] ?? Number.NaN);
  return seconds >= 1 && seconds <= MAX_SECONDS ? seconds : undefined;
}

/** Seconds for people: "45 s", "12 min", "3.5 h", "2 d". */
export function formatDuration(seconds: number): string {
  const units = [['d', 86_400], ['h', 3600], ['min', 60], ['s', 1]] as const;
  const [unit, size] = units.find(([, each]) => seconds >= each) ?? units[3];
  const value = seconds / size;
  return `${Number.isInteger(value) ? value : value.toFixed(1)} ${unit}`;
}

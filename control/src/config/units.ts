// SPDX-License-Identifier: BSD-3-Clause
/** Sizes with units, as they stand in the configuration. */

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

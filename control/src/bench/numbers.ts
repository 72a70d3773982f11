// SPDX-License-Identifier: BSD-3-Clause
/** Numbers for people. */

/** Three digits are what a median of few launches can tell: "0.663", "1230", "4.10 M". */
export function digits(value: number): string {
  if (!Number.isFinite(value)) {
    return '∞';
  }
  if (Math.abs(value) >= 1e6) {
    return `${(value / 1e6).toPrecision(3)} M`;
  }
  const text = value.toPrecision(3);
  return text.includes('e') ? String(Number(text)) : text;
}

/** "8 B", "64 KiB", "1 MiB"; what is no whole number of them stays in bytes. */
export function sizeText(bytes: number): string {
  const [unit, name] = ([[2 ** 20, 'MiB'], [2 ** 10, 'KiB']] as const).find(([least]) => bytes >= least && bytes % least === 0) ?? [1, 'B'];
  return `${bytes / unit} ${name}`;
}

/** "64K" and the like, as the programs take them; undefined: it is no size. */
export function sizeOf(text: string): number | undefined {
  const match = /^(\d{1,10})([KM]?)$/.exec(text);
  const bytes = Number(match?.[1]) * (match?.[2] === 'K' ? 2 ** 10 : match?.[2] === 'M' ? 2 ** 20 : 1);
  // MPI counts are of type int.
  return bytes < 2 ** 31 ? bytes : undefined;
}

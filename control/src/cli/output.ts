// SPDX-License-Identifier: BSD-3-Clause
/** What commands print: results on standard output, everything else on standard error. */
import { messageLines, printable } from '../shell.js';
import { writeOut } from '../stdio.js';

export const out = (text: string): void => writeOut(`${text}\n`);
export const say = (text: string): void => void process.stderr.write(messageLines('vfring', text).map((line) => `${line}\n`).join(''));

export interface JsonOption {
  readonly json?: boolean;
}

/** The value as JSON, or as text for people. */
export function show<T>(options: JsonOption, value: T, text: (value: T) => string): void {
  out(options.json ? JSON.stringify(value, null, 2) : text(value));
}

/** Columns as wide as they must be. */
export function table(raw: readonly (readonly string[])[]): string[] {
  const rows = raw.map((row) => row.map(printable));
  const widths = (rows[0] ?? []).map((_unused, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) => row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join('  ').trimEnd());
}

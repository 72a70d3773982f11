// SPDX-License-Identifier: BSD-3-Clause
/** What the demo over soft VFs has measured, for people: a table, and what it means. */
import { median } from './medians.js';

/** One transport's figures, one value a launch; by message size in bytes. */
export interface Measured {
  /** Half a round trip, µs. */
  readonly latency: ReadonlyMap<number, readonly number[]>;
  /** Messages a second, 64 under way. */
  readonly rate: ReadonlyMap<number, readonly number[]>;
}

export interface Column {
  readonly name: string;
  /** Or why there are no figures. */
  readonly measured: Measured | { readonly missing: string };
}

type Figures = readonly [Column, Measured];

/** Messages so short that their number says more than their bytes. */
const SHORT_BYTES = 64;
const NOT_MEASURED = '-';

const figures = (columns: readonly Column[]): Figures[] =>
  columns.flatMap((column): Figures[] => ('missing' in column.measured ? [] : [[column, column.measured]]));

/** Three digits are what a median of few launches can tell. */
const number = (value: number): string => {
  const text = value.toPrecision(3);
  return text.includes('e') ? String(Number(text)) : text;
};

export function size(bytes: number): string {
  const units = [[2 ** 20, 'MiB'], [2 ** 10, 'KiB']] as const;
  const [unit, name] = units.find(([least]) => bytes >= least && bytes % least === 0) ?? [1, 'B'];
  return `${bytes / unit} ${name}`;
}

function table(title: string, columns: readonly Column[], rows: readonly (readonly [string, (measured: Measured) => readonly number[] | undefined])[]): string[] {
  const cells = columns.map((column) => rows.map(([, of]) => {
    const values = 'missing' in column.measured ? undefined : of(column.measured);
    return values === undefined ? NOT_MEASURED : number(median(values));
  }));
  const widths = columns.map((column, index) => Math.max(column.name.length, ...(cells[index] ?? []).map((cell) => cell.length)) + 3);
  const first = Math.max(title.length, ...rows.map(([name]) => name.length));
  const line = (name: string, texts: readonly string[]): string =>
    name.padEnd(first) + texts.map((text, index) => text.padStart(widths[index] ?? 0)).join('');
  return [line(title, columns.map((column) => column.name)), ...rows.map(([name], row) => line(name, cells.map((cell) => cell[row] ?? '')))];
}

/** @param columns ours first; sizes are those of ours */
export function demoTable(columns: readonly Column[]): string[] {
  const ours = figures(columns.slice(0, 1))[0]?.[1];
  if (ours === undefined) {
    throw new RangeError('the demo has no figures of its own');
  }
  const latency = [...ours.latency.keys()].map((bytes) => [size(bytes), (of: Measured) => of.latency.get(bytes)] as const);
  const rate = [...ours.rate.keys()].map((bytes) => (bytes <= SHORT_BYTES
    ? [`${size(bytes)}, thousand messages/s`, (of: Measured) => of.rate.get(bytes)?.map((value) => value / 1e3)] as const
    : [`${size(bytes)}, MB/s`, (of: Measured) => of.rate.get(bytes)?.map((value) => value * bytes / 1e6)] as const));
  return [
    ...table('half a round trip, µs (less is better)', columns, latency), '',
    ...table('64 messages under way (more is better)', columns, rate),
    ...columns.flatMap(({ name, measured }) => ('missing' in measured ? ['', `${name} was not measured: ${measured.missing}`] : [])),
  ];
}

/** "15 times faster than btl/tcp", "1.4 times slower than shared memory", "as fast as ..." */
function compared(ours: number, theirs: number, name: string): string {
  const times = ours < theirs ? theirs / ours : ours / theirs;
  return times < 1.1 ? `as fast as ${name}` : `${Number(times.toPrecision(2))} times ${ours < theirs ? 'faster' : 'slower'} than ${name}`;
}

/** Launches of one transport on a machine that does nothing else differ by less. */
const QUIET_SPREAD = 2;

/** What the figures say, and what they do not: a line each. */
export function meaning(columns: readonly Column[]): string[] {
  const all = figures(columns);
  const [us, ...others] = all;
  const bytes = us?.[1].latency.keys().next().value;
  if (us === undefined || bytes === undefined) {
    throw new RangeError('the demo has no figures of its own');
  }
  const launches = ([, measured]: Figures): readonly number[] => measured.latency.get(bytes) ?? [];
  const ours = median(launches(us));
  const spread = Math.max(...all.map((one) => Math.max(...launches(one)) / Math.min(...launches(one))));
  // A ratio between figures that chance has made would only mislead.
  const peers = spread > QUIET_SPREAD ? [] : others.map((other) => compared(ours, median(launches(other)), other[0].name));
  return [
    `A message of ${size(bytes)} takes ${number(ours)} µs over vfring${peers.length > 0 ? `: ${peers.join(', ')}` : ''}. No kernel is on its way; each process drives a VF itself.`,
    'A soft VF is a file in memory, and the processes themselves play the card: these times are those of the software, and say nothing about hardware.',
    ...(spread <= QUIET_SPREAD ? [] : [
      `Launches of the same transport differ up to ${Number(spread.toPrecision(2))}-fold: other work runs on this machine, where each rank needs a processor of its own. Run it again when it is quiet.`,
    ]),
    'npm run demo -- --lab shows real VFs in an emulated machine; docs/performance has what was measured.',
  ];
}

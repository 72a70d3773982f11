// SPDX-License-Identifier: BSD-3-Clause
/** Medians and ratios of interleaved launches, as a Markdown table. */
import { median } from '../../control/src/bench/stats.js';

/** Three digits are what a median of few launches can tell. */
const digits = (value: number): string => {
  const text = value.toPrecision(3);
  return text.includes('e') ? String(Number(text)) : text;
};

/** The same without zeros at the end, for what was not measured. */
const short = (value: number): string => String(Number(value.toPrecision(3)));

export interface Comparison {
  readonly what: string;
  /** One value a launch. */
  readonly ours: readonly number[];
  readonly peer: { readonly name: string; readonly values: readonly number[] };
  /** What our median divided by the peer's shall be: at most (times) or at least (rates). */
  readonly goal: { readonly atMost: number } | { readonly atLeast: number };
}

/** "median (smallest..largest)" */
export function spread(values: readonly number[]): string {
  return `${digits(median(values))} (${digits(Math.min(...values))}..${digits(Math.max(...values))})`;
}

export function ratioOf(comparison: Comparison): number {
  return median(comparison.ours) / median(comparison.peer.values);
}

export function isReached(comparison: Comparison): boolean {
  const ratio = ratioOf(comparison);
  return 'atMost' in comparison.goal ? ratio <= comparison.goal.atMost : ratio >= comparison.goal.atLeast;
}

export function markdownTable(comparisons: readonly Comparison[]): string {
  const rows = comparisons.map((comparison) => {
    const { what, ours, peer, goal } = comparison;
    const wanted = 'atMost' in goal ? `≤ ${short(goal.atMost)}` : `≥ ${short(goal.atLeast)}`;
    return `| ${what} | ${spread(ours)} | ${peer.name}: ${spread(peer.values)} | ${digits(ratioOf(comparison))} | ${wanted} | ${isReached(comparison) ? 'yes' : 'no'} |`;
  });
  return ['| | vfring | peer | vfring : peer | goal | reached |', '| --- | --- | --- | --- | --- | --- |', ...rows].join('\n');
}

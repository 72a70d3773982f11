// SPDX-License-Identifier: BSD-3-Clause
/** What the page's script is told: the one file of the control plane that it sees. */

export interface PlotLine {
  /** Name of the transport. */
  readonly name: string;
  /** Which colour and dash it has, everywhere on the page. */
  readonly style: number;
  /** By x; null: not measured. */
  readonly median: readonly (number | null)[];
  readonly min: readonly (number | null)[];
  readonly max: readonly (number | null)[];
}

export interface PlotData {
  /** Of the element that it is drawn in. */
  readonly id: string;
  readonly unit: string;
  /** ratio: logarithmic around 1. */
  readonly scale: 'log' | 'linear' | 'ratio';
  /** Sizes in bytes, ascending. */
  readonly x: readonly number[];
  /** For people, of each x. */
  readonly labels: readonly string[];
  readonly lines: readonly PlotLine[];
}

/** Dashes of uPlot and SVG: whoever does not tell the colours apart tells these. */
export const DASHES: readonly (readonly number[])[] = [[], [9, 5], [2, 4], [10, 4, 2, 4], [16, 5], [4, 2]];

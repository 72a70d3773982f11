// SPDX-License-Identifier: BSD-3-Clause
/** Figures as tables for a terminal: what one looks at first. The page has all of them. */
import { spreadOfValues, type BenchmarkFigures, type MetricFigures } from './figures.js';
import type { Result } from './result.js';
import { spreadText } from './words.js';

/** Percentiles of single operations are for the page, unless they are what the benchmark is about. */
const PERCENTILE = /^p\d+_us$/;

/** A table for each figure, with a column for each transport and an empty line before it. */
export function textTables(result: Result, figures: readonly BenchmarkFigures[]): string[] {
  const names = result.transports.map(({ name }) => name);
  return figures.flatMap(({ benchmark, metrics }) => metrics
    .filter(({ metric }, i) => i === 0 || !PERCENTILE.test(metric.key))
    .flatMap((one) => ['', ...table(`${benchmark.name}: ${one.metric.title}, ${one.metric.unit} (${one.metric.better} is better)`, names, one)]));
}

function table(title: string, names: readonly string[], { points }: MetricFigures): string[] {
  const rows = [['', ...names], ...points.map(({ label, values }) => [label, ...names.map((name) => spreadText(spreadOfValues(values.get(name))))])];
  const widths = rows[0]?.map((_unused, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  return [title, ...rows.map((row) => `  ${row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join('   ')}`)];
}

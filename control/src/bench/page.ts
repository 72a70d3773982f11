// SPDX-License-Identifier: BSD-3-Clause
/**
 * A result as one HTML file that asks nobody for anything. All figures are in it as text and tables, so that it says
 * everything without its script, too; the script draws them.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ALPHA, LEAST_CHANGE, type Comparison } from './compare.js';
import { LEAST_ROUNDS, WIDEST_FOLD, figuresOf, spreadOfValues, type BenchmarkFigures, type MetricFigures } from './figures.js';
import { Html, html, jsonText, scriptText } from './html.js';
import { digits } from './numbers.js';
import { DASHES, type PlotData, type PlotLine } from './plot-data.js';
import type { Result } from './result.js';
import type { Spread } from './stats.js';
import { betterWords, changeText, comparisonText, headlines, ratioText, spreadText, warnings } from './words.js';

/** The script and the style sheet, as the build has made them. */
export interface PageAssets {
  readonly script: string;
  readonly style: string;
}

/** Throws a system error when the build has not been. */
export function readPageAssets(dir: string): PageAssets {
  const read = (name: string): string => readFileSync(join(dir, name), 'utf8');
  return { script: read('bench.js'), style: read('bench.css') };
}

export function pageOf(result: Result, comparison: Comparison | undefined, assets: PageAssets): string {
  const figures = figuresOf(result);
  const plots: PlotData[] = [];
  const body = html`<a class="skip" href="#results">To the results</a>
<main>
${head(result)}
${banners(result, figures)}
<section aria-labelledby="short"><h2 id="short">In short</h2><ul class="card short">${headlines(figures).map((line) => html`<li>${line}</li>`)}${figures.length === 0 && html`<li>Nothing was measured.</li>`}</ul></section>
${comparison !== undefined && changes(comparison)}
<div id="results" tabindex="-1">${figures.map((one, i) => benchmark(one, `b${i}`, result, plots))}</div>
${conditions(result)}
${trouble(result, figures)}
${reading()}
</main>`;
  const script = scriptText(assets.script).text;
  const hash = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
  const policy = `default-src 'none'; script-src ${hash(script)}; style-src ${hash(assets.style)}; img-src data:; base-uri 'none'; form-action 'none'`;
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>vfring bench – ${hostsText(result)}, ${day(result.started_at)}</title>
<link rel="icon" href="data:,">
<style>${new Html(assets.style)}</style>
</head>
<body>
${body}
<script type="application/json" id="plots">${jsonText(plots)}</script>
<script>${new Html(script)}</script>
</body>
</html>
`.text;
}

const day = (iso: string): string => iso.slice(0, 'YYYY-MM-DD'.length);
const hostsText = ({ hosts, conditions: facts }: Result): string => (hosts.length > 0 ? hosts.join(', ') : (facts.find(([name]) => name === 'host')?.[1] ?? 'this host'));

function head(result: Result): Html {
  return html`<header><h1>vfring bench</h1><p class="soft">${hostsText(result)} · <time datetime="${result.started_at}">${result.started_at.replace('T', ' ').replace(/\..*/, ' UTC')}</time> · ${result.ranks} ranks · ${result.launches_wanted} launches of each · vfring ${result.release}</p></header>`;
}

function banners(result: Result, figures: readonly BenchmarkFigures[]): Html | false {
  const all = warnings(result, figures);
  return all.length > 0 && html`<div class="warning" role="note"><h2><span aria-hidden="true">!</span> Before you believe these figures</h2><ul>${all.map((text) => html`<li>${text}</li>`)}</ul></div>`;
}

function table(caption: string, heads: readonly string[], rows: readonly (readonly (string | Html)[])[]): Html {
  return html`<div class="values" tabindex="0" role="region" aria-label="${caption}"><table><caption class="unseen">${caption}</caption>
<thead><tr>${heads.map((text, i) => html`<th scope="col"${i > 0 && new Html(' class="numeric"')}>${text}</th>`)}</tr></thead>
<tbody>${rows.map(([first = '', ...cells]) => html`<tr><th scope="row">${first}</th>${cells.map((cell) => html`<td class="numeric">${cell}</td>`)}</tr>
`)}</tbody></table></div>`;
}

/** A style a transport, the same everywhere. */
const styleOf = (result: Result, name: string): number => Math.max(0, result.transports.findIndex((one) => one.name === name)) % DASHES.length;

const sample = (style: number): Html => html`<svg width="34" height="8" aria-hidden="true"><line class="line${style}" x1="1" y1="4" x2="33" y2="4" stroke-dasharray="${(DASHES[style] ?? []).join(' ')}"/></svg>`;

function line(name: string, style: number, spreads: readonly (Spread | undefined)[]): PlotLine {
  const of = (value: (spread: Spread) => number): (number | null)[] => spreads.map((spread) => (spread === undefined ? null : value(spread)));
  return { name, style, median: of(({ median }) => median), min: of(({ min }) => min), max: of(({ max }) => max) };
}

function benchmark({ benchmark: about, metrics, failed }: BenchmarkFigures, id: string, result: Result, plots: PlotData[]): Html {
  return html`<section aria-labelledby="${id}"><h2 id="${id}">${about.title}</h2>
${failed.length > 0 && html`<p class="soft">${failed.length} of its launches failed: see below.</p>`}
<div class="plots">${metrics.map((one, i) => metricFigure(one, `${id}m${i}`, about.title, result, plots))}${metrics[0] !== undefined && ratioFigure(metrics[0], `${id}r`, about.title, result, plots)}</div></section>
`;
}

function metricFigure({ metric, points }: MetricFigures, id: string, title: string, result: Result, plots: PlotData[]): Html {
  const names = result.transports.map(({ name }) => name).filter((name) => points.some(({ values }) => values.has(name)));
  const bytes = points.flatMap((point) => (point.bytes === undefined ? [] : [point.bytes]));
  const drawn = bytes.length === points.length && points.length > 1;
  if (drawn) {
    plots.push({
      id, unit: metric.unit, scale: metric.unit === '%' ? 'linear' : 'log', x: bytes, labels: points.map(({ label }) => label),
      lines: names.map((name) => line(name, styleOf(result, name), points.map(({ values }) => spreadOfValues(values.get(name))))),
    });
  }
  const rows = points.map(({ label, values }) => [label, ...names.map((name) => spreadText(spreadOfValues(values.get(name))))]);
  return figure(id, metric.title, `${metric.unit}; ${metric.better} is better`, title, drawn, names, result, table(`${title}: ${metric.title}, ${metric.unit}`, ['', ...names], rows));
}

function ratioFigure({ metric, points, ratios }: MetricFigures, id: string, title: string, result: Result, plots: PlotData[]): Html | false {
  const [first] = ratios;
  if (first === undefined) {
    return false;
  }
  const bytes = points.flatMap((point) => (point.bytes === undefined ? [] : [point.bytes]));
  const drawn = bytes.length === points.length && points.length > 1;
  if (drawn) {
    plots.push({
      id, unit: 'times', scale: 'ratio', x: bytes, labels: points.map(({ label }) => label),
      lines: ratios.map(({ peer, points: of }) => line(peer, styleOf(result, peer), of.map(({ ratio }) => ratio.spread))),
    });
  }
  const names = ratios.map(({ peer }) => peer);
  const words = betterWords(metric);
  const rows = points.map(({ label }, i) => [label, ...ratios.map(({ peer, points: of }) => {
    const ratio = of[i]?.ratio ?? { spread: undefined, verdict: 'few' as const };
    const { verdict } = ratio;
    return html`<span class="verdict ${verdict}">${verdict === 'faster' || verdict === 'slower' ? `${spreadText(ratio.spread)} ${words[verdict]}` : ratioText(ratio, peer, metric)}</span>`;
  })]);
  return figure(id, `${first.ours} against each peer`, `how many times as ${words.as}, round by round; above 1 it is ${words.faster}`, title, drawn, names, result,
    table(`${title}: ${metric.title}, ${first.ours} against each peer`, ['', ...names], rows));
}

function figure(id: string, name: string, unit: string, title: string, drawn: boolean, lines: readonly string[], result: Result, values: Html): Html {
  const keys = lines.map((one) => html`<li><button type="button" aria-pressed="true" data-line="${one}">${sample(styleOf(result, one))} ${one} <b></b></button></li>`);
  return html`<figure class="plot card${!drawn && ' tabular'}"><figcaption><h3>${name}</h3><span class="soft">${unit}</span></figcaption>
${drawn && html`<div class="canvas" id="${id}" tabindex="0" role="img" aria-label="${`${title}: ${name}. Arrow keys go from size to size; all values are in the table below.`}"></div><p class="at soft" aria-live="polite"></p><ul class="legend">${keys}</ul>`}
<details${!drawn && new Html(' open')}><summary>Values</summary>${values}</details></figure>
`;
}

function changes(comparison: Comparison): Html {
  const { before, conditions: differ, onlyBefore, onlyAfter } = comparison;
  const rows = comparison.changes.map((change) => [`${change.benchmark}, ${change.label}, ${change.transport}`,
    html`<span class="verdict ${change.verdict}">${changeText(change)}</span>`, `${digits(change.times)} times`, change.p.toPrecision(2), spreadText(change.before), spreadText(change.after)]);
  const only = (names: readonly string[], which: string): Html | false => names.length > 0 && html`<li>${which} only: ${names.join(', ')}.</li>`;
  return html`<section aria-labelledby="changes"><h2 id="changes">Changes since ${before.startedAt.replace('T', ' ').replace(/\..*/, ' UTC')}</h2><div class="card">
<p>${comparisonText(comparison)}.</p>
<ul class="plain">${before.state !== 'complete' && html`<li>The earlier result is partial (${before.state}).</li>`}${only(onlyBefore, 'Measured then')}${only(onlyAfter, 'Measured now')}
${differ.map(([name, was, is]) => html`<li><b>Not the same:</b> ${name} was “${was}”, is “${is}”.</li>`)}</ul>
<details open><summary>All of them</summary>${table('Changes', ['', 'more than noise?', 'median is', 'p', 'then', 'now'], rows)}</details></div></section>`;
}

function conditions(result: Result): Html {
  const loads = (load: readonly number[] | null): string => (load === null ? 'unknown' : load.map((one) => one.toFixed(2)).join(' '));
  const facts: readonly (readonly [string, string])[] = [
    ...result.conditions,
    ['load average before, over 1, 5, 15 minutes', loads(result.load_before)], ['load average after', loads(result.load_after)],
    ['repeats', result.quick ? 'few (--quick)' : 'as many as the programs choose'], ['command', result.command.join(' ')],
  ];
  return html`<section aria-labelledby="conditions"><h2 id="conditions">Conditions</h2><dl class="card facts">${facts.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}
${result.transports.map(({ name, title, facts: own }) => html`<div><dt>${sample(styleOf(result, name))} ${name}</dt><dd>${title}${own.map(([key, value]) => html`<br><span class="soft">${key}:</span> ${value}`)}</dd></div>`)}</dl></section>`;
}

function trouble(result: Result, figures: readonly BenchmarkFigures[]): Html | false {
  const failed = figures.flatMap((one) => one.failed);
  const lines = [
    ...result.skipped.map(({ transport, why, remedy }) => html`<li><b>${transport}</b> was not measured: ${why}. <span class="soft">${remedy}</span></li>`),
    ...failed.map(({ benchmark: name, transport, round, failure, rows }) => html`<li><b>${name} over ${transport}</b>, launch ${round}, failed: ${failure ?? ''}. <span class="soft">${rows.length} rows came before; they are in the JSON file.</span></li>`),
  ];
  return lines.length > 0 && html`<section aria-labelledby="trouble"><h2 id="trouble">What was not measured</h2><ul class="card plain">${lines}</ul></section>`;
}

function reading(): Html {
  return html`<section aria-labelledby="reading"><h2 id="reading">How to read this</h2><div class="card prose">
<p>Each launch is a fresh start of the program over one transport; the launches of a round follow one another, so that what else the machine does hits all transports alike. A figure is the median of its launches, with the smallest and the largest behind it; a shaded band is that range. The launches' own percentiles (p50, p99, p99.9) are of single operations.</p>
<p>A ratio is made round by round. Something is concluded of it only with ${LEAST_ROUNDS} rounds or more, all of which say the same, and which differ by no more than ${WIDEST_FOLD} times. Otherwise a warning takes the conclusion's place.</p>
<p>A change is more than noise where the exact Mann-Whitney U test has p ≤ ${ALPHA} and the medians differ by more than ${((LEAST_CHANGE - 1) * 100).toFixed(0)} %. The test knows the launches, not the days: where conditions are not the same, they are what may have changed.</p>
<p>Times over soft VFs are times of software, and say nothing about a card.</p></div></section>`;
}

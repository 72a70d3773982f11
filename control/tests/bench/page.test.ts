// SPDX-License-Identifier: BSD-3-Clause
/** What the page says without its script, and that it asks nobody for anything. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { compare } from '../../src/bench/compare.js';
import { escape, html, jsonText, scriptText } from '../../src/bench/html.js';
import { pageOf, readPageAssets } from '../../src/bench/page.js';
import type { PlotData } from '../../src/bench/plot-data.js';
import { logTicks, shortNumber, spaced, thinned } from '../../web/bench/ticks.js';
import { benchLaunch, benchResult } from '../helpers/bench-result.js';

const assets = readPageAssets(join(import.meta.dirname, '../../../build/web'));
const small = { script: 'draw()', style: 'p{}' };
const plotsOf = (page: string): PlotData[] => JSON.parse(/<script type="application\/json" id="plots">(.*?)<\/script>/s.exec(page)?.[1] ?? '') as PlotData[];

describe('the page', () => {
  const page = pageOf(benchResult(), undefined, assets);
  const bare = pageOf(benchResult(), undefined, small);

  test('is one file: nothing in it is fetched', () => {
    const markup = page.replace(assets.style, '').replace(scriptText(assets.script).text, '');
    expect(markup).not.toMatch(/\b(?:src|href)="(?!#|data:,)/);
    expect(assets.style).not.toMatch(/@import|url\(/);
    expect(bare).toContain('default-src &#39;none&#39;');
  });

  test('lets run what it was made with, and nothing else', () => {
    const policy = /Content-Security-Policy" content="(.*?)"/.exec(page)?.[1]?.replace(/&#39;/g, "'") ?? '';
    const hash = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
    const script = /<script>(.*?)<\/script>\n<\/body>/s.exec(page)?.[1] ?? '';
    expect(policy).toContain(`script-src ${hash(script)};`);
    expect(policy).toContain(`style-src ${hash(/<style>(.*?)<\/style>/s.exec(page)?.[1] ?? '')};`);
    expect(policy).not.toContain('unsafe');
  });

  test('has a plot of each figure over size, and a table behind each', () => {
    const plots = plotsOf(bare);
    expect(plots.map(({ id }) => id)).toEqual(['b0m0', 'b0m1', 'b0m2', 'b0m3', 'b0r', 'b1m0', 'b1m1', 'b1m2', 'b1m3', 'b1r']);
    for (const { id, x, lines } of plots) {
      expect(bare).toContain(`<div class="canvas" id="${id}" tabindex="0" role="img"`);
      lines.forEach((line) => expect([line.median.length, line.min.length, line.max.length]).toEqual([x.length, x.length, x.length]));
    }
    expect(bare.match(/<figure /g)?.length).toBe(12); // with the two of startup, which are tables alone
    expect(bare.match(/<details/g)?.length).toBe(12);
    expect(bare).toContain('<th scope="row">8 B</th><td class="numeric">0.662 (0.649..0.688)</td>');
  });

  test('tells transports apart by dashes, not by colour alone', () => {
    expect(new Set(plotsOf(bare)[0]?.lines.map(({ style }) => style)).size).toBe(3);
    expect(new Set(bare.match(/class="line\d" x1="1" y1="4" x2="33" y2="4" stroke-dasharray="[\d ]*"/g)).size).toBe(3);
  });

  test('says under which conditions, and what is software', () => {
    for (const text of ['node7', '6.12.0', '0.10 0.20 0.30', '1.80 0.90 0.50', '5.0.7', 'soft VFs: software, no card (82576)', '9000', '65536', '5 launches of each', 'say nothing about a card']) {
      expect(bare).toContain(text);
    }
    expect(bare).not.toContain('Before you believe');
  });

  test('marks partial results before anything else, with what failed and what was left out', () => {
    const partial = pageOf(benchResult({
      state: 'interrupted', why: 'it was interrupted (SIGTERM)', skipped: [{ transport: 'ucx', why: 'this Open MPI has no component pml/ucx', remedy: 'install one' }],
      launches: [...benchResult().launches, benchLaunch({ ok: false, failure: 'exit status 1: no route', rows: [{ bytes: 8, median_us: 1 }] })],
    }), undefined, small);
    expect(partial.indexOf('partial results: it was interrupted (SIGTERM)')).toBeGreaterThan(0);
    expect(partial.indexOf('partial results')).toBeLessThan(partial.indexOf('In short'));
    expect(partial).toContain('<b>ucx</b> was not measured: this Open MPI has no component pml/ucx');
    expect(partial).toContain('launch 1, failed: exit status 1: no route. <span class="soft">1 rows came before');
  });

  test('of nothing is a page that says so', () => {
    const none = pageOf(benchResult({ launches: [], state: 'running' }), undefined, small);
    expect(none).toContain('Nothing was measured.');
    expect(plotsOf(none)).toEqual([]);
  });

  test('has changes since an earlier result, with their p', () => {
    const now = benchResult({ conditions: [['kernel', '6.13.0']] }, [1.5, 1.52, 1.48, 1.51, 1.49]);
    const compared = pageOf(now, compare(benchResult(), now), small);
    expect(compared).toContain('Changes since 2026-11-30 10:00:00 UTC');
    expect(compared).toContain('<th scope="row">latency, 8 B, vfring</th>');
    expect(compared).toContain('<td class="numeric"><span class="verdict worse">worse</span></td><td class="numeric">1.50 times</td><td class="numeric">0.0079</td>');
    expect(compared).toContain('kernel was “6.12.0”, is “6.13.0”');
  });

  test('takes what comes from outside for text', () => {
    const evil = '</script><script>alert(1)</script><img src=x onerror=alert(2)>"\'&';
    const hostile = benchResult({
      conditions: [[evil, evil]], why: evil, state: 'failed', hosts: [evil], command: [evil], skipped: [{ transport: evil, why: evil, remedy: evil }],
      transports: [{ name: 'vfring', title: evil, facts: [[evil, evil]] }, { name: evil, title: evil, facts: [] }],
      launches: [...benchResult().launches, ...benchResult().launches.map((one) => ({ ...one, transport: evil })), benchLaunch({ transport: evil, ok: false, failure: evil })],
    });
    const text = pageOf(hostile, compare(hostile, hostile), small);
    expect(text).not.toMatch(/<img|<script>alert/);
    expect(text.match(/<script/g)?.length).toBe(2);
    expect(plotsOf(text)[0]?.lines[1]?.name).toBe(evil);
  });
});

describe('HTML', () => {
  test('of a value is text, of HTML itself', () => {
    expect(html`<p title="${'"'}">${'<b>'}${html`<i>${1}</i>`}${false}${undefined}${[html`<u></u>`, '&']}</p>`.text).toBe('<p title="&quot;">&lt;b&gt;<i>1</i><u></u>&amp;</p>');
    expect(escape(`<>&"'`)).toBe('&lt;&gt;&amp;&quot;&#39;');
  });
  test('of a script ends where the script ends', () => {
    expect(scriptText('a="</script>"').text).toBe('a="<\\/script>"');
    expect(JSON.parse(jsonText({ a: '</script><!--' }).text)).toEqual({ a: '</script><!--' });
    expect(jsonText('</script>').text).not.toContain('<');
  });
});

describe('axes', () => {
  test('have few numbers that people can read, within their range', () => {
    expect(logTicks(0.5, 20)).toEqual([0.5, 1, 2, 5, 10, 20]);
    expect(logTicks(0.8, 3)).toEqual([1, 1.5, 2, 3]);
    for (const [least, most] of [[0.6, 300], [0.001, 1e7], [5, 1.3e9], [0.9, 1.1]] as const) {
      const ticks = logTicks(least, most);
      expect(ticks.length).toBeGreaterThan(0);
      expect(ticks.length).toBeLessThanOrEqual(7);
      expect(ticks.every((tick) => tick >= least && tick <= most)).toBe(true);
    }
    expect(thinned([1, 2, 3, 4, 5], 2)).toEqual([1, 4]);
    expect(spaced([8, 64, 1024, 4096, 65536], 260, 52)).toEqual([8, 64, 1024, 65536]);
    expect([spaced([8], 100, 52), spaced([], 100, 52)]).toEqual([[8], []]);
    expect([0.6634, 12.34, 1234, 41000, 2100000, 3.2e9].map(shortNumber)).toEqual(['0.663', '12.3', '1230', '41 k', '2.1 M', '3.2 G']);
  });
});

// SPDX-License-Identifier: BSD-3-Clause
/** The last hour, drawn by uPlot; what is drawn is also a table, for who cannot see or point. */
import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';
import type { PageSample } from '../src/web/view.js';
import { bytes, clock, number } from './format.js';
import { seriesColours, useDark } from './theme.js';

export interface Line {
  readonly name: string;
  /** Lines of one colour belong together; a dashed one is the other direction. */
  readonly colour: number;
  readonly dashed?: boolean;
  readonly value: (sample: PageSample) => number | null;
}

interface PlotProps {
  readonly title: string;
  readonly lines: readonly Line[];
  readonly samples: readonly PageSample[];
  readonly unit: 'bytes' | 'bytes/s' | 'count';
}

const HEIGHT = 180;
const SHORTEST_MS = 10 * 60_000;
/** Rows of the table behind a plot: a line each five minutes is read, one each ten seconds is not. */
const TABLE_EVERY = 30;
const POWERS_OF_TWO = Array.from({ length: 50 }, (_unused, i) => 2 ** i);
const WHOLE = [1, 2, 5, 10, 20, 50, 100, 200, 500];

export function Plot({ title, lines, samples, unit }: PlotProps): JSX.Element {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const [at, setAt] = useState<number | null>(null);
  const dark = useDark();
  const colours = seriesColours(dark);
  const text = (value: number | null | undefined): string => (value === null || value === undefined ? '–' : unit === 'count' ? number(value) : `${bytes(value)}${unit === 'bytes/s' ? '/s' : ''}`);
  const data: uPlot.AlignedData = [samples.map((sample) => sample.at / 1000), ...lines.map(({ value }) => samples.map(value))];
  const names = lines.map(({ name }) => name).join();

  useEffect(() => {
    const element = place.current;
    if (element === null) {
      return;
    }
    const style = getComputedStyle(document.documentElement);
    const [ink, rule] = [style.getPropertyValue('--soft'), style.getPropertyValue('--rule')];
    const axis: uPlot.Axis = { stroke: ink, grid: { stroke: rule, width: 1 }, ticks: { show: false }, font: '12px system-ui, sans-serif' };
    const made = new uPlot({
      width: element.clientWidth,
      height: HEIGHT,
      legend: { show: false },
      cursor: { y: false, points: { size: 7 } },
      scales: {
        x: { time: true, range: (_plot, min, max) => [Math.min(min, max - SHORTEST_MS / 1000), max] },
        y: { range: (_plot, _min, max) => [0, max > 0 ? max * 1.1 : 1] },
      },
      axes: [
        { ...axis, size: 28, values: '{HH}:{mm}', space: 48 },
        { ...axis, size: 72, incrs: unit === 'count' ? WHOLE : POWERS_OF_TWO, values: (_plot, ticks) => ticks.map((tick) => text(tick)), space: 36 },
      ],
      series: [{}, ...lines.map(({ name, colour, dashed }) => ({
        label: name, stroke: colours[colour % colours.length] ?? ink, width: 2, points: { show: false }, ...(dashed && { dash: [6, 4] }),
      }))],
      hooks: { setCursor: [(one) => setAt(one.cursor.idx ?? null)] },
    }, data, element);
    plot.current = made;
    const watcher = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height: HEIGHT }));
    watcher.observe(element);
    return () => {
      watcher.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [names, dark, unit]);
  useEffect(() => plot.current?.setData(data), [samples, names, dark]);

  const shown = samples[at ?? samples.length - 1];
  return (
    <figure class="plot card">
      <figcaption>
        <h3>{title}</h3>
        <span class="when">{shown === undefined ? 'no sample yet' : at === null ? 'now' : clock(shown.at)}</span>
      </figcaption>
      <div ref={place} class="canvas" role="img" aria-label={`${title} over the last hour; the values are in the table below`} />
      <ul class="legend">
        {lines.map(({ name, colour, dashed, value }) => (
          <li key={name}>
            <svg width="22" height="8" aria-hidden="true"><line x1="0" y1="4" x2="22" y2="4" stroke={colours[colour % colours.length]} stroke-width="3" stroke-dasharray={dashed ? '6 4' : undefined} /></svg>
            {name} <b>{shown === undefined ? '–' : text(value(shown))}</b>
          </li>
        ))}
      </ul>
      <details>
        <summary>Values</summary>
        <div class="values" tabIndex={0} role="region" aria-label={`Values of ${title}`}><table>
          <thead><tr><th scope="col">Time</th>{lines.map(({ name }) => <th key={name} scope="col" class="numeric">{name}</th>)}</tr></thead>
          <tbody>
            {samples.filter((_unused, i) => (samples.length - 1 - i) % TABLE_EVERY === 0).reverse().map((sample) => (
              <tr key={sample.at}>
                <th scope="row">{clock(sample.at)}</th>
                {lines.map(({ name, value }) => <td key={name} class="numeric" data-title={name}>{text(value(sample))}</td>)}
              </tr>
            ))}
          </tbody>
        </table></div>
      </details>
    </figure>
  );
}

/** So many PFs have lines of their own; beyond, they are added up. */
const MOST_PFS = 2;

export function Plots({ samples }: { readonly samples: readonly PageSample[] }): JSX.Element {
  const pfs = [...new Set(samples.slice(-1).flatMap(({ pfs: of }) => Object.keys(of)))];
  const sum = (key: 'tx' | 'rx') => (sample: PageSample): number => Object.values(sample.pfs).reduce((total, pf) => total + pf[key], 0);
  const each = (pf: string, key: 'tx' | 'rx') => (sample: PageSample): number | null => sample.pfs[pf]?.[key] ?? null;
  const traffic: Line[] = pfs.length > MOST_PFS || pfs.length === 0
    ? [{ name: 'out', colour: 0, value: sum('tx') }, { name: 'in', colour: 0, dashed: true, value: sum('rx') }]
    : pfs.flatMap((pf, i) => [{ name: `${pf} out`, colour: i, value: each(pf, 'tx') }, { name: `${pf} in`, colour: i, dashed: true, value: each(pf, 'rx') }]);
  return (
    <div class="plots">
      <Plot title="Traffic" unit="bytes/s" samples={samples} lines={traffic} />
      <Plot title="VFs" unit="count" samples={samples} lines={[
        { name: 'leased', colour: 0, value: ({ leased }) => leased },
        { name: 'waited for', colour: 1, value: ({ queued }) => queued },
        { name: 'draining or unhealthy', colour: 3, dashed: true, value: ({ sick }) => sick },
      ]} />
      <Plot title="Registered memory" unit="bytes" samples={samples} lines={[{ name: 'registered', colour: 2, value: ({ registered_bytes: of }) => of }]} />
    </div>
  );
}

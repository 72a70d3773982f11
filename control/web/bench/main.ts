// SPDX-License-Identifier: BSD-3-Clause
/** Draws the plots of a page that vfring bench has made; everything else of it is there already. */
import 'uplot/dist/uPlot.min.css';
import './bench.css';
import uPlot from 'uplot';
import { DASHES, type PlotData } from '../../src/bench/plot-data.js';
import { logTicks, shortNumber, spaced } from './ticks.js';

const HEIGHT = 240;
/** A label of the x axis, in pixels. */
const LABEL_WIDTH = 52;

const style = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** What is not above 0 has no place on a logarithmic scale. */
const drawable = (values: readonly (number | null)[], scale: PlotData['scale']): (number | null)[] =>
  values.map((value) => (value === null || (scale !== 'linear' && value <= 0) ? null : value));

function show(data: PlotData, place: HTMLElement): void {
  const figure = place.closest('figure');
  const at = figure?.querySelector<HTMLElement>('.at');
  const buttons = [...(figure?.querySelectorAll<HTMLButtonElement>('.legend button') ?? [])];
  let index = data.x.length - 1;
  let plot: uPlot | undefined;

  const tell = (aloud: boolean): void => {
    buttons.forEach((button) => {
      const value = data.lines.find(({ name }) => name === button.dataset['line'])?.median[index];
      const text = button.querySelector('b');
      if (text !== null) {
        text.textContent = value === null || value === undefined ? '–' : shortNumber(value);
      }
    });
    if (at) {
      const spoken = data.lines.map(({ name, median }) => {
        const value = median[index];
        return `${name} ${value === null || value === undefined ? 'not measured' : shortNumber(value)}`;
      }).join(', ');
      at.textContent = `${data.labels[index] ?? ''}, ${data.unit}${aloud ? `: ${spoken}` : ''}`;
    }
  };

  const shown = (name: string): boolean => buttons.find((button) => button.dataset['line'] === name)?.getAttribute('aria-pressed') !== 'false';

  const draw = (): void => {
    plot?.destroy();
    const [ink, rule] = [style('--soft'), style('--rule')];
    const lines = data.lines.filter(({ name }) => shown(name));
    const axis: uPlot.Axis = { stroke: ink, grid: { stroke: rule, width: 1 }, ticks: { show: false }, font: '12px system-ui, sans-serif' };
    const all = lines.flatMap(({ min, max }) => [...drawable(min, data.scale), ...drawable(max, data.scale)]).filter((value) => value !== null);
    const [least, most] = [Math.min(...all, ...(data.scale === 'ratio' ? [1] : [])), Math.max(...all, ...(data.scale === 'ratio' ? [1] : []))];
    const range: [number, number] = all.length === 0 ? [1, 10] : data.scale === 'linear' ? [0, most * 1.1 || 1] : [least / 1.25, most * 1.25];
    const series = lines.flatMap(({ name, style: of }): uPlot.Series[] => {
      const colour = style(`--line${of}`);
      const hidden: uPlot.Series = { stroke: 'transparent', width: 0, points: { show: false } };
      return [{ label: name, stroke: colour, width: 2.5, dash: [...(DASHES[of] ?? [])], points: { show: true, size: 6, fill: colour }, spanGaps: true }, { ...hidden, label: `${name} least` }, { ...hidden, label: `${name} most` }];
    });
    plot = new uPlot({
      width: place.clientWidth,
      height: HEIGHT,
      legend: { show: false },
      cursor: { y: false, points: { size: 9 }, drag: { x: false, y: false } },
      scales: {
        x: { time: false, distr: 3, log: 2, range: (_plot, min, max) => [min / 1.3, max * 1.3] },
        y: { distr: data.scale === 'linear' ? 1 : 3, log: 10, range: () => range },
      },
      axes: [
        { ...axis, size: 30, splits: (one) => spaced(data.x, one.bbox.width / devicePixelRatio / 1.1, LABEL_WIDTH), filter: (_plot, splits) => splits, values: (_plot, splits) => splits.map((x) => data.labels[data.x.indexOf(x)] ?? '') },
        { ...axis, size: 58, ...(data.scale !== 'linear' && { splits: () => logTicks(range[0], range[1]), filter: (_plot: uPlot, splits: number[]) => splits }), values: (_plot, splits) => splits.map(shortNumber) },
      ],
      series: [{}, ...series],
      bands: lines.map(({ style: of }, i) => ({ series: [3 * i + 3, 3 * i + 2] as [number, number], fill: `${style(`--line${of}`)}30` })),
      hooks: {
        setCursor: [(one) => {
          if (one.cursor.idx !== null && one.cursor.idx !== undefined && one.cursor.idx !== index) {
            index = one.cursor.idx;
            tell(false);
          }
        }],
        drawAxes: [(one) => (data.scale === 'ratio' ? lineAtOne(one, ink) : undefined)],
      },
    }, [[...data.x], ...lines.flatMap(({ median, min, max }) => [drawable(median, data.scale), drawable(min, data.scale), drawable(max, data.scale)])], place);
  };

  place.addEventListener('keydown', (event) => {
    const next = { ArrowLeft: index - 1, ArrowRight: index + 1, Home: 0, End: data.x.length - 1 }[event.key];
    if (next === undefined || plot === undefined) {
      return;
    }
    event.preventDefault();
    index = Math.min(data.x.length - 1, Math.max(0, next));
    plot.setCursor({ left: plot.valToPos(data.x[index] as number, 'x'), top: 0 }, false);
    tell(true);
  });
  buttons.forEach((button) => button.addEventListener('click', () => {
    button.setAttribute('aria-pressed', String(button.getAttribute('aria-pressed') === 'false'));
    draw();
  }));
  draw();
  tell(false);
  new ResizeObserver(() => plot?.setSize({ width: place.clientWidth, height: HEIGHT })).observe(place);
  window.matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw);
}

/** Above it ours is faster. */
function lineAtOne(plot: uPlot, colour: string): void {
  const { ctx, bbox } = plot;
  const y = Math.round(plot.valToPos(1, 'y', true));
  ctx.save();
  ctx.strokeStyle = colour;
  ctx.lineWidth = 1.5 * devicePixelRatio;
  ctx.beginPath();
  ctx.moveTo(bbox.left, y);
  ctx.lineTo(bbox.left + bbox.width, y);
  ctx.stroke();
  ctx.restore();
}

document.documentElement.classList.add('drawn');
for (const data of JSON.parse(document.getElementById('plots')?.textContent ?? '[]') as PlotData[]) {
  const place = document.getElementById(data.id);
  if (place !== null) {
    show(data, place);
  }
}

// SPDX-License-Identifier: BSD-3-Clause
/** Where the axes of a plot have numbers. */

const MOST_TICKS = 7;

/** 1, 2 and 5 times powers of ten within a range; of a wide range the powers alone, and of a wider one not all of them. */
export function logTicks(least: number, most: number): number[] {
  const from = Math.floor(Math.log10(least));
  const powers = Array.from({ length: Math.ceil(Math.log10(most)) - from + 1 }, (_unused, i) => from + i);
  const within = (factors: readonly number[]): number[] => powers.flatMap((power) => factors.map((factor) => Number(`${factor}e${power}`))).filter((tick) => tick >= least && tick <= most);
  const fine = within([1, 1.5, 2, 3, 4, 5, 7]);
  const usual = within([1, 2, 5]);
  const tens = within([1]);
  if (fine.length <= MOST_TICKS) {
    return fine;
  }
  return usual.length <= MOST_TICKS ? usual : thinned(tens, MOST_TICKS);
}

/** At most so many of them, evenly, the first among them. */
export function thinned(values: readonly number[], most: number): number[] {
  const each = Math.max(1, Math.ceil(values.length / Math.max(1, most)));
  return values.filter((_value, i) => i % each === 0);
}

/** Of ascending values on a logarithmic axis of `width` pixels those that have room for a label of `label` pixels; the first among them. */
export function spaced(values: readonly number[], width: number, label: number): number[] {
  const [first, last] = [values[0] ?? 1, values.at(-1) ?? 1];
  const at = (value: number): number => (last === first ? 0 : (width * Math.log(value / first)) / Math.log(last / first));
  let free = 0;
  return values.filter((value) => {
    const fits = at(value) >= free;
    free = fits ? at(value) + label : free;
    return fits;
  });
}

/** "0.663", "12.3", "4.1 k", "2 M": three digits, without zeros that say nothing. */
export function shortNumber(value: number): string {
  const [factor, unit] = ([[1e9, ' G'], [1e6, ' M'], [1e4, ' k']] as const).find(([least]) => Math.abs(value) >= least) ?? [1, ''];
  const scale = unit === ' k' ? 1e3 : factor;
  return `${Number((value / scale).toPrecision(3))}${unit}`;
}

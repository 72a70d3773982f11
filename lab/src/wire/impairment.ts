// SPDX-License-Identifier: BSD-3-Clause
/** What a wire may do to the frames of one direction of one port. */

export interface Impairment {
  /** Probability, 0 to 1, that a frame is lost. */
  loss: number;
  /** ... that it arrives twice. */
  duplicate: number;
  /** ... that a few later frames overtake it. */
  reorder: number;
  /** How much later than without it every frame arrives. */
  delayMs: number;
  /** No frame gets through, and those under way are gone. */
  cut: boolean;
}

export const NO_IMPAIRMENT: Impairment = { loss: 0, duplicate: 0, reorder: 0, delayMs: 0, cut: false };

const LONGEST_DELAY_MS = 60_000;

/** @throws RangeError naming the value that is wrong */
export function checkImpairment(wanted: Impairment): Impairment {
  for (const name of ['loss', 'duplicate', 'reorder'] as const) {
    if (!(wanted[name] >= 0 && wanted[name] <= 1)) {
      throw new RangeError(`${name} is a probability from 0 to 1, not ${wanted[name]}`);
    }
  }
  if (!(wanted.delayMs >= 0 && wanted.delayMs <= LONGEST_DELAY_MS)) {
    throw new RangeError(`delay is 0 to ${LONGEST_DELAY_MS} ms, not ${wanted.delayMs}`);
  }
  return wanted;
}

function probability(name: string, text: string): number {
  const match = /^(\d+(?:\.\d+)?)(%?)$/.exec(text);
  const value = match ? Number(match[1]) / (match[2] === '%' ? 100 : 1) : NaN;
  if (!(value >= 0 && value <= 1)) {
    throw new RangeError(`${name} needs a share of the frames, such as 1% or 0.01, not '${text}'`);
  }
  return value;
}

/**
 * Reads `loss=1%,duplicate=0.5%,reorder=1%,delay=5ms,seed=7`, each of them as wanted.
 * @throws RangeError for anything else
 */
export function parseImpairment(text: string): { impairment: Partial<Impairment>; seed?: number } {
  const result: { impairment: Partial<Impairment>; seed?: number } = { impairment: {} };
  for (const word of text.split(',')) {
    const [name, value = ''] = word.split('=');
    switch (name) {
      case 'loss':
      case 'duplicate':
      case 'reorder':
        result.impairment[name] = probability(name, value);
        break;
      case 'delay':
        if (!/^\d+(\.\d+)?ms$/.test(value)) {
          throw new RangeError(`delay needs a time such as 5ms, not '${value}'`);
        }
        result.impairment.delayMs = Number(value.slice(0, -2));
        break;
      case 'seed':
        if (!/^\d{1,9}$/.test(value)) {
          throw new RangeError(`seed needs a whole number, not '${value}'`);
        }
        result.seed = Number(value);
        break;
      default:
        throw new RangeError(`'${word}' is none of loss=, duplicate=, reorder=, delay=, seed=`);
    }
  }
  checkImpairment({ ...NO_IMPAIRMENT, ...result.impairment });
  return result;
}

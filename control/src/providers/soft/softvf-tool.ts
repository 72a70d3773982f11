// SPDX-License-Identifier: BSD-3-Clause
/**
 * Makes, reads and removes files of soft VFs: the addon does it by the
 * functions that the tool vfring-softvf calls, too, without a process.
 */
import { join } from 'node:path';
import { VfringError, causeText, errnoCode } from '../../errors.js';
import type { Native, SoftVfState } from '../../native.js';

export type { SoftVfState };

/** All of them throw VFRING_ERR_SOFTVF_FAILED. */
export interface SoftVfTool {
  /** Makes DIR/vf<N> anew; who has the old one open sees its link go down for ever. MACs must differ within DIR. */
  create(dir: string, index: number, mac: string, mtu: number, model: string): void;
  show(file: string): SoftVfState;
  destroy(file: string): void;
}

export function softVfTool(addon: Pick<Native, 'softVfCreate' | 'softVfShow' | 'softVfDestroy'>): SoftVfTool {
  return {
    create: (dir, index, mac, mtu, model) => attempt(`making the soft VF ${join(dir, `vf${index}`)}`, () => addon.softVfCreate(dir, index, mac, mtu, model)),
    show: (file) => attempt(`reading the soft VF ${file}`, () => addon.softVfShow(file)),
    destroy: (file) => attempt(`removing the soft VF ${file}`, () => addon.softVfDestroy(file)),
  };
}

function attempt<T>(command: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    const cause = errnoCode(error) === 'EILSEQ' ? 'the file segment in its folder holds no name of a switch; remove it (vfringd makes all soft VFs there anew)' : causeText(error);
    throw new VfringError('VFRING_ERR_SOFTVF_FAILED', { command, cause }, { cause: error });
  }
}

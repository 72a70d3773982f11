// SPDX-License-Identifier: BSD-3-Clause
/** The files of soft VFs, as their administrator sees them. */
import { join } from 'node:path';
import { VfringError, causeText, errnoCode } from '../../errors.js';
import type { Native, SoftVfState } from '../../native.js';

/** All of it takes microseconds, and throws VFRING_ERR_SOFTVF_FAILED. */
export interface SoftVfFiles {
  /** Makes DIR/vf<N> anew; who has the old one open sees its link go down for ever. */
  create(dir: string, index: number, mac: string, mtu: number): void;
  show(file: string): SoftVfState;
  destroy(file: string): void;
}

export function softVfFiles(addon: Pick<Native, 'softvfCreate' | 'softvfShow' | 'softvfDestroy'>): SoftVfFiles {
  function attempt<T>(what: string, file: string, step: () => T): T {
    try {
      return step();
    } catch (error) {
      throw new VfringError('VFRING_ERR_SOFTVF_FAILED', { what, file, cause: reason(error) }, { cause: error });
    }
  }
  return {
    create: (dir, index, mac, mtu) => attempt('made', join(dir, `vf${index}`), () => addon.softvfCreate(dir, index, mac, mtu)),
    show: (file) => attempt('read', file, () => addon.softvfShow(file)),
    destroy: (file) => attempt('destroyed', file, () => addon.softvfDestroy(file)),
  };
}

function reason(error: unknown): string {
  switch (errnoCode(error)) {
    case 'EPROTO':
      return 'it is not a soft VF of this version';
    case 'EADDRINUSE':
      return 'another soft VF of the folder has its MAC address';
    default:
      return causeText(error);
  }
}

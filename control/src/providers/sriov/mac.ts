// SPDX-License-Identifier: BSD-3-Clause
/** MACs of VFs: the same at every start, and another for every VF on the wire. */

import type { PfConfig } from '../../config/schema.js';

/** Of a VF without a PF what the configuration says, which is what whoever has the PF has set. */
export const macOf = ({ functions, mac_prefix: prefix }: PfConfig, pfMac: string, index: number): string => functions?.[index]?.mac ?? vfMac(prefix, pfMac, index);

/**
 * PREFIX, then the last bytes of the PF's permanent MAC, then the VF's index:
 * 02:xx:xx:xx:xx:ii with the default prefix. A reader of a trace sees which PF
 * it is. Cards of one maker differ in these bytes; a longer prefix keeps fewer
 * of them, and provisioning refuses what collides on one node.
 *
 * @param prefix 1 to 4 bytes, locally administered
 * @param pfMac permanent MAC of the PF
 * @param index of the VF, 0 to 255
 */
export function vfMac(prefix: string, pfMac: string, index: number): string {
  const head = prefix.split(':');
  const tail = pfMac.toLowerCase().split(':');
  if (tail.length !== 6 || index > 0xff) {
    throw new RangeError(`no VF MAC from PF MAC ${pfMac}, index ${index}`);
  }
  return [...head, ...tail.slice(head.length + 1), index.toString(16).padStart(2, '0')].join(':');
}

// SPDX-License-Identifier: BSD-3-Clause
/** Memory that a process pins. */

/**
 * What a process registers before it sends anything: rings, and a buffer an
 * entry. Buffers are 2 KiB up to an MTU of 2048 and 16 KiB beyond, at which
 * the BTL was measured (docs/install.md).
 */
const SMALL_FRAMES_BYTES = 3 * 2 ** 20;
const JUMBO_FRAMES_BYTES = 10 * 2 ** 20;
const SMALL_MTU_MAX = 2048;

export function pinnedPerRank(mtu: number): number {
  return mtu <= SMALL_MTU_MAX ? SMALL_FRAMES_BYTES : JUMBO_FRAMES_BYTES;
}

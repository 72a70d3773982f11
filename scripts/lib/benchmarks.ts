// SPDX-License-Identifier: BSD-3-Clause
/** What the demo runs: enough to see latency, rate and bandwidth on one screen. */
export const benchmarks: readonly (readonly [string, ...string[]])[] = [
  ['pingpong', '--quick', '--sizes', '0,8,64,1K,8K,64K,1M,4M'],
  ['bandwidth', '--quick', '--sizes', '8,1K,8K,64K,1M'],
];

// SPDX-License-Identifier: BSD-3-Clause
/** What the demo runs: enough to see latency, rate and bandwidth on one screen. */
export const sizes = { latency: '8,64,1K,8K,64K,1M', rate: '8,1K,8K,64K,1M' } as const;

export const benchmarks: readonly (readonly [string, ...string[]])[] = [
  ['pingpong', '--quick', '--sizes', sizes.latency],
  ['bandwidth', '--quick', '--sizes', sizes.rate],
];

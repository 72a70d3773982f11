// SPDX-License-Identifier: BSD-3-Clause
/** NUMA nodes of VFs and processes, for daemon and commands alike. */

/** sysfs numa_node of a function that is on no node, or whose node the firmware does not tell. */
export const UNKNOWN_NODE = -1;

/** True for a VF that is on one of the nodes, or nobody knows where. */
export function isNear(vfNode: number, nodes: readonly number[]): boolean {
  return vfNode === UNKNOWN_NODE || nodes.includes(vfNode);
}

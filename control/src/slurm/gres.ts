// SPDX-License-Identifier: BSD-3-Clause
/** `vfring slurm gres`: the line of gres.conf for this node, so that nobody types it. */
import type { StatusView } from '../api/views.js';
import { GRES } from './slurm.js';

/**
 * Slurm knows a VF by its place in this line, and the prolog finds it by the
 * node there. The numbers of nodes, not the VFs' addresses, give the order: they
 * are the same set again when VFs are made anew.
 */
export function gresLines(node: string, status: Pick<StatusView, 'vfs'>): string[] {
  const devices = status.vfs.map(({ device }) => device);
  return [
    `NodeName=${node} Name=${GRES} File=${fold(devices)}`,
    `# slurm.conf, in the line of this node: Gres=${GRES}:${devices.length}`,
  ];
}

/** /dev/uiovf0, 1, 2 and 5 as Slurm writes lists: /dev/uiovf[0-2,5]. */
export function fold(devices: readonly string[]): string {
  const parts = devices.map((device) => /^(.*?)(\d*)$/.exec(device) as unknown as [string, string, string]);
  const stems = [...new Set(parts.map(([, stem]) => stem))].sort();
  return stems.map((stem) => {
    const numbers = parts.filter(([, other, digits]) => other === stem && digits !== '').map(([, , digits]) => Number(digits)).sort((a, b) => a - b);
    if (numbers.length < 2) {
      return `${stem}${numbers[0] ?? ''}`;
    }
    const ranges: [number, number][] = [];
    for (const n of numbers) {
      const last = ranges.at(-1);
      if (last !== undefined && n === last[1] + 1) {
        last[1] = n;
      } else {
        ranges.push([n, n]);
      }
    }
    return `${stem}[${ranges.map(([a, b]) => (a === b ? `${a}` : `${a}-${b}`)).join(',')}]`;
  }).join(',');
}

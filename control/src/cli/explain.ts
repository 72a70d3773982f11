// SPDX-License-Identifier: BSD-3-Clause
/** vfring explain JOB: which way each pair of ranks talks, and why. */
import type { JobView, LeaseView, StatusView } from '../api/views.js';
import { formatSize } from '../config/units.js';
import { isNear } from '../numa-nodes.js';

export interface PairView {
  readonly ranks: readonly [number, number];
  /** switch: inside one card. wire: out of one PF and into another. none: no VF on this node for one of them. */
  readonly path: 'switch' | 'wire' | 'none';
  readonly why: string;
}

export interface Explanation {
  readonly job: string;
  readonly pairs: readonly PairView[];
  readonly notes: readonly string[];
}

const NUMA_MEANING: Readonly<Record<StatusView['numa'], string>> = {
  prefer: 'VFs near the NUMA node of the process first',
  require: 'only VFs near the NUMA node of the process',
  ignore: 'the NUMA node of the process does not matter',
};

/** More pairs than a person reads: beyond, only what is not ordinary is listed. */
const MAX_PAIRS = 500;

export function explain(job: JobView, status: StatusView): Explanation {
  const byRank = new Map<number, LeaseView>();
  for (const lease of job.leases) {
    byRank.set(lease.rank, lease);
  }
  const ranks = Math.max(job.ranks ?? 0, ...job.leases.map((lease) => Math.max(lease.ranks, lease.rank + 1)), 0);
  const pairs: PairView[] = [];
  for (let a = 0; a < ranks && pairs.length < MAX_PAIRS; a++) {
    for (let b = a + 1; b < ranks && pairs.length < MAX_PAIRS; b++) {
      pairs.push(pair(a, b, byRank, status));
    }
  }
  return { job: job.id, pairs, notes: notes(job, ranks, byRank, status) };
}

function pair(a: number, b: number, byRank: ReadonlyMap<number, LeaseView>, status: StatusView): PairView {
  const [first, second] = [byRank.get(a), byRank.get(b)];
  if (first === undefined || second === undefined) {
    const missing = [...(first === undefined ? [a] : []), ...(second === undefined ? [b] : [])].join(' and ');
    return { ranks: [a, b], path: 'none', why: `rank ${missing} took no VF on this node: it runs on another one, or is carried by another transport` };
  }
  const [from, to] = [first.vfs[0], second.vfs[0]];
  const down = [from, to].filter((vf) => status.vfs.find((known) => known.name === vf?.name)?.link_up === false).map((vf) => vf?.name);
  const link = down.length > 0 ? `; NO LINK: ${down.join(', ')}` : '';
  return from?.pf === to?.pf
    ? { ranks: [a, b], path: 'switch', why: `VFs ${from?.name} and ${to?.name} are of one PF, ${from?.pf}: its own switch passes the frames${link}` }
    : { ranks: [a, b], path: 'wire', why: `VF ${from?.name} of PF ${from?.pf} and VF ${to?.name} of PF ${to?.pf}: over the network between them${link}` };
}

function notes(job: JobView, ranks: number, byRank: ReadonlyMap<number, LeaseView>, status: StatusView): string[] {
  const found: string[] = [];
  const spread = job.spread ?? status.spread;
  found.push(`spread: ${spread} (${spread === 'pf' ? 'ranks go round the PFs' : 'one PF is filled before the next'})`);
  found.push('ranks of one node use shared memory between themselves instead, when the job was started with --local sm (the default of vfring run)');
  found.push(`numa: ${status.numa} (${NUMA_MEANING[status.numa]})`);
  if (byRank.size < ranks) {
    found.push(`${byRank.size} of ${ranks} ranks have taken a VF on this node`);
  }
  for (const lease of job.leases) {
    for (const vf of lease.vfs) {
      const node = status.vfs.find((known) => known.name === vf.name);
      if (lease.numa_nodes !== null && !isNear(vf.numa, lease.numa_nodes)) {
        found.push(
          `rank ${lease.rank} may run on NUMA node ${lease.numa_nodes.join(', ')} only, and VF ${vf.name} is on node ${vf.numa}: what it sends and receives crosses ` +
            `between them; bind the rank to node ${vf.numa}, or see which VFs are free (vfring pf)`,
        );
      }
      const used = vf.peak_bytes;
      if (used !== null && used >= 0.95 * lease.dma_limit_bytes) {
        found.push(
          `rank ${lease.rank} has registered ${formatSize(used)} of at most ${formatSize(lease.dma_limit_bytes)} with VF ${vf.name}: raise limits: dma_per_vf: (or the job's --memory)`,
        );
      }
      if (lease.state === 'held' && node !== undefined && node.state !== 'leased') {
        found.push(`rank ${lease.rank}: VF ${vf.name} is ${node.state}: ${node.reason ?? 'unknown why'}`);
      }
    }
  }
  const mtus = new Set(job.leases.flatMap((lease) => lease.vfs.map((vf) => status.vfs.find((known) => known.name === vf.name)?.mtu)));
  if (mtus.size > 1) {
    found.push(`the MTUs of the VFs differ (${[...mtus].join(', ')}): frames are as small as the smallest; make mtu: equal in the configuration`);
  }
  return found;
}

export function explainText({ job, pairs, notes: found }: Explanation): string {
  const lines = pairs.map(({ ranks: [a, b], path, why }) => `${a} - ${b}  ${path.padEnd(6)}  ${why}`);
  return [`job ${job}`, ...(lines.length > 0 ? lines : ['no pair of ranks is known']), ...found].join('\n');
}

// SPDX-License-Identifier: BSD-3-Clause
/** vfring explain JOB: which way each pair of ranks talks, and why. */
import type { JobView, LeaseView, StatusView } from '../api/views.js';
import { formatSize } from '../config/units.js';
import { isNear } from '../numa-nodes.js';
import { mayReach, segmentText } from './differences.js';

export interface PairView {
  readonly ranks: readonly [number, number];
  /** switch: inside one card. wire: out of one PF and into another. apart: no way between their VFs. none: no VF known for one of them. */
  readonly path: 'switch' | 'wire' | 'apart' | 'none';
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

/** What one host says of a job. */
export interface JobPart {
  /** Undefined: there is only this one. */
  readonly host: string | undefined;
  readonly job: JobView;
  readonly status: StatusView;
}

/** A rank with its VF, and how that stands now. */
interface Seat {
  readonly host: string | undefined;
  readonly vf: LeaseView['vfs'][number] | undefined;
  readonly linkDown: boolean;
}

export function explain(job: JobView, status: StatusView): Explanation {
  return explainOver(job.id, [{ host: undefined, job, status }], []);
}

/** @param silent hosts of the job that did not answer */
export function explainOver(id: string, parts: readonly JobPart[], silent: readonly string[]): Explanation {
  const seats = new Map<number, Seat>();
  for (const { host, job, status } of parts) {
    for (const lease of job.leases) {
      const [vf] = lease.vfs;
      seats.set(lease.rank, { host, vf, linkDown: status.vfs.find(({ name }) => name === vf?.name)?.link_up === false });
    }
  }
  const ranks = Math.max(0, ...parts.flatMap(({ job }) => [job.ranks ?? 0, ...job.leases.map((lease) => Math.max(lease.ranks, lease.rank + 1))]));
  const pairs: PairView[] = [];
  for (let a = 0; a < ranks && pairs.length < MAX_PAIRS; a++) {
    for (let b = a + 1; b < ranks && pairs.length < MAX_PAIRS; b++) {
      pairs.push(pair(a, b, seats, parts.length > 1 || silent.length > 0 ? 'any host that answered' : 'this node'));
    }
  }
  return { job: id, pairs, notes: notes(parts, silent, ranks, seats.size) };
}

function pair(a: number, b: number, seats: ReadonlyMap<number, Seat>, where: string): PairView {
  const [first, second] = [seats.get(a), seats.get(b)];
  if (first?.vf === undefined || second?.vf === undefined) {
    const missing = [...(first?.vf === undefined ? [a] : []), ...(second?.vf === undefined ? [b] : [])].join(' and ');
    return { ranks: [a, b], path: 'none', why: `rank ${missing} took no VF on ${where}: it runs on another one, or is carried by another transport` };
  }
  const [from, to] = [first.vf, second.vf];
  const down = [first, second].flatMap(({ vf, linkDown }) => (linkDown && vf !== undefined ? [vf.name] : []));
  const link = down.length > 0 ? `; NO LINK: ${down.join(', ')}` : '';
  const on = ({ host }: Seat): string => (host === undefined ? '' : ` on ${host}`);
  if (!mayReach(from, to)) {
    return { ranks: [a, b], path: 'apart', why: `VF ${from.name}${on(first)} is on segment ${segmentText(from)}, VF ${to.name}${on(second)} on ${segmentText(to)}: no frame gets from the one to the other; another transport carries them, or none` };
  }
  if (first.host === second.host && from.pf === to.pf) {
    return { ranks: [a, b], path: 'switch', why: `VFs ${from.name} and ${to.name}${on(first)} are of one PF, ${from.pf}: its own switch passes the frames${link}` };
  }
  const segment = from.segment !== '' && from.segment === to.segment ? `segment ${segmentText(from)}` : 'the network between them, as far as their first contact shows: not both have a named segment';
  return { ranks: [a, b], path: 'wire', why: `VF ${from.name} of PF ${from.pf}${on(first)} and VF ${to.name} of PF ${to.pf}${on(second)}: over ${segment}${link}` };
}

function notes(parts: readonly JobPart[], silent: readonly string[], ranks: number, seated: number): string[] {
  const found: string[] = silent.map((host) => `host ${host} does not answer: its ranks are not known`);
  const [first] = parts;
  if (first === undefined) {
    return found;
  }
  const spread = first.job.spread ?? first.status.spread;
  found.push(`spread: ${spread} (${spread === 'pf' ? 'ranks go round the PFs' : 'one PF is filled before the next'})`);
  found.push('ranks of one node use shared memory between themselves instead, when the job was started with --local sm (the default of vfring run)');
  found.push(`numa: ${first.status.numa} (${NUMA_MEANING[first.status.numa]})`);
  if (seated < ranks) {
    found.push(`${seated} of ${ranks} ranks have taken a VF on ${parts.length > 1 ? 'these nodes' : 'this node'}`);
  }
  parts.forEach((part) => found.push(...leaseNotes(part)));
  const mtus = new Set(parts.flatMap(({ job, status }) => job.leases.flatMap((lease) => lease.vfs.map((vf) => status.vfs.find((known) => known.name === vf.name)?.mtu))));
  if (mtus.size > 1) {
    found.push(`the MTUs of the VFs differ (${[...mtus].join(', ')}): frames are as small as the smallest; make mtu: equal in the configuration`);
  }
  return found;
}

function leaseNotes({ host, job, status }: JobPart): string[] {
  const found: string[] = [];
  const on = host === undefined ? '' : ` on ${host}`;
  for (const lease of job.leases) {
    for (const vf of lease.vfs) {
      const node = status.vfs.find((known) => known.name === vf.name);
      if (lease.numa_nodes !== null && !isNear(vf.numa, lease.numa_nodes)) {
        found.push(
          `rank ${lease.rank}${on} may run on NUMA node ${lease.numa_nodes.join(', ')} only, and VF ${vf.name} is on node ${vf.numa}: what it sends and receives crosses ` +
            `between them; bind the rank to node ${vf.numa}, or see which VFs are free (vfring pf)`,
        );
      }
      const used = vf.peak_bytes;
      if (used !== null && used >= 0.95 * lease.dma_limit_bytes) {
        found.push(
          `rank ${lease.rank}${on} has registered ${formatSize(used)} of at most ${formatSize(lease.dma_limit_bytes)} with VF ${vf.name}: raise limits: dma_per_vf: (or the job's --memory)`,
        );
      }
      if (lease.state === 'held' && node !== undefined && node.state !== 'leased') {
        found.push(`rank ${lease.rank}${on}: VF ${vf.name} is ${node.state}: ${node.reason ?? 'unknown why'}`);
      }
    }
  }
  return found;
}

export function explainText({ job, pairs, notes: found }: Explanation): string {
  const lines = pairs.map(({ ranks: [a, b], path, why }) => `${a} - ${b}  ${path.padEnd(6)}  ${why}`);
  return [`job ${job}`, ...(lines.length > 0 ? lines : ['no pair of ranks is known']), ...found].join('\n');
}

// SPDX-License-Identifier: BSD-3-Clause
/** vfring explain JOB: which way each pair of ranks talks, and why. */
import type { JobView, LeaseView, StatusView } from '../api/views.js';
import { formatSize } from '../config/units.js';
import { isNear } from '../numa-nodes.js';
import { mayReach, segmentText } from './differences.js';
import { fate } from './job-report.js';

/** switch: inside one card. wire: out of one PF and into another. apart: no way between their VFs. none: no VF known for one of them. memory: within the node. */
export type Path = 'switch' | 'wire' | 'apart' | 'none' | 'memory';

/** A VF of the one rank and a VF of the other, between which frames go. */
export interface RailView {
  readonly vfs: readonly [string, string];
  readonly path: 'switch' | 'wire';
  readonly why: string;
  /** Why nothing goes that way now; null: it does, as far as is known here. */
  readonly aside: string | null;
}

export interface PairView {
  readonly ranks: readonly [number, number];
  /** Of the first rail that works, else of the first. */
  readonly path: Path;
  readonly why: string;
  readonly rails: readonly RailView[];
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

type LeasedVf = LeaseView['vfs'][number];

/** A rank with its VFs, and why what is not at work is not. */
interface Seat {
  readonly host: string | undefined;
  readonly rails: readonly { readonly vf: LeasedVf; readonly aside: string | undefined }[];
}

export function explain(job: JobView, status: StatusView): Explanation {
  return explainOver(job.id, [{ host: undefined, job, status }], []);
}

/** @param silent hosts of the job that did not answer */
export function explainOver(id: string, parts: readonly JobPart[], silent: readonly string[]): Explanation {
  const seats = new Map<number, Seat>();
  for (const { host, job, status } of parts) {
    for (const lease of job.leases) {
      seats.set(lease.rank, { host, rails: lease.vfs.map((vf) => ({ vf, aside: asideOf(vf, lease, status) })) });
    }
  }
  const ranks = Math.max(0, ...parts.flatMap(({ job }) => [job.ranks ?? 0, ...job.leases.map((lease) => Math.max(lease.ranks, lease.rank + 1))]));
  const memory = parts.some(({ job }) => job.shares_memory);
  const where = parts.length > 1 || silent.length > 0 ? 'any host that answered' : 'this node';
  const pairs: PairView[] = [];
  for (let a = 0; a < ranks && pairs.length < MAX_PAIRS; a++) {
    for (let b = a + 1; b < ranks && pairs.length < MAX_PAIRS; b++) {
      pairs.push(memory ? { ranks: [a, b], path: 'memory', why: 'both are on this node, and share memory', rails: [] } : pair(a, b, seats, where));
    }
  }
  return { job: id, pairs, notes: memory ? [MEMORY_NOTE] : notes(parts, silent, ranks, seats.size) };
}

const MEMORY_NOTE = 'no VF is leased: the job was started with --local sm, and all its ranks are on this node; --local vf has them use VFs';

/** Why a VF of a lease carries nothing now, as far as vfringd knows; undefined: nothing tells against it. */
function asideOf(vf: LeasedVf, lease: LeaseView, status: StatusView): string | undefined {
  if (vf.taken_at !== null) {
    return `taken away (${vf.taken_how ?? 'unknown why'})`;
  }
  const node = status.vfs.find(({ name }) => name === vf.name);
  if (node?.link_up === false) {
    return `NO LINK: ${vf.name}`;
  }
  if (vf.aside && lease.state === 'held') {
    return `rank ${lease.rank} has set ${vf.name} aside (${vf.aside_why ?? 'unknown why'})`;
  }
  return lease.state === 'held' && node !== undefined && (node.state !== 'leased' || node.reason !== null) ? `${vf.name} is ${node.state}: ${node.reason ?? 'unknown why'}` : undefined;
}

const on = ({ host }: Seat): string => (host === undefined ? '' : ` on ${host}`);

/** As the BTL pairs the rails of two processes (docs/decisions/rails.md): those of one named segment first, rather those of one number. */
function railPairs(first: Seat, second: Seat): (readonly [number, number])[] {
  const to = new Map<number, number>();
  for (const named of [true, false]) {
    first.rails.forEach(({ vf: from }, i) => {
      const free = second.rails.flatMap(({ vf }, j) =>
        mayReach(from, vf) && (from.segment !== '' && vf.segment !== '') === named && ![...to.values()].includes(j) ? [j] : []);
      const found = free.includes(i) ? i : free[0];
      if (!to.has(i) && found !== undefined) {
        to.set(i, found);
      }
    });
  }
  return [...to].sort(([a], [b]) => a - b);
}

function pair(a: number, b: number, seats: ReadonlyMap<number, Seat>, where: string): PairView {
  const [first, second] = [seats.get(a), seats.get(b)];
  if (first?.rails[0] === undefined || second?.rails[0] === undefined) {
    const missing = [...(first?.rails[0] === undefined ? [a] : []), ...(second?.rails[0] === undefined ? [b] : [])].join(' and ');
    return { ranks: [a, b], path: 'none', why: `rank ${missing} took no VF on ${where}: it runs on another one, or is carried by another transport`, rails: [] };
  }
  const rails = railPairs(first, second).map(([i, j]) => railView(first, i, second, j));
  if (rails.length === 0) {
    const all = [first, second].flatMap((seat) => seat.rails.map(({ vf }) => ({ name: `VF ${vf.name}${on(seat)}`, segment: segmentText(vf) })));
    const list = all.map(({ name, segment }, i) => `${name} ${i === 0 ? 'is on segment' : 'on'} ${segment}`).join(', ');
    return { ranks: [a, b], path: 'apart', rails, why: `${list}: no frame gets from the one to the other; another transport carries them, or none` };
  }
  const [shown = rails[0] as RailView] = rails.filter(({ aside }) => aside === null);
  const text = ({ why, aside }: RailView): string => `${why}${aside === null ? '' : `; ${rails.length > 1 ? 'aside: ' : ''}${aside}`}`;
  return { ranks: [a, b], path: shown.path, why: rails.map((rail, i) => `${rails.length > 1 ? `rail ${i}: ` : ''}${text(rail)}`).join('. '), rails };
}

function railView(first: Seat, i: number, second: Seat, j: number): RailView {
  const [{ vf: from, aside: fromAside }, { vf: to, aside: toAside }] = [first.rails[i], second.rails[j]] as [Seat['rails'][number], Seat['rails'][number]];
  const aside = [fromAside, toAside].filter((reason) => reason !== undefined);
  const common = { vfs: [from.name, to.name] as const, aside: aside.length === 0 ? null : aside.join(', ') };
  if (first.host === second.host && from.pf === to.pf) {
    return { ...common, path: 'switch', why: `VFs ${from.name} and ${to.name}${on(first)} are of one PF, ${from.pf}: its own switch passes the frames` };
  }
  const segment = from.segment !== '' && from.segment === to.segment ? `segment ${segmentText(from)}` : 'the network between them, as far as their first contact shows: not both have a named segment';
  return { ...common, path: 'wire', why: `VF ${from.name} of PF ${from.pf}${on(first)} and VF ${to.name} of PF ${to.pf}${on(second)}: over ${segment}` };
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
  found.push(`rails: ${first.status.rails} (VFs of a process at most, one a PF, unless it was told how many)`);
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
      if (fate(vf) !== '') {
        found.push(`rank ${lease.rank}${on}: VF ${vf.name}${fate(vf)}`);
      }
      if (lease.state === 'held' && vf.taken_at === null && node !== undefined && node.state !== 'leased') {
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

// SPDX-License-Identifier: BSD-3-Clause
/** In what the nodes of a job differ, what that means, and what to do. */
import { formatDuration } from '../config/units.js';
import type { NodeFacts } from './node-facts.js';

export interface KnownNode {
  /** As it was asked for. */
  readonly host: string;
  readonly facts: NodeFacts;
  /** How far its clock is from this host's, in ms: 0 where the time of the question explains it. */
  readonly clockOffsetMs: number;
}

/** What nodes have, by value: most hosts first. */
export type Values = readonly { readonly value: string; readonly hosts: readonly string[] }[];

export interface Difference {
  readonly what: string;
  /** fail: jobs over these nodes fail or go wrong. warn: they work, but not well. */
  readonly verdict: 'fail' | 'warn';
  /** No job can run over them: a run is refused. */
  readonly stops: boolean;
  readonly values: Values;
  readonly remedy: string;
}

/** More than this and Slurm's munge, for one, takes a message for an old one sooner or later; logs cannot be compared. */
const CLOCK_MS = 1000;

interface Row {
  readonly what: string;
  readonly of: (node: KnownNode) => string | undefined;
  readonly judge: (values: readonly string[]) => { readonly verdict: Difference['verdict']; readonly stops?: boolean } | undefined;
  readonly remedy: string;
}

/** A job that has the parameter btl_vfring_mtu has one on all hosts. */
export const MTU = 'MTU';

const unequal = (values: readonly string[]): boolean => new Set(values).size > 1;
const warnIfUnequal: Row['judge'] = (values) => (unequal(values) ? { verdict: 'warn' } : undefined);
const failIfUnequal: Row['judge'] = (values) => (unequal(values) ? { verdict: 'fail' } : undefined);
const stopIfUnequal: Row['judge'] = (values) => (unequal(values) ? { verdict: 'fail', stops: true } : undefined);

const ROWS: readonly Row[] = [
  {
    what: 'release of vfring',
    of: ({ facts }) => facts.release,
    judge: warnIfUnequal,
    remedy: 'install the same release on all hosts',
  },
  {
    what: 'version of the wire format',
    of: ({ facts }) => facts.open_mpi?.wire_version,
    judge: stopIfUnequal,
    remedy: 'install the BTL of the same release on all hosts: they would not understand each other\'s frames',
  },
  {
    what: 'Open MPI',
    of: ({ facts }) => facts.open_mpi?.version,
    // Open MPI promises that one series works together.
    judge: (values) => (!unequal(values) ? undefined : unequal(values.map(series)) ? { verdict: 'fail', stops: true } : { verdict: 'warn' }),
    remedy: 'install the same Open MPI on all hosts, or name it: --mpirun PATH',
  },
  {
    what: 'ABI of uio_vf',
    of: ({ facts }) => facts.module_abi ?? undefined,
    judge: (values) => (!unequal(values) ? undefined : unequal(values.map((abi) => abi.split('.')[0] ?? '')) ? { verdict: 'fail' } : { verdict: 'warn' }),
    remedy: 'install the same driver-kmod on all hosts, and load it anew (rmmod uio_vf, modprobe uio_vf, when no VF is in use)',
  },
  {
    what: 'kind of VFs',
    of: ({ facts }) => facts.status?.provider,
    judge: failIfUnequal,
    remedy: 'give all hosts the same provider: in their configurations: real and soft VFs do not reach each other',
  },
  {
    what: MTU,
    of: ({ facts }) => vfsAs(facts, ({ mtu }) => String(mtu)),
    judge: stopIfUnequal,
    remedy: 'make mtu: equal in the configurations of all hosts (vfring provision takes them over), and let every switch between them carry it',
  },
  {
    what: 'entries of the send ring',
    of: ({ facts }) => facts.open_mpi?.tx_entries,
    judge: warnIfUnequal,
    remedy: 'set btl_vfring_tx_entries alike in openmpi-mca-params.conf of all hosts',
  },
  {
    what: 'entries of the receive ring',
    of: ({ facts }) => facts.open_mpi?.rx_entries,
    judge: warnIfUnequal,
    remedy: 'set btl_vfring_rx_entries alike in openmpi-mca-params.conf of all hosts',
  },
  {
    what: 'difference of the clock',
    of: ({ clockOffsetMs }) => (Math.abs(clockOffsetMs) < CLOCK_MS ? 'none' : `${clockOffsetMs < 0 ? '-' : '+'}${formatDuration(Math.round(Math.abs(clockOffsetMs) / 1000))}`),
    judge: warnIfUnequal,
    remedy: 'let all hosts follow one time server (chrony, systemd-timesyncd): logs cannot be compared, and munge refuses what it takes for old',
  },
];

const series = (version: string): string => version.split('.').slice(0, 2).join('.');

/** "9000", or "1500,9000" where its VFs differ; undefined: it has none. */
export function vfsAs(facts: NodeFacts, text: (vf: NonNullable<NodeFacts['status']>['vfs'][number]) => string): string | undefined {
  const found = [...new Set((facts.status?.vfs ?? []).map(text))].sort();
  return found.length === 0 ? undefined : found.join(',');
}

export function differences(nodes: readonly KnownNode[]): Difference[] {
  const found: Difference[] = [];
  for (const { what, of, judge, remedy } of ROWS) {
    const values = valuesOf(nodes, of);
    const judged = judge(values.map(({ value }) => value));
    if (judged !== undefined) {
      found.push({ what, verdict: judged.verdict, stops: judged.stops === true, values, remedy });
    }
  }
  return [...found, ...segmentDifferences(nodes), ...uidDifferences(nodes)];
}

function valuesOf(nodes: readonly KnownNode[], of: Row['of']): Values {
  const hosts = new Map<string, string[]>();
  for (const node of nodes) {
    const value = of(node);
    if (value !== undefined) {
      hosts.set(value, [...(hosts.get(value) ?? []), node.host]);
    }
  }
  return [...hosts].map(([value, list]) => ({ value, hosts: list })).sort((a, b) => b.hosts.length - a.hosts.length);
}

type Vf = NonNullable<NodeFacts['status']>['vfs'][number];

export const segmentText = ({ segment, vlan }: Pick<Vf, 'segment' | 'vlan'>): string => `${segment || 'unnamed'}${vlan === 0 ? '' : ` (VLAN ${vlan})`}`;

/** VFs without a named segment may reach whatever is on their VLAN. */
export function mayReach(a: Pick<Vf, 'segment' | 'vlan'>, b: Pick<Vf, 'segment' | 'vlan'>): boolean {
  return a.vlan === b.vlan && (a.segment === '' || b.segment === '' || a.segment === b.segment);
}

function segmentDifferences(nodes: readonly KnownNode[]): Difference[] {
  const values = valuesOf(nodes, ({ facts }) => vfsAs(facts, segmentText));
  if (values.length < 2) {
    return [];
  }
  const vfs = values.map(({ hosts }) => nodes.find(({ host }) => host === hosts[0])?.facts.status?.vfs ?? []);
  const apart = vfs.some((mine, i) => vfs.some((theirs, j) => j > i && !mine.some((a) => theirs.some((b) => mayReach(a, b)))));
  return [{
    what: 'segment and VLAN',
    verdict: apart ? 'fail' : 'warn',
    stops: apart,
    values,
    remedy: apart
      ? 'no VF of the one reaches a VF of the other: put their PFs on one network and VLAN, and make segment: and vlan: equal in the configurations'
      : 'name every PF\'s network alike in the configurations (segment:, vlan:): what reaches what is then known before the first message',
  }];
}

/** One name that is two users: files, batch systems and leases of the one are not the other's. */
function uidDifferences(nodes: readonly KnownNode[]): Difference[] {
  return [...new Set(nodes.map(({ facts }) => facts.user))].flatMap((user): Difference[] => {
    const values = valuesOf(nodes, ({ facts }) => (facts.user === user ? String(facts.uid) : undefined));
    return values.length < 2 ? [] : [{
      what: `uid of the user ${user}`, verdict: 'fail', stops: false, values,
      remedy: `give ${user} one uid on all hosts (usermod -u, or one directory for all: LDAP, NIS): files, munge and Slurm go by the number`,
    }];
  });
}

/** More hosts than a person reads are a number. */
const MAX_NAMED = 8;

export function hostsText(hosts: readonly string[]): string {
  const more = hosts.length - MAX_NAMED;
  return `${hosts.slice(0, MAX_NAMED).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

export const valuesText = (values: Values): string => values.map(({ value, hosts }) => `${value} on ${hostsText(hosts)}`).join('; ');

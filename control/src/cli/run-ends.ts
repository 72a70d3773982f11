// SPDX-License-Identifier: BSD-3-Clause
/**
 * How the processes of a run ended that did not give their VFs back, as MPI_Finalize does. The launcher ends the others as soon as
 * one has failed, before they can say anything, and knows of no VFs.
 */
import type { LeaseView } from '../api/views.js';
import type { HostReport } from './run-job.js';

/** Ends of a host that are written down within this time are told together: a reset of the VF comes between. */
const TOGETHER_MS = 150;
/** The same of two hosts, whose clocks may differ. */
const TOGETHER_ON_HOSTS_MS = 1000;
const MOST_NAMED = 4;

const CAUSES: Readonly<Record<string, string>> = {
  'process ended': 'ended without MPI_Finalize',
  'VF lost': 'lost the VF',
  'ended by the administrator': 'had the VF taken away by the administrator',
  'machine restarted': 'ended as the host was started anew',
};

interface End {
  readonly host: string | undefined;
  readonly lease: LeaseView;
  readonly at: number;
}

/** Those without MPI_Finalize, first come first. */
function badEnds(reports: readonly HostReport[]): End[] {
  return reports
    .flatMap(({ host, job }) => (job?.leases ?? []).map((lease) => ({ host, lease, at: Date.parse(lease.ended_at ?? '') })))
    .filter(({ lease }) => lease.state === 'ended' && lease.how !== null && lease.how in CAUSES)
    .sort((a, b) => a.at - b.at);
}

/** Which process, on which host and VF, ended first, as far as is known; undefined when all have given their VFs back. */
export function firstEnd(reports: readonly HostReport[]): string | undefined {
  const ends = badEnds(reports);
  const first = ends[0];
  if (first === undefined) {
    return undefined;
  }
  const together = ends.filter(({ at, host, lease }) =>
    at - first.at <= (host === first.host ? TOGETHER_MS : TOGETHER_ON_HOSTS_MS) && lease.how === first.lease.how);
  const named = together.slice(0, MOST_NAMED).map(({ host, lease }) => {
    const vfs = lease.vfs.filter((vf) => vf.taken_at === null).map(({ name, pf }) => `VF ${name} of PF ${pf}`).join(', ');
    return `rank ${lease.rank}${host === undefined ? '' : ` on ${host}`} (${vfs})`;
  });
  const more = together.length > named.length ? ` and ${together.length - named.length} more` : '';
  const others = ends.length > together.length ? ', before the others' : '';
  const silent = reports.flatMap(({ host, error }) => (host !== undefined && error !== undefined ? [host] : []));
  const unknown = silent.length > 0 ? `; of the ranks on ${silent.join(', ')} nothing is known` : '';
  return `${named.join(', ')}${more} ${CAUSES[first.lease.how as string]}${others}${unknown}`;
}

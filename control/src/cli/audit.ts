// SPDX-License-Identifier: BSD-3-Clause
/** vfring audit: what several nodes are like, side by side, and in what they differ. */
import type { ErrorReport } from '../errors.js';
import { differences, segmentText, valuesText, vfsAs, type Difference, type KnownNode } from './differences.js';
import type { Answer } from '../hosts/remote.js';
import { onHost, type NodeFacts } from './node-facts.js';
import { table } from './output.js';

export interface AuditedHost {
  readonly host: string;
  readonly facts: NodeFacts | null;
  /** How far its clock is from this host's; null: it did not answer. */
  readonly clock_offset_ms: number | null;
  /** Why it did not answer. */
  readonly error: ErrorReport | null;
}

export interface Audit {
  readonly good: boolean;
  readonly hosts: readonly AuditedHost[];
  /** What is wrong on one of them. */
  readonly troubles: readonly (ErrorReport & { readonly host: string })[];
  readonly differences: readonly Difference[];
}

/** What lies between question and answer is no difference of the clocks. */
export function known({ host, value, asked, answered }: Extract<Answer<NodeFacts>, { value: unknown }>): KnownNode {
  const { clock_ms: clock } = value;
  return { host, facts: value, clockOffsetMs: clock < asked ? clock - asked : clock > answered ? clock - answered : 0 };
}

export function audit(answers: readonly Answer<NodeFacts>[]): Audit {
  const nodes = answers.flatMap((answer) => ('value' in answer ? [known(answer)] : []));
  const hosts = answers.map((answer): AuditedHost => {
    const node = nodes.find(({ host }) => host === answer.host);
    return { host: answer.host, facts: node?.facts ?? null, clock_offset_ms: node?.clockOffsetMs ?? null, error: 'error' in answer ? answer.error : null };
  });
  const troubles = hosts.flatMap(({ host, facts, error }) => {
    const told = [facts?.daemon_trouble, facts?.open_mpi_trouble].flatMap((report) => (report ? [onHost(host, report)] : []));
    // Errors of a connection name their host themselves.
    return [...(error === null ? [] : [error]), ...told].map((report) => ({ host, ...report }));
  });
  const found = differences(nodes);
  return { good: troubles.length === 0 && found.every(({ verdict }) => verdict !== 'fail'), hosts, troubles, differences: found };
}

export function auditText({ good, hosts, troubles, differences: found }: Audit): string {
  const rows = hosts.flatMap(({ host, facts, clock_offset_ms: offset }) => (facts === null ? [] : [[
    host, facts.release, facts.open_mpi?.wire_version ?? '-', facts.open_mpi?.version ?? '-', facts.module_abi ?? '-',
    vfsAs(facts, ({ mtu }) => String(mtu)) ?? '-', vfsAs(facts, segmentText) ?? '-',
    facts.open_mpi === null ? '-' : `${facts.open_mpi.tx_entries}/${facts.open_mpi.rx_entries}`,
    `${((offset ?? 0) / 1000).toFixed(1)} s`, freeText(facts),
  ]]));
  const head = ['HOST', 'RELEASE', 'WIRE', 'OPEN MPI', 'ABI', 'MTU', 'SEGMENT', 'RINGS', 'CLOCK', 'FREE VFS'];
  const ill = troubles.map(({ message, remedy }) => `FAIL  ${message}\n      remedy: ${remedy}`);
  const answered = rows.length === hosts.length ? countText(hosts.length) : `${rows.length} of ${countText(hosts.length)} answered`;
  return [
    ...(rows.length > 0 ? table([head, ...rows]) : []),
    ...ill,
    ...differencesText(found),
    good ? `${answered}: ${found.length === 0 ? (hosts.length === 1 ? 'nothing is wrong' : 'they agree') : 'jobs can run over them'}` : `${answered}: what is marked FAIL is to be mended`,
  ].join('\n');
}

const countText = (hosts: number): string => (hosts === 1 ? '1 host' : `${hosts} hosts`);

export function differencesText(found: readonly Difference[]): string[] {
  return found.map(({ what, verdict, values, remedy }) => `${verdict === 'fail' ? 'FAIL' : 'warn'}  ${what}: ${valuesText(values)}\n      remedy: ${remedy}`);
}

function freeText({ status }: NodeFacts): string {
  if (status === null) {
    return '-';
  }
  const free = status.vfs.filter(({ state }) => state === 'free');
  const unlinked = free.filter(({ link_up: up }) => !up).length;
  return `${free.length}/${status.vfs.length}${unlinked > 0 ? `, ${unlinked} without link` : ''}`;
}

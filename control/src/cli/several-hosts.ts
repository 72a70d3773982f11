// SPDX-License-Identifier: BSD-3-Clause
/** `vfring audit`, and `explain` and `preflight` over several hosts. */
import type { StatusView } from '../api/views.js';
import { EXIT, VfringError, type ErrorReport } from '../errors.js';
import { hostsOfSlurmJob } from '../hosts/allocation.js';
import { dealRanks, type HostEntry } from '../hosts/host-list.js';
import { reachOf } from '../hosts/reach.js';
import type { Answer } from '../hosts/remote.js';
import { isThisHost } from '../hosts/this-host.js';
import { jobName } from '../slurm/prolog.js';
import { RAILS_MAX } from '../rails.js';
import { ReportedError } from '../api/client.js';
import { audit, auditText, differencesText, known } from './audit.js';
import { differences, type Difference } from './differences.js';
import { explain, explainOver, explainText, type JobPart } from './explain.js';
import type { HostOptions } from './host-commands.js';
import { wholeNumber } from './job-commands.js';
import { availableBytes } from './memory.js';
import { jobHere } from './node.js';
import { nodeContext } from './node-context.js';
import { factsSchema, jobOnNodeSchema, nodeFacts, onHost, type NodeContext, type NodeFacts } from './node-facts.js';
import { named, overHosts, type HostsContext } from './over-hosts.js';
import { say, show } from './output.js';
import { preflight, preflightText, type Preflight } from './preflight.js';

export async function showAudit(options: HostOptions & { job?: string }): Promise<void> {
  const context = contextOf(options);
  const hosts = options.job === undefined ? await namedBy(options) : ((await hostsOfJob(options.job, context)) ?? (await namedBy(options)));
  const result = audit(await facts(hosts, options, context));
  show(options, result, auditText);
  process.exitCode = result.good ? EXIT.OK : EXIT.UNAVAILABLE;
}

export interface HostsPreflight {
  readonly good: boolean;
  readonly ranks: number;
  /** null: it did not answer, and error says why. */
  readonly hosts: readonly { readonly host: string; readonly ranks: number; readonly preflight: Preflight | null; readonly error: ErrorReport | null }[];
  readonly differences: readonly Difference[];
}

export async function showPreflight(options: HostOptions & { n: string; rails: string }): Promise<void> {
  const rails = wholeNumber('--rails', options.rails) ?? 1;
  if (rails < 1 || rails > RAILS_MAX) {
    throw new VfringError('VFRING_ERR_USAGE', { what: `--rails ${options.rails}: a process has 1 to ${RAILS_MAX} VFs`, remedy: 'for example --rails 2' });
  }
  const ranks = wholeNumber('-n', options.n) ?? 1;
  const context = contextOf(options);
  if (!isNamed(options)) {
    const report = preflight(ranks, await context.api.status(), availableBytes(), rails);
    show(options, report, preflightText);
    process.exitCode = report.good ? EXIT.OK : EXIT.UNAVAILABLE;
    return;
  }
  const hosts = await namedBy(options);
  const report = preflightOver(ranks, hosts, await facts(hosts, options, context), rails);
  show(options, report, hostsPreflightText);
  process.exitCode = report.good ? EXIT.OK : EXIT.UNAVAILABLE;
}

export function preflightOver(ranks: number, hosts: readonly HostEntry[], answers: readonly Answer<NodeFacts>[], rails = 1): HostsPreflight {
  const dealt = dealRanks(hosts, ranks);
  const each = answers.map((answer, i) => {
    const [host, mine] = [answer.host, dealt[i] ?? 0];
    if ('error' in answer) {
      return { host, ranks: mine, preflight: null, error: answer.error };
    }
    const { status, available_bytes: available, daemon_trouble: daemon, open_mpi_trouble: openMpi } = answer.value;
    const trouble = daemon ?? openMpi;
    return { host, ranks: mine, preflight: status === null ? null : preflight(mine, status, available, rails), error: trouble && onHost(host, trouble) };
  });
  const found = differences(answers.flatMap((answer) => ('value' in answer ? [known(answer)] : [])));
  const good = each.every((host) => host.error === null && host.preflight?.good === true) && found.every(({ verdict }) => verdict !== 'fail');
  return { good, ranks, hosts: each, differences: found };
}

export function hostsPreflightText({ good, ranks, hosts, differences: found }: HostsPreflight): string {
  const lines = hosts.flatMap(({ host, ranks: mine, preflight: report, error }) => [
    `${host}, ${mine} ranks:`,
    ...(error === null ? [] : [`FAIL  ${error.message}\n      remedy: ${error.remedy}`]),
    ...(report === null ? [] : [preflightText(report)]),
  ]);
  return [...lines, ...differencesText(found), `${ranks} ranks ${good ? 'fit' : 'do not fit'} on ${hosts.length} hosts`].join('\n');
}

export async function showExplanation(asked: string, options: HostOptions): Promise<void> {
  const context = contextOf(options);
  const id = await knownAs(asked, context);
  const hosts = isNamed(options) ? await namedBy(options) : await hostsOfJob(id, context);
  const elsewhere = hosts !== undefined && !(await Promise.all(hosts.map(({ name }) => isThisHost(name)))).every((here) => here);
  if (!elsewhere) {
    show(options, explain(await context.api.job(id), await context.api.status()), explainText);
    return;
  }
  const names = hosts.map(({ name }) => name);
  const answers = await overHosts(names, {
    args: () => ['job', '--job', id, '--mpirun', options.mpirun], schema: jobOnNodeSchema, here: () => jobHere(context, id, options.mpirun),
  }, context);
  const errors = answers.flatMap((answer) => ('error' in answer ? [answer] : []));
  errors.forEach(({ error: { code, message, remedy } }) => say(`${code}: ${message}; remedy: ${remedy}`));
  const parts = answers.flatMap((answer): JobPart[] => {
    const { host, status, job } = 'value' in answer ? { host: answer.host, status: answer.value.facts.status, job: answer.value.job } : { host: answer.host, status: null, job: null };
    return status === null || job === null ? [] : [{ host, job, status: status as StatusView }];
  });
  if (parts.length === 0) {
    throw errors[0] === undefined ? new VfringError('VFRING_ERR_NO_SUCH_JOB', { job: id }) : new ReportedError(errors[0].error);
  }
  show(options, explainOver(id, parts, errors.map(({ host }) => host)), explainText);
  process.exitCode = errors.length > 0 ? EXIT.UNAVAILABLE : EXIT.OK;
}

const isNamed = ({ hosts, hostfile }: HostOptions): boolean => hosts !== undefined || hostfile !== undefined;

const namedBy = ({ hosts, hostfile }: HostOptions): Promise<HostEntry[]> => named({ lists: hosts === undefined ? [] : [hosts], files: hostfile === undefined ? [] : [hostfile] });

function contextOf(options: HostOptions): HostsContext {
  const seconds = wholeNumber('--timeout', options.timeout) ?? 0;
  if (seconds < 1) {
    throw new VfringError('VFRING_ERR_USAGE', { what: `--timeout ${options.timeout}: at least 1 second`, remedy: 'for example --timeout 60' });
  }
  const context = nodeContext();
  return { ...context, reach: reachOf(context.env), timeoutMs: seconds * 1000 };
}

function facts(hosts: readonly HostEntry[], { mpirun }: HostOptions, context: HostsContext): Promise<Answer<NodeFacts>[]> {
  const args = (): string[] => ['facts', '--mpirun', mpirun];
  return overHosts(hosts.map(({ name }) => name), { args, schema: factsSchema, here: () => nodeFacts(context, mpirun) }, context);
}

/** Slurm's number of a job, unless it is a name that vfringd here knows. */
async function knownAs(id: string, { api }: NodeContext): Promise<string> {
  if (!/^\d+$/.test(id)) {
    return id;
  }
  return api.job(id).then(() => id, () => jobName(id));
}

/** What vfringd here has written down, or what Slurm says. Undefined: it is of this host alone, as far as is known. */
export async function hostsOfJob(id: string, { api, exec }: Pick<NodeContext, 'api' | 'exec'>): Promise<HostEntry[] | undefined> {
  const slurm = /^(?:slurm-)?(\d+)$/.exec(id)?.[1];
  let trouble: unknown;
  try {
    const { hosts } = await api.job(id);
    if (hosts !== null) {
      return hosts.map((name) => ({ name, slots: undefined }));
    }
    if (slurm === id) {
      return undefined; // Open MPI 4.1 numbers its jobs, too.
    }
  } catch (error) {
    trouble = error;
  }
  if (slurm !== undefined) {
    return hostsOfSlurmJob(slurm, exec);
  }
  if (trouble !== undefined) {
    throw trouble;
  }
  return undefined;
}

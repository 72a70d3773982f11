// SPDX-License-Identifier: BSD-3-Clause
/** Asks several hosts the same, this one without a connection. */
import type * as z from 'zod';
import { allocatedHosts } from '../hosts/allocation.js';
import { parseHosts, readHostfile, type HostEntry } from '../hosts/host-list.js';
import { askHosts, type Answer, type Reach, type RemoteOptions } from '../hosts/remote.js';
import { isThisHost } from '../hosts/this-host.js';
import { VfringError } from '../errors.js';
import type { Exec } from '../exec.js';
import { onHost, reportOf, type NodeContext } from './node-facts.js';

export interface HostsContext extends NodeContext {
  readonly reach: Reach;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** A question: how it is put to another host, and how this one answers it. */
export interface Question<T> {
  readonly args: (host: string) => readonly string[];
  readonly schema: z.ZodType<T>;
  readonly here: (host: string) => Promise<T>;
}

/** In the order of the hosts. Never throws for what a host does. */
export async function overHosts<T>(hosts: readonly string[], { args, schema, here }: Question<T>, context: HostsContext): Promise<Answer<T>[]> {
  const { reach, env, prefix, timeoutMs, signal } = context;
  const own = await Promise.all(hosts.map(isThisHost));
  const options: RemoteOptions = {
    reach, vfring: `${prefix}/bin/vfring`, runDir: env['VFRING_RUN_DIR'] || undefined, ...(timeoutMs !== undefined && { timeoutMs }), signal,
  };
  const remote = askHosts(hosts.filter((_host, i) => !own[i]), args, schema, options);
  const answers = new Map<string, Answer<T>>();
  for (const host of hosts.filter((_name, i) => own[i])) {
    answers.set(host, await answerHere(host, () => here(host)));
  }
  (await remote).forEach((answer) => answers.set(answer.host, answer));
  return hosts.map((host) => answers.get(host) as Answer<T>);
}

async function answerHere<T>(host: string, here: () => Promise<T>): Promise<Answer<T>> {
  const asked = Date.now();
  try {
    return { host, value: await here(), asked, answered: Date.now() };
  } catch (error) {
    return { host, error: onHost(host, reportOf(error)) };
  }
}

/** Where Open MPI is told its list of hosts by no option. */
const DEFAULT_HOSTFILE = /^(?:OMPI_MCA_orte_default_hostfile|PRTE_MCA_prte_default_hostfile|OMPI_MCA_prte_default_hostfile)$/;
/** "+n1", "+e:2": places in an allocation. */
const RELATIVE = /(^|,)\+/;

export interface NamedHosts {
  /** Values of --host. */
  readonly lists: readonly string[];
  readonly files: readonly string[];
}

/**
 * Hosts as mpirun finds them: those that options name, else those of the
 * batch system's job, else those of the default file. Empty: this one.
 */
export async function hostsAsMpirun({ lists, files }: NamedHosts, env: NodeJS.ProcessEnv, exec: Exec): Promise<HostEntry[]> {
  if (!lists.some((list) => RELATIVE.test(list)) && lists.length + files.length > 0) {
    return named({ lists, files });
  }
  const allocated = await allocatedHosts(env, exec);
  if (allocated !== undefined) {
    return allocated;
  }
  const variable = Object.keys(env).find((name) => DEFAULT_HOSTFILE.test(name));
  const file = variable === undefined ? undefined : env[variable];
  return file && file !== 'none' ? readHostfile(file) : [];
}

/** Those that a command was told. Throws VFRING_ERR_USAGE, VFRING_ERR_HOSTFILE. */
export async function named({ lists, files }: NamedHosts): Promise<HostEntry[]> {
  const found = new Map<string, HostEntry>();
  for (const entries of [...lists.map(parseHosts), ...(await Promise.all(files.map(readHostfile)))]) {
    entries.forEach((entry) => found.set(entry.name, found.get(entry.name) ?? entry));
  }
  if (found.size === 0) {
    throw new VfringError('VFRING_ERR_USAGE', { what: 'no host is named', remedy: 'for example --hosts host1,host2' });
  }
  return [...found.values()];
}

// SPDX-License-Identifier: BSD-3-Clause
/** The commands that look at several hosts, and what they ask each of them. */
import type { Command } from 'commander';

const JSON_OPTION = ['--json', 'as JSON'] as const;
const HOSTS_OPTION = ['--hosts <list>', 'hosts, for example host1,host2: asked over ssh (within a job of Slurm by srun), nothing listens for it'] as const;
const HOSTFILE_OPTION = ['--hostfile <file>', 'hosts, one a line, as for mpirun'] as const;
const MPIRUN_OPTION = ['--mpirun <path>', 'the mpirun to look at', 'mpirun'] as const;
const TIMEOUT_OPTION = ['--timeout <seconds>', 'wait so long for a host', '120'] as const;

export interface HostOptions {
  readonly hosts?: string;
  readonly hostfile?: string;
  readonly mpirun: string;
  readonly timeout: string;
  readonly json?: boolean;
}

export const AUDIT_HELP = `
Compared are release, wire format, Open MPI, ABI of uio_vf, MTU, segment and VLAN, rings, clock and the uid of the user.
FAIL: jobs over these hosts fail or go wrong. warn: they work, but not well. A host that does not answer is told.
The exit status is 69 if anything is marked FAIL, else 0.`;

function overHostsOptions(command: Command): Command {
  return command.option(...HOSTS_OPTION).option(...HOSTFILE_OPTION).option(...TIMEOUT_OPTION).option(...MPIRUN_OPTION).option(...JSON_OPTION);
}

export function addHostCommands(program: Command): void {
  overHostsOptions(program.command('explain <job>'))
    .description('which way each pair of ranks talks, and why; of a job over several hosts, all of them')
    .action(async (id: string, options: HostOptions) => (await import('./several-hosts.js')).showExplanation(id, options));
  overHostsOptions(program.command('preflight').requiredOption('-n <ranks>', 'number of processes on this node, or on all hosts together')
    .option('--rails <n>', 'VFs that each of them is to have', '1'))
    .description('will a job of that size get what it needs, on this node or on each of several? VFs, memory, limits')
    .action(async (options: HostOptions & { n: string; rails: string }) => (await import('./several-hosts.js')).showPreflight(options));
  overHostsOptions(program.command('audit').option('--job <id>', 'the hosts of a job, of vfring or of Slurm'))
    .description('several hosts side by side: what they have, and in what they differ')
    .addHelpText('after', AUDIT_HELP)
    .action(async (options: HostOptions & { job?: string }) => (await import('./several-hosts.js')).showAudit(options));
  addNodeCommands(program);
}

/** For vfring on other hosts; people have the commands above. */
function addNodeCommands(program: Command): void {
  const node = program.command('node', { hidden: true }).description('answer vfring on another host');
  const question = (name: string, what: string): Command => node.command(name, { hidden: true }).description(what).option(...MPIRUN_OPTION);
  question('facts', 'what this node has')
    .action(async ({ mpirun }: { mpirun: string }) => answer(async (here) => here.nodeFacts(here.context, mpirun)));
  question('join', 'make a job here')
    .requiredOption('--job <id>', 'its id').requiredOption('--ranks <n>', 'of all hosts').option('--hosts <list>', 'all of them').option('--within <id>', 'take this job, if it is there')
    .action(async (options: { job: string; within?: string; ranks: string; hosts?: string; mpirun: string }) =>
      answer(async (here) => here.joinJob(here.context, {
        job: options.job, within: options.within, mpirun: options.mpirun, ranks: here.wholeNumber('--ranks', options.ranks) ?? 1, hosts: options.hosts?.split(',') ?? [],
      })));
  question('leave', 'end a job here').requiredOption('--job <id>', 'its id').option('--since <ms>', 'it goes on: what it leased from then on')
    .action(async ({ job, since }: { job: string; since?: string }) => answer(async (here) => here.leaveJob(here.context, { job, since_ms: since === undefined ? null : Number(since) })));
  question('job', 'what a job has here').requiredOption('--job <id>', 'its id')
    .action(async ({ job, mpirun }: { job: string; mpirun: string }) => answer(async (here) => here.jobHere(here.context, job, mpirun)));
}

async function here() {
  const [node, { nodeFacts }, { nodeContext }, { wholeNumber }] = await Promise.all([
    import('./node.js'), import('./node-facts.js'), import('./node-context.js'), import('./job-commands.js'),
  ]);
  return { ...node, nodeFacts, wholeNumber, context: nodeContext() };
}

async function answer(work: (from: Awaited<ReturnType<typeof here>>) => Promise<unknown>): Promise<void> {
  const from = await here();
  process.exitCode = await from.reply(() => work(from));
}

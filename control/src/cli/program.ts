// SPDX-License-Identifier: BSD-3-Clause
/**
 * The commands of vfring. Help, manual pages and completion are all made from
 * this tree. What a command does is loaded when it runs, so that none pays for
 * the others.
 */
import { Command, Option } from 'commander';
import { DEFAULT_CONFIG, defaultRunDir, version } from '../paths.js';
import { writeOut } from '../stdio.js';
import { apiClient } from '../api/client.js';
import { addBenchCommand } from './bench-options.js';
import { addDoctorCommand } from './doctor-options.js';
import { addHostCommands } from './host-commands.js';
import { say } from './output.js';
import { RUN_USAGE, parseRunArgs } from './run-args.js';

const api = () => apiClient(defaultRunDir());
const JSON_OPTION = ['--json', 'as JSON'] as const;
const CONFIG_OPTION = ['--config <file>', 'configuration', DEFAULT_CONFIG] as const;

export const RUN_HELP = `
  --local sm|vf   within a node: shared memory (sm, the default) or VFs too (vf)
  --rails N       VFs of each process, 1 to 8 (default: what rails: of the node's configuration says)
  -n N            number of processes
  --mpirun PATH   the mpirun to use (default: the one in PATH)
  Anything else before -- goes to mpirun as it is. On the hosts of --host and --hostfile, or of a batch job, vfring is
  asked over ssh (within a job of Slurm by srun), which may ask for no password.

With --local sm on one host no process takes a VF: shared memory carries everything.

For example: vfring run --local vf -n 4 -- ./app
             vfring run -n 4 --host host1:2,host2:2 -- ./app

The exit status is mpirun's; 76 if it is 0 but not every process took its VFs.`;

export const EXIT_HELP = `
For a start: vfring doctor                         what this node still needs, with remedies
             vfring status                         its VFs, and who has them
             vfring run --local vf -n 4 -- ./app   an MPI program over VFs
             vfring COMMAND --help                 a command's own options

Exit statuses: 0 done; 64 wrong usage; 65 wrong input, no such job; 69 daemon or VF not available, a check
failed; 70 a defect of vfring; 71 the operating system refused; 73 cannot create; 74 output cannot be written;
76 a run that vfring did not carry; 77 not permitted; 78 wrong configuration. vfring run has mpirun's own status.

VFRING_RUN_DIR names another run directory than /run/vfring.

Manual page: man vfring.`;

/** @param commandLine what stood behind "--" of `vfring run`: the user's program and its arguments, none of which is ours to read */
export function buildProgram(commandLine: readonly string[] = []): Command {
  const program = new Command('vfring')
    .description('MPI over SR-IOV VFs: jobs and VFs of this node')
    .version(`vfring ${version()}`, '-V, --version', 'print the version')
    .configureOutput({ writeOut })
    .enablePositionalOptions()
    .addHelpText('after', EXIT_HELP)
    .exitOverride();

  program.command('status')
    .description('the VFs of this node and who has them')
    .option(...JSON_OPTION)
    .action(async (options) => (await import('./job-commands.js')).showStatus(api(), options));
  program.command('pf')
    .description('the PFs, and what their VFs are at')
    .option(...JSON_OPTION)
    .action(async (options) => (await import('./job-commands.js')).showPfs(api(), options));
  program.command('vf <name>')
    .description('who had a VF (its name is in vfring status) when: your leases of it, to administrators all')
    .option('--limit <n>', 'so many leases, the newest')
    .option(...JSON_OPTION)
    .action(async (name, options) => (await import('./job-commands.js')).showVf(api(), name, options));
  program.command('top')
    .description('the VFs and what they carry, live; q ends it')
    .option('--interval <seconds>', 'between two pictures', '1')
    .option('--times <n>', 'end after so many pictures')
    .action(async (options: { interval: string; times?: string }) => {
      const { wholeNumber } = await import('./job-commands.js');
      const intervalMs = Math.max(0.1, Number(options.interval) || 1) * 1000;
      await (await import('./top.js')).top(api(), { intervalMs, times: wholeNumber('--times', options.times) });
    });

  addJobCommands(program);
  addHostCommands(program);

  program.command('run')
    .usage(RUN_USAGE.replace('vfring run ', ''))
    .description('run an MPI program with mpirun over VFs')
    .argument('[arguments...]')
    .allowUnknownOption()
    .addHelpText('after', RUN_HELP)
    .action(async (_arguments: string[], _options: object, command: Command) => {
      const args = parseRunArgs(command.args, commandLine);
      const [{ run }, { nodeContext }] = await Promise.all([import('./run.js'), import('./node-context.js')]);
      process.exitCode = await run(args, { ...nodeContext(), say });
    });

  addBenchCommand(program);
  addAdminCommands(program);
  addSlurmCommands(program);
  addGeneratedTexts(program);
  return program;
}

function addJobCommands(program: Command): void {
  const job = program.command('job [id]')
    .description('your jobs, or one of them with what its VFs carried')
    .option(...JSON_OPTION)
    .option('--since <time>', 'those that were under way since then, and what users had in all by day: 7d, 12h, 2026-11-01')
    .option('--uid <uid>', 'whose job, for administrators')
    .enablePositionalOptions()
    .action(async (id: string | undefined, options) => {
      const commands = await import('./job-commands.js');
      await (id === undefined ? commands.listJobs(api(), options) : commands.showJob(api(), id, options));
    });
  job.command('create')
    .description('make a job and print its id, the VFRING_JOB of its processes')
    .option('--id <name>', 'its id; without, one is made up')
    .option('--ranks <n>', 'processes')
    .option('--vfs <n>', 'reserve so many VFs for it')
    .option('--memory <size>', 'budget of registered memory for all its VFs, shared equally; for example 512MiB')
    .option('--time-limit <time>', 'after this its processes are told to end, then killed; for example 2h')
    .option('--wait <time>', 'wait so long when the VFs are not free; without, be refused')
    .addOption(new Option('--spread <how>', 'pf: ranks go round the PFs; pack: one PF first').choices(['pf', 'pack']))
    .option('--uid <uid>', 'whose job it is, for administrators')
    .option(...JSON_OPTION)
    .action(async (options) => (await import('./job-commands.js')).createJob(api(), options));
  job.command('end <id>')
    .description('end a job: it takes no more leases, and what is reserved for it is free')
    .option('--kill', 'its processes are told to end, and killed if they do not')
    .option('--uid <uid>', 'whose job, for administrators')
    .option(...JSON_OPTION)
    .action(async (id, options) => (await import('./job-commands.js')).endJob(api(), id, options));

  const lease = program.command('lease').description('leases of VFs');
  lease.command('list', { isDefault: true })
    .description('leases that are held now: yours, to administrators all')
    .option(...JSON_OPTION)
    .action(async (options) => (await import('./job-commands.js')).listLeases(api(), options));
  lease.command('end <id>')
    .description('take the VFs of a lease, or one of them, away from its process (administrators)')
    .option('--vf <name>', 'this VF alone: a process that has others goes on over them')
    .action(async (id, options) => (await import('./job-commands.js')).endLease(api(), id, options));
}

function addAdminCommands(program: Command): void {
  const config = program.command('config').description('the configuration of vfringd');
  config.command('check <file>')
    .description('check a configuration and name every problem with its line')
    .option(...JSON_OPTION)
    .action(async (file, options) => (await import('./provision.js')).checkConfig(file, options));

  program.command('provision')
    .description('let vfringd take its configuration file over, or show what that would change')
    .option('--plan', 'change nothing: show each step, and which VFs and jobs it would disturb')
    .addOption(new Option('--dry-run', 'the same as --plan').hideHelp())
    .option('--force', 'take VFs away from running processes where the new configuration needs it')
    .option(...CONFIG_OPTION)
    .option(...JSON_OPTION)
    .action(async (options) => (await import('./provision.js')).provision(api(), options));

  addDoctorCommand(program);
  program.command('metrics')
    .description("metrics in Prometheus' text format, for the textfile collector of node_exporter (administrators)")
    .action(async () => (await import('./job-commands.js')).showMetrics(api()));
  program.command('cdi')
    .description('what containers need of vfring, as the Container Device Interface has it: docs/containers.md')
    .option('--output <file>', 'write it there, for example /etc/cdi/vfring.json, instead of printing it')
    .action(async (options: { output?: string }) => (await import('./cdi.js')).writeCdi(api(), defaultRunDir(), options.output));
}

function addSlurmCommands(program: Command): void {
  const wait = ['--wait <time>', 'wait so long for a vfringd that is started anew and for VFs that are just being left', '20s'] as const;
  const slurm = program.command('slurm').description('what slurm.conf and gres.conf name where Slurm gives the VFs out');
  slurm.command('gres')
    .description('print the line of gres.conf for the VFs of this node')
    .option('--node <name>', 'name of this node in slurm.conf (default: that of the host)')
    .action(async (options: { node?: string }) => (await import('./slurm-commands.js')).showGres(api(), options.node));
  slurm.command('prolog')
    .description("make a job of Slurm's known to vfringd, with the VFs that Slurm has given it; for Prolog= of slurm.conf")
    .option(...wait)
    .action(async (options: { wait: string }) => void (process.exitCode = await (await import('./slurm-commands.js')).runProlog(api(), options.wait)));
  slurm.command('epilog')
    .description('end such a job, prove that its VFs are free and clean, note what they carried; for Epilog= of slurm.conf')
    .option(...wait)
    .action(async (options: { wait: string }) => void (process.exitCode = await (await import('./slurm-commands.js')).runEpilog(api(), options.wait)));
}

function addGeneratedTexts(program: Command): void {
  program.command('completion')
    .description('print the completion of a shell')
    .addArgument(program.createArgument('<shell>').choices(['bash', 'zsh', 'fish']))
    .action(async (shell: 'bash' | 'zsh' | 'fish') => {
      const [{ completion }, { out }] = await Promise.all([import('./completion.js'), import('./output.js')]);
      out(completion(shell, buildProgram()).trimEnd());
    });
  program.command('man', { hidden: true })
    .description('print the manual page of a program')
    .addArgument(program.createArgument('<page>').choices(['vfring', 'vfringd']))
    .action(async (page: 'vfring' | 'vfringd') => {
      const [{ manual }, { out }, { daemonCommand }] = await Promise.all([import('./manual.js'), import('./output.js'), import('../vfringd/command.js')]);
      out(page === 'vfring' ? manual(buildProgram(), 1) : manual(daemonCommand(), 8));
    });
}

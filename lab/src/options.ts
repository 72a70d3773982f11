// SPDX-License-Identifier: BSD-3-Clause
/** The command line of `npm run lab`. */
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { LabError, EXIT_STATUS } from './errors.js';
import { DEFAULT_TIMEOUT_S } from './guest.js';
import { hostName } from './network.js';
import { type PartName, allParts } from './project.js';
import { type Machine, DEFAULT_MACHINE } from './qemu.js';
import { defaultCpus, MAX_HOSTS } from './site.js';
import { type Impairment, parseImpairment } from './wire/impairment.js';

/** What to run on one of several hosts. */
export interface HostCommand {
  host: string;
  argv: string[];
}

export interface LabOptions {
  /** Number of hosts, or undefined for the one guest without wires. */
  hosts: number | undefined;
  /** With hosts: what to run besides {@link argv}, which is for host1. */
  commands: HostCommand[];
  /** With hosts: VFs of the first PF that a vfringd on each host gives out; undefined for no vfringd. */
  vfs: number | undefined;
  /** With hosts: what the wires do to frames of all PFs. */
  wire: { impairment: Partial<Impairment>; seed?: number };

  user: string;
  shell: boolean;
  stdin: boolean;
  /** A script of the host to run in the guest; `argv` are its arguments. */
  script: string | undefined;
  machine: Machine;
  parts: readonly PartName[];
  timeoutS: number;
  cold: boolean;
  prune: boolean;
  argv: string[];
}

function number(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < min || value > max) {
      throw new InvalidArgumentError(`a whole number from ${min} to ${max} is needed`);
    }
    return value;
  };
}

function partList(text: string): PartName[] {
  const names = text.split(',').filter((name) => name !== '');
  const unknown = names.find((name) => !(allParts as string[]).includes(name));
  if (unknown !== undefined) {
    throw new InvalidArgumentError(`there is no part '${unknown}'; parts are ${allParts.join(', ')}`);
  }
  return names as PartName[];
}

function wire(text: string): LabOptions['wire'] {
  try {
    return parseImpairment(text);
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
}

/** Divides `ARG... --on HOST -- COMMAND... --on HOST -- COMMAND...`. */
function splitCommands(args: readonly string[]): { head: string[]; commands: HostCommand[] } {
  const starts = args.flatMap((word, index) => (word === '--on' && args[index + 2] === '--' ? [index] : []));
  return {
    head: args.slice(0, starts[0]),
    commands: starts.map((start, index) => ({ host: args[start + 1]!, argv: args.slice(start + 3, starts[index + 1]) })),
  };
}

function program(): Command {
  return new Command('npm run lab --')
    .usage('[options] -- COMMAND [ARGUMENT...] [--on HOST -- COMMAND [ARGUMENT...]]...')
    .description('Boots the emulated machine, runs COMMAND in it with the project built and installed, and exits with its status.')
    .option('--hosts <n>', `as many machines, host1, host2 ..., with a wire for the first PFs of all, one for the second ones, and a network for ssh; COMMAND runs on host1 (1 to ${MAX_HOSTS})`, number(1, MAX_HOSTS))
    .option('--on <host>', 'with --hosts: `--on host2 -- COMMAND` behind all else, as often as wanted, runs more on that host; hosts run side by side, the commands of one host in turn')
    .option('--vfs <n>', 'with --hosts: start vfringd on each host, with so many VFs of the first PF, before COMMAND', number(1, 7))
    .option('--wire <faults>', 'with --hosts: loss=1%,duplicate=1%,reorder=1%,delay=5ms,seed=1, each as wanted, for every frame between the hosts', wire)
    .option('--user <name>', 'run as this user of the guest (root or mpi)', 'root')
    .option('--shell', 'an interactive shell instead of COMMAND (Ctrl-] ends the guest)', false)
    .option('--script <file>', 'copy a script of this machine into the guest and run it; COMMAND is its arguments')
    .option('--stdin', 'pass standard input on to COMMAND instead of /dev/null', false)
    .option('--pfs <n>', 'number of PFs (82576); of one machine all are on one wire', number(0, 8), DEFAULT_MACHINE.pfs)
    .option('--cpus <n>', `virtual processors; more than the machine has make MPI very slow (default: ${DEFAULT_MACHINE.cpus}; with --hosts, an equal share of this computer's)`, number(1, 64))
    .option('--cpu <model>', "QEMU's name of the processor model", DEFAULT_MACHINE.cpu)
    .option('--memory <mib>', 'memory of the guest in MiB', number(512, 1 << 20), DEFAULT_MACHINE.memoryMiB)
    .option('--no-iommu', 'a machine without an IOMMU')
    .option('--no-intremap', 'an IOMMU that does not remap interrupts')
    .option('--append <parameters>', 'more kernel parameters', '')
    .option('--parts <list>', `parts of the project to build when they changed (${allParts.join(',')}; '' for none)`, partList, allParts)
    .option('--cold', 'boot, rather than resume the machine as saved after its last boot', false)
    .option('--timeout <seconds>', 'end the guest after this time, with exit status 124', number(1, 1 << 20), DEFAULT_TIMEOUT_S)
    .option('--prune', 'remove cached root file systems of other versions, and do nothing else', false)
    .argument('[command...]')
    .passThroughOptions()
    .addHelpText('after', `
Exit status: that of COMMAND (of several, the first that is not 0); ${EXIT_STATUS.usage} wrong usage, ${EXIT_STATUS.timeout} timeout, ${EXIT_STATUS.lab} the lab itself failed, 130 Ctrl-C.
Files that COMMAND leaves in /results are copied to build/lab/results, the kernel log to build/lab/console.log;
with --hosts to build/lab/results/HOST and build/lab/console-HOST.log.`);
}

/**
 * @param args what follows `npm run lab --`
 * @throws CommanderError after --help (exitCode 0) or for unknown options; its text is printed already
 * @throws LabError VFRING_ERR_LAB_USAGE
 */
export function parseOptions(args: readonly string[], quiet = false): LabOptions {
  const command = program().exitOverride();
  if (quiet) {
    command.configureOutput({ writeErr: () => undefined, writeOut: () => undefined });
  }
  const { head, commands } = splitCommands(args);
  // Where there are no hosts, `--on` is a word of the command like any other.
  const severalHosts = head.slice(0, head.includes('--') ? head.indexOf('--') : head.length).some((word) => /^--hosts(=|$)/.test(word));
  command.parse(severalHosts ? head : [...args], { from: 'user' });
  const values = command.opts();
  const hosts = values['hosts'] as number | undefined;
  const usage = (message: string): LabError =>
    new LabError('VFRING_ERR_LAB_USAGE', message, 'see npm run lab -- --help', EXIT_STATUS.usage);
  const modes = [values['shell'], values['script'] !== undefined, values['prune']].filter(Boolean).length;
  if (modes > 1) {
    throw usage('--shell, --script and --prune exclude each other');
  }
  if (hosts === undefined && ['on', 'wire', 'vfs'].some((name) => values[name] !== undefined)) {
    throw usage('--on, --wire and --vfs are for --hosts');
  }
  if (hosts !== undefined && values['on'] !== undefined) {
    throw usage('--on needs a host and a command behind it: --on host2 -- COMMAND');
  }
  if (hosts !== undefined && values['prune']) {
    throw usage('--hosts and --prune exclude each other');
  }
  for (const { host, argv } of severalHosts ? commands : []) {
    const known = Array.from({ length: hosts! }, (_, index) => hostName(index + 1));
    if (!known.includes(host)) {
      throw usage(`there is no ${host}; hosts are ${known.join(', ')}`);
    }
    if (argv.length === 0) {
      throw usage(`no command given for ${host}`);
    }
  }
  if (command.args.length === 0 && modes === 0 && !(severalHosts && commands.length > 0)) {
    throw usage('no command given: npm run lab -- -- COMMAND [ARGUMENT...], or --shell');
  }
  if (command.args.length > 0 && (values['shell'] || values['prune'])) {
    throw usage(`--${values['shell'] ? 'shell' : 'prune'} takes no command`);
  }
  if (!values['iommu'] && !values['intremap']) {
    throw usage('--no-iommu leaves nothing that --no-intremap could be about');
  }
  return {
    hosts,
    commands: severalHosts ? commands : [],
    vfs: values['vfs'],
    wire: values['wire'] ?? { impairment: {} },
    user: values['user'],
    shell: values['shell'],
    stdin: values['stdin'],
    script: values['script'],
    machine: {
      pfs: values['pfs'], functions: [], network: hosts === undefined ? 'own' : 'site',
      cpus: values['cpus'] ?? (hosts === undefined ? DEFAULT_MACHINE.cpus : defaultCpus(hosts)), cpu: values['cpu'], memoryMiB: values['memory'], iommu: values['iommu'],
      intremap: values['intremap'], append: values['append'],
    },
    parts: values['parts'],
    timeoutS: values['timeout'],
    cold: values['cold'],
    prune: values['prune'],
    argv: command.args,
  };
}

export { CommanderError };

// SPDX-License-Identifier: BSD-3-Clause
// The command line of `npm run lab`.
import {Command, CommanderError, InvalidArgumentError} from 'commander';
import {LabError, exitStatus} from './errors.js';
import {defaultTimeoutS} from './guest.js';
import {type PartName, allParts} from './project.js';
import {type Machine, defaultMachine} from './qemu.js';

export interface LabOptions {
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

function program(): Command {
  return new Command('npm run lab --')
    .usage('[options] -- COMMAND [ARGUMENT...]')
    .description('Boots the emulated machine, runs COMMAND in it with the project built and installed, and exits with its status.')
    .option('--user <name>', 'run as this user of the guest (root or mpi)', 'root')
    .option('--shell', 'an interactive shell instead of COMMAND (Ctrl-] ends the guest)', false)
    .option('--script <file>', 'copy a script of this machine into the guest and run it; COMMAND is its arguments')
    .option('--stdin', 'pass standard input on to COMMAND instead of /dev/null', false)
    .option('--pfs <n>', 'number of PFs (82576), all on one wire', number(0, 8), defaultMachine.pfs)
    .option('--cpus <n>', 'virtual processors; more than the machine has make MPI very slow', number(1, 64), defaultMachine.cpus)
    .option('--cpu <model>', "QEMU's name of the processor model", defaultMachine.cpu)
    .option('--memory <mib>', 'memory of the guest in MiB', number(512, 1 << 20), defaultMachine.memoryMiB)
    .option('--no-iommu', 'a machine without an IOMMU')
    .option('--no-intremap', 'an IOMMU that does not remap interrupts')
    .option('--append <parameters>', 'more kernel parameters', '')
    .option('--parts <list>', `parts of the project to build when they changed (${allParts.join(',')}; '' for none)`, partList, allParts)
    .option('--cold', 'boot, rather than resume the machine as saved after its last boot', false)
    .option('--timeout <seconds>', 'end the guest after this time, with exit status 124', number(1, 1 << 20), defaultTimeoutS)
    .option('--prune', 'remove cached root file systems of other versions, and do nothing else', false)
    .argument('[command...]')
    .passThroughOptions()
    .addHelpText('after', `
Exit status: that of COMMAND; ${exitStatus.usage} wrong usage, ${exitStatus.timeout} timeout, ${exitStatus.lab} the lab itself failed, 130 Ctrl-C.
Files that COMMAND leaves in /results are copied to build/lab/results, the kernel log to build/lab/console.log.`);
}

/**
 * @param args what follows `npm run lab --`
 * @throws CommanderError after --help (exitCode 0) or for unknown options; its text is printed already
 * @throws LabError VFRING_ERR_LAB_USAGE
 */
export function parseOptions(args: readonly string[], quiet = false): LabOptions {
  const command = program().exitOverride();
  if (quiet) {
    command.configureOutput({writeErr: () => undefined, writeOut: () => undefined});
  }
  command.parse([...args], {from: 'user'});
  const values = command.opts();
  const usage = (message: string): LabError =>
    new LabError('VFRING_ERR_LAB_USAGE', message, 'see npm run lab -- --help', exitStatus.usage);
  const modes = [values['shell'], values['script'] !== undefined, values['prune']].filter(Boolean).length;
  if (modes > 1) {
    throw usage('--shell, --script and --prune exclude each other');
  }
  if (command.args.length === 0 && modes === 0) {
    throw usage('no command given: npm run lab -- -- COMMAND [ARGUMENT...], or --shell');
  }
  if (command.args.length > 0 && (values['shell'] || values['prune'])) {
    throw usage(`--${values['shell'] ? 'shell' : 'prune'} takes no command`);
  }
  if (!values['iommu'] && !values['intremap']) {
    throw usage('--no-iommu leaves nothing that --no-intremap could be about');
  }
  return {
    user: values['user'],
    shell: values['shell'],
    stdin: values['stdin'],
    script: values['script'],
    machine: {
      pfs: values['pfs'], cpus: values['cpus'], cpu: values['cpu'], memoryMiB: values['memory'], iommu: values['iommu'],
      intremap: values['intremap'], append: values['append'],
    },
    parts: values['parts'],
    timeoutS: values['timeout'],
    cold: values['cold'],
    prune: values['prune'],
    argv: command.args,
  };
}

export {CommanderError};

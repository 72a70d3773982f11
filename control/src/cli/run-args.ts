// SPDX-License-Identifier: BSD-3-Clause
/** The arguments of `vfring run`: ours, mpirun's, and the program's. */
import { VfringError } from '../errors.js';

import { RAILS_MAX } from '../rails.js';
import type { NamedHosts } from './over-hosts.js';

export type Local = 'sm' | 'vf';

export interface RunArgs {
  /** How ranks on one node talk: shared memory, or VFs like everybody else. */
  readonly local: Local;
  /** VFs of each process; undefined: as many as the nodes' policies give. */
  readonly rails: number | undefined;
  readonly ranks: number;
  readonly mpirun: string;
  /** Passed on as they are. */
  readonly mpirunOptions: readonly string[];
  /** Program and its arguments. */
  readonly program: readonly string[];
  /** Hosts that mpirun is told, which it is told as well. */
  readonly hosts: NamedHosts;
  /** Where ranks run is said by more than the hosts' slots. */
  readonly placed: boolean;
}

export const RUN_USAGE = 'vfring run [--local sm|vf] [--rails N] -n N [--mpirun PATH] [mpirun options…] -- PROGRAM [ARGUMENTS…]';

/** For completion. They are not commander's, which would take mpirun's for its own. */
export const RUN_OPTIONS = [
  { name: '--local', what: 'within a node: shared memory (sm) or VFs too (vf)', values: ['sm', 'vf'] },
  { name: '--rails', what: 'VFs of each process', values: [] },
  { name: '-n', what: 'number of processes', values: [] },
  { name: '--mpirun', what: 'the mpirun to use', values: [] },
] as const;

/** MCA parameters of the BTL: VFs of a process, and which they are where nobody leases them. */
export const RAILS_PARAMETER = 'btl_vfring_rails';
export const JOB_PARAMETER = 'btl_vfring_job';
export const LEASE_PARAMETER = 'btl_vfring_lease';
const DEVICES_PARAMETER = 'btl_vfring_devices';

const RANKS_OPTIONS = new Set(['-n', '--n', '-np', '--np', '-c']);
const HOST_OPTIONS = /^--?(H|host|add-host)$/;
const HOSTFILE_OPTIONS = /^--?(hostfile|machinefile|default-hostfile|add-hostfile)$/;
const PLACING_OPTIONS = /^--?(N|npernode|pernode|npersocket|ppr|map-by|mapby|bynode|byslot|rank-by|rf|rankfile|oversubscribe|nooversubscribe|max-slots)$/;

/**
 * Takes the user's program off the command line before anybody looks for
 * options in it: what follows the first "--" of `vfring run` is the program's,
 * whole.
 */
export function splitCommandLine(args: readonly string[]): { readonly ours: readonly string[]; readonly commandLine: readonly string[] } {
  const dash = args[0] === 'run' ? args.indexOf('--') : -1;
  return dash < 0 ? { ours: args, commandLine: [] } : { ours: args.slice(0, dash), commandLine: args.slice(dash + 1) };
}

/**
 * Throws VFRING_ERR_USAGE.
 *
 * @param ours what stood before "--"
 * @param program what stood behind it
 */
export function parseRunArgs(ours: readonly string[], program: readonly string[]): RunArgs {
  if (program.length === 0) {
    throw usage('the program is missing: it comes after a double dash');
  }
  if (program[0]?.startsWith('-')) {
    throw usage(`${program[0]} behind the double dash is no program, and mpirun would take it for an option of its own; a program of that name is ./${program[0]}`);
  }
  let local: Local = 'sm';
  let rails: number | undefined;
  let ranks: number | undefined;
  let mpirun = 'mpirun';
  const mpirunOptions: string[] = [];

  for (let i = 0; i < ours.length; i++) {
    const [option = '', attached] = splitOption(ours[i] ?? '');
    const value = (): string => {
      const found = attached ?? ours[++i];
      if (found === undefined || found === '') {
        throw usage(`${option} needs a value`);
      }
      return found;
    };
    if (option === '--local') {
      local = parseLocal(value());
    } else if (option === '--rails') {
      rails = parseRails(value());
    } else if (RANKS_OPTIONS.has(option)) {
      ranks = parseRanks(value());
    } else if (option === '--mpirun') {
      mpirun = value();
    } else {
      mpirunOptions.push(ours[i] ?? '');
    }
  }
  if (ranks === undefined) {
    throw usage('the number of processes is missing: -n N');
  }
  refuseOurOptions(mpirunOptions, rails);
  const hosts = { lists: valuesOf(mpirunOptions, HOST_OPTIONS), files: valuesOf(mpirunOptions, HOSTFILE_OPTIONS) };
  const placed = mpirunOptions.some((option) => PLACING_OPTIONS.test(option.split('=', 1)[0] ?? ''));
  return { local, rails, ranks, mpirun, mpirunOptions, program, hosts, placed };
}

/** Of an option of mpirun's that may come several times, its value attached or not. */
function valuesOf(options: readonly string[], name: RegExp): string[] {
  return options.flatMap((option, i) => {
    const [word = '', ...attached] = option.split('=');
    const value = attached.length > 0 ? attached.join('=') : options[i + 1];
    return name.test(word) && value !== undefined ? [value] : [];
  });
}

/** Only our own long options may have their value attached: --local=vf. */
function splitOption(argument: string): [string, string | undefined] {
  const match = /^(--(?:local|rails|mpirun|n|np))=(.*)$/s.exec(argument);
  return match === null ? [argument, undefined] : [match[1] ?? '', match[2]];
}

function parseLocal(text: string): Local {
  if (text !== 'sm' && text !== 'vf') {
    throw usage(`--local ${text}: it is sm (shared memory within the node) or vf (VFs everywhere)`);
  }
  return text;
}

function parseRails(text: string): number {
  const rails = /^\d{1,7}$/.test(text) ? Number(text) : 0;
  if (rails < 1 || rails > RAILS_MAX) {
    throw usage(`--rails ${text}: the number of VFs of each process is a whole number from 1 to ${RAILS_MAX}; without --rails the nodes' configurations say it`);
  }
  return rails;
}

function parseRanks(text: string): number {
  const ranks = /^\d{1,7}$/.test(text) ? Number(text) : 0;
  if (ranks < 1 || ranks > 1_000_000) {
    throw usage(`-n ${text}: the number of processes is a whole number from 1 on`);
  }
  return ranks;
}

function refuseOurOptions(options: readonly string[], rails: number | undefined): void {
  options.forEach((option, i) => {
    const name = options[i + 1];
    if (/^--?(g|o)?mca$/.test(option) && (name === 'btl' || name === 'pml')) {
      throw usage(`${option} ${name}: vfring run sets it itself; choose with --local, or call mpirun yourself`);
    }
    if (rails !== undefined && /^--?(g|o)?mca$/.test(option) && (name === RAILS_PARAMETER || name === DEVICES_PARAMETER)) {
      throw usage(`${option} ${name} and --rails ${rails}: both say which VFs a process has; leave one of them out`);
    }
  });
}

function usage(what: string): VfringError {
  return new VfringError('VFRING_ERR_USAGE', { what, remedy: `usage: ${RUN_USAGE}` });
}

// SPDX-License-Identifier: BSD-3-Clause
/** Under which conditions figures came about: without them they say nothing. */
import { readFileSync } from 'node:fs';
import os from 'node:os';
import type { OpenMpi } from '../mpi/open-mpi.js';
import type { Load } from './result.js';

export type Fact = [name: string, value: string];

/** Reads a file of proc or sys; undefined where this machine has none. */
export type ReadText = (path: string) => string | undefined;

export const readText: ReadText = (path) => {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined;
  }
};

export const loadNow = (): Load => os.loadavg() as Load;

/** Cores: two threads of one are one. */
export function coresOf(cpuinfo: string): number {
  const field = (block: string, name: string): string => new RegExp(`^${name}\\s*:\\s*(\\S+)`, 'm').exec(block)?.[1] ?? '';
  const cores = cpuinfo.split('\n\n').filter((block) => /^processor\s*:/m.test(block))
    .map((block) => (field(block, 'core id') === '' ? field(block, 'processor') : `${field(block, 'physical id')}/${field(block, 'core id')}`));
  return new Set(cores).size;
}

/** So many ranks can have a core each: processors that this process may use, and cores that there are. */
export function coresHere(read: ReadText = readText, processors = os.availableParallelism()): number {
  const cores = coresOf(read('/proc/cpuinfo') ?? '');
  return Math.min(processors, cores === 0 ? processors : cores);
}

export interface Setting {
  readonly mpi: OpenMpi;
  readonly release: string;
  readonly ranks: number;
  readonly placing: string;
}

/** In the order in which people look. */
export function conditionsHere({ mpi, release, ranks, placing }: Setting, read: ReadText = readText): Fact[] {
  const cpuinfo = read('/proc/cpuinfo') ?? '';
  const model = /^(?:model name|Model|CPU part)\s*:\s*(.*)$/m.exec(cpuinfo)?.[1] ?? 'unknown';
  const system = /^PRETTY_NAME="?(.*?)"?$/m.exec(read('/etc/os-release') ?? '')?.[1] ?? 'unknown';
  const virtual = /^flags\s*:.*\bhypervisor\b/m.test(cpuinfo);
  const product = [read('/sys/class/dmi/id/sys_vendor'), read('/sys/class/dmi/id/product_name')].filter((text) => text).join(' ');
  return [
    ['host', os.hostname()],
    ['machine', `${virtual ? 'virtual' : 'not virtual, as far as its processor tells'}${product === '' ? '' : ` (${product})`}`],
    ['processor', `${model}; ${coresOf(cpuinfo)} cores, ${os.availableParallelism()} processors for this process`],
    ['frequency governor', read('/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor') ?? 'unknown'],
    ['memory', `${(os.totalmem() / 2 ** 30).toFixed(1)} GiB`],
    ['operating system', system],
    ['kernel', os.release()],
    ['vfring', release],
    ['Open MPI', mpi.version],
    ['ranks', `${ranks}, ${placing}`],
    ['priority', `nice ${os.getPriority()}`],
  ];
}

/** "emulated" is what a card is that a virtual machine was given by its emulator; from inside, one that was handed through looks the same. */
export const cardFact = (virtual: boolean): string => (virtual ? 'in a virtual machine: emulated, or handed through' : 'real');

export const isVirtual = (read: ReadText = readText): boolean => /^flags\s*:.*\bhypervisor\b/m.test(read('/proc/cpuinfo') ?? '');

/** MTU by name of each interface. */
export function interfacesHere(read: ReadText = readText): Map<string, number | undefined> {
  return new Map(Object.keys(os.networkInterfaces()).map((name) => {
    const mtu = Number(read(`/sys/class/net/${name}/mtu`));
    return [name, Number.isNaN(mtu) ? undefined : mtu];
  }));
}

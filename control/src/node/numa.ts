// SPDX-License-Identifier: BSD-3-Clause
/**
 * How near a VF is to the process that asks for it: the NUMA nodes whose CPUs
 * the process may run on, against the node of the VF's PCI function (sysfs
 * numa_node). A VF whose node is not known (-1) counts as near to all.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { NumaPolicy } from '../config/schema.js';
import { errnoCode } from '../errors.js';
import type { Vf } from '../model/vf.js';
import { UNKNOWN_NODE, isNear } from '../numa-nodes.js';

/** What the kernel tells of the machine's NUMA nodes. */
export interface Numa {
  /**
   * Nodes whose CPUs the first thread of the process may run on, ascending.
   * Undefined: the kernel names no nodes, or the process cannot be read.
   */
  nodesOf(pid: number): readonly number[] | undefined;
  /** By the firmware's table: LOCAL within a node, more between nodes. */
  distance(from: number, to: number): number;
}

/** How the VFs that a lease may take are seen from its process. */
export interface NumaView {
  /** Undefined where they did not have to be looked up. */
  readonly nodes: readonly number[] | undefined;
  /** Of a VF from the process: less is nearer. Undefined: all are as near. */
  readonly distance: ((vf: Vf) => number) | undefined;
  /** False: the policy forbids it. Undefined: it forbids none. */
  readonly allows: ((vf: Vf) => boolean) | undefined;
}

/** Distances of Linux's include/linux/topology.h, for a machine whose firmware tells none. */
const LOCAL = 10;
const REMOTE = 20;

const ANYWHERE: NumaView = { nodes: undefined, distance: undefined, allows: undefined };

/** Reads /proc only where the free VFs differ in their node, so that it costs a lease next to nothing on most machines. */
export function numaView(policy: NumaPolicy, numa: Numa, pid: number, free: readonly { readonly vf: Vf }[]): NumaView {
  if (!matters(policy, free)) {
    return ANYWHERE;
  }
  const nodes = numa.nodesOf(pid);
  const far = (node: number): number =>
    nodes === undefined || node === UNKNOWN_NODE ? LOCAL : Math.min(...nodes.map((from) => numa.distance(from, node)));
  const distances = new Map(Array.from(new Set(free.map(({ vf }) => vf.numa)), (node) => [node, far(node)]));
  return {
    nodes,
    distance: (vf) => distances.get(vf.numa) ?? LOCAL,
    allows: (vf) => policy !== 'require' || isNear(vf.numa, nodes ?? []),
  };
}

function matters(policy: NumaPolicy, free: readonly { readonly vf: Vf }[]): boolean {
  switch (policy) {
    case 'ignore':
      return false;
    case 'require':
      return free.some(({ vf }) => vf.numa !== UNKNOWN_NODE);
    case 'prefer':
      return free.some(({ vf }) => vf.numa !== free[0]?.vf.numa);
  }
}

type Range = readonly [first: number, last: number];

interface Topology {
  /** CPUs by node. */
  readonly cpus: ReadonlyMap<number, readonly Range[]>;
  /** A row for each node, its columns the nodes in ascending order. */
  readonly distances: ReadonlyMap<number, readonly number[]>;
}

export function realNuma(sys = '/sys', proc = '/proc'): Numa {
  let topology: Topology | undefined;
  const find = (affinity: readonly Range[]): number[] => {
    topology ??= readTopology(join(sys, 'devices/system/node'));
    return [...topology.cpus].filter(([, cpus]) => overlap(affinity, cpus)).map(([node]) => node);
  };
  return {
    nodesOf(pid) {
      const affinity = affinityOf(join(proc, String(pid), 'status'));
      if (affinity === undefined) {
        return undefined;
      }
      let nodes = find(affinity);
      if (nodes.length === 0) {
        // Its CPUs may have come since.
        topology = undefined;
        nodes = find(affinity);
      }
      return nodes.length === 0 ? undefined : nodes;
    },
    distance(from, to) {
      topology ??= readTopology(join(sys, 'devices/system/node'));
      const column = [...topology.cpus.keys()].indexOf(to);
      return topology.distances.get(from)?.[column] ?? (from === to ? LOCAL : REMOTE);
    },
  };
}

function readTopology(dir: string): Topology {
  const names = orNothing(() => readdirSync(dir)) ?? [];
  const nodes = names.flatMap((name) => /^node(\d+)$/.exec(name)?.[1] ?? []).map(Number).sort((a, b) => a - b);
  const read = (node: number, file: string): string => orNothing(() => readFileSync(join(dir, `node${node}`, file), 'latin1')) ?? '';
  return {
    cpus: new Map(nodes.map((node) => [node, parseCpuList(read(node, 'cpulist'))])),
    distances: new Map(nodes.map((node) => [node, read(node, 'distance').trim().split(/\s+/).map(Number)])),
  };
}

/** Cpus_allowed_list of proc(5): affinity, within the cpuset. */
function affinityOf(status: string): readonly Range[] | undefined {
  const text = orNothing(() => readFileSync(status, 'latin1'));
  const list = text && /^Cpus_allowed_list:\s*(\S*)$/m.exec(text)?.[1];
  return list ? parseCpuList(list) : undefined;
}

/** "0-3,8" as ranges, both ends included. A node without CPUs has an empty list. */
export function parseCpuList(text: string): Range[] {
  return text.trim().split(',').filter((part) => part !== '').map((part) => {
    const [first, last = first] = part.split('-').map(Number);
    if (!Number.isSafeInteger(first) || !Number.isSafeInteger(last)) {
      throw new Error(`not a list of CPUs: '${text.trim()}'`);
    }
    return [first as number, last as number];
  });
}

function overlap(a: readonly Range[], b: readonly Range[]): boolean {
  return a.some(([first, last]) => b.some(([from, to]) => first <= to && from <= last));
}

/** Undefined where there is no such file, or no such process any more, or it is hidden (hidepid). */
function orNothing<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'ESRCH', 'EACCES', 'EPERM'].includes(errnoCode(error) ?? '')) {
      return undefined;
    }
    throw error;
  }
}

// SPDX-License-Identifier: BSD-3-Clause
/** Machines with NUMA nodes, as folders that look like /sys and /proc. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { realNuma, type Numa } from '../../src/node/numa.js';

export const NO_NUMA: Numa = { nodesOf: () => undefined, distance: () => 10 };

export interface FakeMachine {
  readonly numa: Numa;
  /** As `taskset` would: "0-3,8". */
  setAffinity(pid: number, cpus: string): void;
  setCpus(node: number, cpus: string): void;
}

/**
 * @param cpus of each node, "" for one with memory only
 * @param distances a row for each node; without, the firmware tells none
 */
export function fakeMachine(dir: string, cpus: Readonly<Record<number, string>>, distances?: Readonly<Record<number, string>>): FakeMachine {
  const nodes = join(dir, 'sys/devices/system/node');
  const setCpus = (node: number, list: string): void => {
    mkdirSync(join(nodes, `node${node}`), { recursive: true });
    writeFileSync(join(nodes, `node${node}`, 'cpulist'), `${list}\n`);
  };
  mkdirSync(nodes, { recursive: true });
  writeFileSync(join(nodes, 'online'), '0-1\n');
  for (const [node, list] of Object.entries(cpus)) {
    setCpus(Number(node), list);
  }
  for (const [node, row] of Object.entries(distances ?? {})) {
    writeFileSync(join(nodes, `node${node}`, 'distance'), `${row}\n`);
  }
  return {
    numa: realNuma(join(dir, 'sys'), join(dir, 'proc')),
    setAffinity(pid, list) {
      mkdirSync(join(dir, 'proc', String(pid)), { recursive: true });
      writeFileSync(join(dir, 'proc', String(pid), 'status'), `Name:\tx\nCpus_allowed:\tff\nCpus_allowed_list:\t${list}\nMems_allowed_list:\t0-1\n`);
    },
    setCpus,
  };
}

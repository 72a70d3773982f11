// SPDX-License-Identifier: BSD-3-Clause
/** A recorded machine as a tree of files, to be read as /sys is: nothing of it obeys. */
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Exec } from '../../src/exec.js';
import { ipLink, type IpLink } from '../../src/providers/sriov/ip-link.js';
import { realSysfs, type Sysfs } from '../../src/providers/sriov/sysfs.js';
import type { Recording, Scenario } from './recording.js';

export interface RecordedMachine {
  readonly recording: Recording;
  readonly sysfs: Sysfs;
  readonly ip: IpLink;
  readonly exec: Exec;
  readonly file: (path: string) => string | undefined;
}

const LINK = '-> ';

/** Below /sys, where what a link names is found; the kernel's own targets lead through /sys/devices, which is not recorded. */
function targetOf(link: string, name: string): string {
  const folder = link === 'driver' ? 'bus/pci/drivers' : link === 'iommu_group' ? 'kernel/iommu_groups' : 'bus/pci/devices';
  return join(folder, name);
}

export function readRecording(scenario: Scenario): Recording {
  return JSON.parse(readFileSync(join(import.meta.dirname, `${scenario}.json`), 'utf8')) as Recording;
}

/** @param dir where the tree is made */
export function recordedMachine(scenario: Scenario, dir: string): RecordedMachine {
  const recording = readRecording(scenario);
  const root = join(dir, 'sys');
  for (const [folder, entries] of Object.entries(recording.sys)) {
    mkdirSync(join(root, folder), { recursive: true });
    for (const [name, text] of Object.entries(entries)) {
      const path = join(root, folder, name);
      mkdirSync(dirname(path), { recursive: true });
      text.startsWith(LINK) ? symlinkSync(join(root, targetOf(name, text.slice(LINK.length))), path) : writeFileSync(path, `${text}\n`);
    }
  }
  const exec: Exec = async (program, args) => {
    const link = recording.ip[args[4] ?? ''];
    if (program === 'ip' && args[0] === '-json' && link !== undefined) {
      return { status: 0, stdout: JSON.stringify([link]), stderr: '' };
    }
    throw Object.assign(new Error(`spawn ${program} ENOENT`), { code: 'ENOENT' });
  };
  return { recording, sysfs: realSysfs(root), ip: ipLink(exec), exec, file: (path) => recording.files[path] };
}

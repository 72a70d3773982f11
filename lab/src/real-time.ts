// SPDX-License-Identifier: BSD-3-Clause
/** For measuring on a computer that has other work: QEMU and the wires before all of it. */
import { readdirSync } from 'node:fs';
import { execa } from 'execa';
import { LabError } from './errors.js';
import type { Site } from './site.js';

/** Of SCHED_FIFO. A virtual processor that polls never sleeps: what serves it must come before it. */
const PRIORITY = { processor: 10, device: 20 } as const;

/**
 * Other programs get what the guests leave, which is next to nothing while they poll: for minutes only.
 * @throws LabError VFRING_ERR_LAB_HOST without the right to it
 */
export async function setRealTime(site: Site): Promise<void> {
  const set = async (pid: number, processors: readonly number[]): Promise<void> => {
    for (const thread of readdirSync(`/proc/${pid}/task`).map(Number)) {
      const level = processors.includes(thread) ? PRIORITY.processor : PRIORITY.device;
      const { exitCode, stderr } = await execa('chrt', ['--fifo', '--pid', String(level), String(thread)], { reject: false });
      if (exitCode !== 0) {
        throw new LabError('VFRING_ERR_LAB_HOST', `cannot run the machines at real-time priority: ${stderr}`, 'run it as root, or without --realtime');
      }
    }
  };
  for (const { guest } of site.hosts) {
    const { pid, processors } = await guest.threads();
    await set(pid, processors);
  }
  await set(site.wires.pid, []);
}

// SPDX-License-Identifier: BSD-3-Clause
/** vfring slurm …: what Slurm's configuration needs of this node, and what its prolog and epilog do (docs/slurm.md). */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import type { VfView } from '../api/views.js';
import { VfringError, causeText, errnoCode } from '../errors.js';
import { exec } from '../exec.js';
import { parseDuration } from '../config/units.js';
import { native } from '../native.js';
import { nodeOps } from '../providers/node-ops.js';
import { realSysfs } from '../providers/sriov/sysfs.js';
import { VFIO_DIR, realVfio } from '../providers/sriov/vfio.js';
import { epilog } from '../slurm/epilog.js';
import { gresLines } from '../slurm/gres.js';
import { jobEnv, prolog, type Refusals, type Scene } from '../slurm/prolog.js';
import { slurm } from '../slurm/slurm.js';
import type { ApiClient } from '../api/client.js';
import { out, say } from './output.js';

const POLL_MS = 200;
const FREE_MS = 60_000;
const ROOT = 0;
const PRIVATE = 0o600;
/** The task prolog, a shell script, knows this folder, too. It outlives vfringd's own. */
const REFUSALS = '/run/vfring-slurm';

export async function showGres(api: ApiClient, node: string | undefined): Promise<void> {
  gresLines(node ?? (os.hostname().split('.')[0] as string), await api.status()).forEach(out);
}

export async function runProlog(api: ApiClient, wait: string): Promise<number> {
  return await prolog(jobEnv(process.env), scene(api, wait));
}

export async function runEpilog(api: ApiClient, wait: string): Promise<number> {
  return await epilog(jobEnv(process.env), { ...scene(api, wait), inspect, freeMs: FREE_MS });
}

function scene(api: ApiClient, wait: string): Scene {
  const seconds = parseDuration(wait);
  if (seconds === undefined) {
    throw new VfringError('VFRING_ERR_USAGE', { what: `--wait ${wait}: a whole number and its unit`, remedy: 'for example --wait 20s' });
  }
  return { slurm: slurm(exec), api, refusals, say, waiting: { forMs: seconds * 1000, everyMs: POLL_MS } };
}

const refusals: Refusals = {
  put(jobId, lines) {
    mkdirSync(REFUSALS, { recursive: true, mode: 0o755 });
    writeFileSync(join(REFUSALS, jobId), `${lines.join('\n')}\n`, { mode: 0o644 });
  },
  drop(jobId) {
    rmSync(join(REFUSALS, jobId), { force: true });
  },
};

/** Looked at without asking vfringd, whose word this is to prove. */
async function inspect({ kind, device, name }: VfView): Promise<string | undefined> {
  const { uid, mode } = await nodeOps.stat(device);
  if (uid !== ROOT || mode !== PRIVATE) {
    return `its node belongs to uid ${uid}, mode 0${mode.toString(8)}`;
  }
  if (kind === 'soft') {
    return (await nodeOps.look(device)).locked ? 'a process has it open' : undefined;
  }
  if (device.startsWith(VFIO_DIR)) {
    return heldGroup(device);
  }
  const sysfs = realSysfs();
  const attributes = `bus/pci/devices/${name}/uio_vf/${device.replace('/dev/', '')}`;
  const state = await sysfs.read(`${attributes}/state`);
  if (state !== 'free') {
    return `the kernel says that it is ${state ?? 'not there'}`;
  }
  const live = Number(await sysfs.read(`${attributes}/dma_live_bytes`));
  return live === 0 ? undefined : `${live} bytes are still registered with it`;
}

/** VFIO does not say what is registered, but who has a VF open has its group. */
function heldGroup(path: string): string | undefined {
  try {
    realVfio(native()).probe(path);
    return undefined;
  } catch (error) {
    return errnoCode(error) === 'EBUSY' ? 'a process has it open' : causeText(error);
  }
}

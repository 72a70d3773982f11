// SPDX-License-Identifier: BSD-3-Clause
/** `vfring cdi`: what a container needs of vfring, as the Container Device Interface has it (CDI specification 0.5; docs/containers.md). */
import { chmodSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { ApiClient } from '../api/client.js';
import type { StatusView } from '../api/views.js';
import { VfringError, causeText } from '../errors.js';
import { VFIO_DIR } from '../providers/sriov/vfio.js';
import { out, say } from './output.js';

const KIND = 'vfring/vf';
/** Where processes look for vfringd, in a container as outside. */
const RUN_DIR = '/run/vfring';

interface Mount {
  readonly hostPath: string;
  readonly containerPath: string;
  readonly options: readonly string[];
}

interface Edits {
  readonly deviceNodes?: readonly { readonly path: string }[];
  readonly mounts?: readonly Mount[];
}

export interface CdiSpec {
  readonly cdiVersion: string;
  readonly kind: string;
  readonly devices: readonly { readonly name: string; readonly containerEdits: Edits }[];
  readonly containerEdits: Edits;
}

const mount = (hostPath: string, containerPath: string, mode: 'ro' | 'rw'): Mount =>
  ({ hostPath, containerPath, options: ['rbind', mode, 'nosuid', ...(mode === 'ro' ? ['nodev', 'noexec'] : [])] });

/**
 * One device, `vfring/vf=all`: every VF's node. Which of them a process may open is said by the node's owner, as outside. Not one
 * for each VF: vfringd chooses, and a process that is given a VF that its container lacks could not use it.
 *
 * @param runDir of vfringd. All of it, not its socket alone: a vfringd that is started anew makes a new socket
 */
export function cdiSpec(status: Pick<StatusView, 'provider' | 'vfs'>, runDir: string): CdiSpec {
  const paths = status.vfs.map(({ device }) => device).sort();
  // A soft VF is a file, and reaches the others through their common folder.
  const edits: Edits = status.provider === 'soft'
    ? { mounts: [...new Set(paths.map((path) => dirname(path)))].map((folder) => mount(folder, folder, 'rw')) }
    // Those of VFIO come as descriptors.
    : { deviceNodes: paths.filter((path) => !path.startsWith(VFIO_DIR)).map((path) => ({ path })) };
  return {
    cdiVersion: '0.5.0',
    kind: KIND,
    devices: [{ name: 'all', containerEdits: edits }],
    containerEdits: { mounts: [mount(runDir, RUN_DIR, 'ro')] },
  };
}

/**
 * Prints the specification, or writes it as a whole to `file`, readable for all.
 * Throws VFRING_ERR_CDI.
 */
export async function writeCdi(api: ApiClient, runDir: string, file: string | undefined): Promise<void> {
  const status = await api.status();
  const text = JSON.stringify(cdiSpec(status, runDir), null, 2);
  if (file === undefined) {
    out(text);
    return;
  }
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o755 });
    writeFileSync(`${file}.new`, `${text}\n`);
    // Whatever the umask is: users start containers.
    chmodSync(`${file}.new`, 0o644);
    renameSync(`${file}.new`, file);
  } catch (error) {
    throw new VfringError('VFRING_ERR_CDI', { file, cause: causeText(error) }, { cause: error });
  }
  say(`${file}: ${status.vfs.length} VFs, for podman run --device ${KIND}=all`);
}

// SPDX-License-Identifier: BSD-3-Clause
/** `vfring doctor`: the checks on the real machine. */
import { readFileSync } from 'node:fs';
import os from 'node:os';
import type { ApiClient } from '../api/client.js';
import { btlRelease, componentPath, findOpenMpi, oneSidedTrouble } from '../mpi/open-mpi.js';
import { loadConfig } from '../config/load.js';
import { causeText, isVfringError } from '../errors.js';
import { exec } from '../exec.js';
import { RLIMIT_MEMLOCK, prlimit } from '../libc.js';
import { libexecDir, prefix } from '../paths.js';
import { nodeOps } from '../providers/node-ops.js';
import { realSysfs } from '../providers/sriov/sysfs.js';
import { examine, type Report } from './check.js';
import { MACHINE_CHECKS } from './machine.js';
import { MPI_CHECKS, NODE_CHECKS } from './node.js';
import { SLURM_CHECKS } from './slurm.js';

export const CHECKS = [...MACHINE_CHECKS, ...NODE_CHECKS, ...SLURM_CHECKS, ...MPI_CHECKS];
const SELF = 0;

export async function doctor(api: ApiClient, configFile: string, mpirun: string): Promise<Report[]> {
  const [config, configError] = await settle(loadConfig(configFile));
  const [status, statusError] = await settle(api.status());
  return examine(CHECKS, {
    sysfs: realSysfs(),
    file: readText,
    exec,
    release: os.release(),
    config,
    configTrouble: configError === undefined ? undefined : causeText(configError),
    configUnread: isVfringError(configError, 'VFRING_ERR_CONFIG_READ'),
    status,
    statusTrouble: statusError === undefined ? undefined : causeText(statusError),
    statusRemedy: isVfringError(statusError, 'VFRING_ERR_NO_ANSWER') ? statusError.remedy : undefined,
    memlock: () => prlimit(SELF, RLIMIT_MEMLOCK).soft,
    stat: (path) => nodeOps.stat(path),
    openMpi: async () => {
      const mpi = await findOpenMpi(mpirun, exec);
      const own = `${prefix}/lib/openmpi`;
      const path = componentPath(mpi, prefix, process.env);
      const btl = await btlRelease(mpi, path, exec);
      const searched = Object.values(path).join(':').split(':');
      const where = searched[0] !== own ? searched[0] : `${own} (vfring run adds it; for a plain mpirun set OMPI_MCA_opal_mca_base_component_path)`;
      return { found: `Open MPI ${mpi.version}, the BTL of vfring ${btl} is in ${where}`, btl, oneSided: await oneSidedTrouble(mpi, process.env, exec) };
    },
    softTool: `${libexecDir()}/vfring-softvf`,
  });
}

async function settle<T>(work: Promise<T>): Promise<[value: T | undefined, error: unknown]> {
  try {
    return [await work, undefined];
  } catch (error) {
    return [undefined, error];
  }
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    // Not there, or not for this user: the check says which it needs.
    return undefined;
  }
}

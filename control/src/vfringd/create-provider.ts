// SPDX-License-Identifier: BSD-3-Clause
/** The provider that a configuration names, on the real machine. */
import type { Config } from '../config/schema.js';
import { exec } from '../exec.js';
import type { Log } from '../log.js';
import { native } from '../native.js';
import { nodeOps } from '../providers/node-ops.js';
import type { Provider } from '../providers/provider.js';
import { SoftProvider } from '../providers/soft/soft-provider.js';
import { softVfTool } from '../providers/soft/softvf-tool.js';
import { ipLink } from '../providers/sriov/ip-link.js';
import { SriovProvider } from '../providers/sriov/sriov-provider.js';
import { realSysfs } from '../providers/sriov/sysfs.js';
import { realVfio } from '../providers/sriov/vfio.js';

/** Emulated and busy machines need seconds for a link or a node. */
const PATIENCE_MS = 15_000;

export function createProvider(config: Config, log: Log): Provider {
  const { soft, sriov } = config.provider;
  if (soft !== undefined) {
    return new SoftProvider(soft, softVfTool(native()), nodeOps);
  }
  if (sriov === undefined) {
    throw new TypeError('a checked configuration has a provider');
  }
  const addon = native();
  return new SriovProvider(sriov, {
    sysfs: realSysfs(),
    ip: ipLink(exec),
    exec,
    log,
    devDir: '/dev',
    patienceMs: PATIENCE_MS,
    ops: nodeOps,
    readRegisters: (path, offsets) => addon.readRegisters(path, offsets),
    registers: addon.vfRegisters,
    vfio: realVfio(addon),
  });
}

// SPDX-License-Identifier: BSD-3-Clause
/** This node, as commands look at it. */
import { exec } from '../exec.js';
import { defaultRunDir, prefix } from '../paths.js';
import { realSysfs } from '../providers/sriov/sysfs.js';
import { apiClient } from '../api/client.js';
import type { NodeContext } from './node-facts.js';

export const nodeContext = (): NodeContext => ({ api: apiClient(defaultRunDir()), exec, sysfs: realSysfs(), env: process.env, prefix });

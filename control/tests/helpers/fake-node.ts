// SPDX-License-Identifier: BSD-3-Clause
/** A vfringd in this process: real sockets and pidfds, a played machine below. */
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { Config } from '../../src/config/schema.js';
import { Daemon, type DaemonOptions } from '../../src/vfringd/daemon.js';
import type { Settings } from '../../src/leases/manager.js';
import { LINE_LIMITS, type LineLimits } from '../../src/sockets/line-server.js';
import type { Prlimit } from '../../src/node/memlock.js';
import type { Numa } from '../../src/node/numa.js';
import { realProcesses } from '../../src/node/processes.js';
import { IN_MEMORY } from '../../src/ledger/database.js';
import type { LeaseRecord } from '../../src/ledger/records.js';
import type { Rlimit } from '../../src/libc.js';
import { createLog } from '../../src/log.js';
import { native } from '../../src/native.js';
import type { Provider } from '../../src/providers/provider.js';
import { softConfig } from './config.js';
import { NO_NUMA } from './fake-numa.js';
import { tempDir } from './temp-dir.js';
import { softHarness } from '../providers/harness.js';

export interface FakeNodeOptions {
  readonly dir?: string;
  readonly vfs?: number;
  readonly mtu?: number;
  readonly provider?: Provider;
  readonly config?: Config;
  readonly lineLimits?: Partial<LineLimits>;
  readonly prlimit?: Prlimit;
  /** Of a machine that has none unless it is given. */
  readonly numa?: Numa;
  /** In memory unless it is named. */
  readonly ledgerFile?: string;
  readonly jobsEveryMs?: number;
  readonly apiRequestMs?: number;
  readonly page?: DaemonOptions['page'];
  readonly watchDevices?: (changed: () => void) => { close(): void };
  readonly reload?: () => Promise<Settings>;
}

export interface FakeNode {
  readonly daemon: Daemon;
  readonly dir: string;
  readonly runDir: string;
  readonly lease: string;
  readonly api: string;
  readonly log: string[];
  /** Limits that were set, oldest first. */
  readonly limitsSet: { pid: number; limit: Rlimit }[];
  readonly soft: ReturnType<typeof softHarness>;
}

export async function startNode(options: FakeNodeOptions = {}): Promise<FakeNode> {
  const node = makeNode(options);
  await node.daemon.start();
  onTestFinished(() => node.daemon.stop('end'));
  return node;
}

/** Not started yet. */
export function makeNode(options: FakeNodeOptions = {}): FakeNode {
  const dir = options.dir ?? tempDir();
  const runDir = join(dir, 'run');
  const soft = softHarness(dir, options.vfs, options.mtu);
  const log: string[] = [];
  const limitsSet: { pid: number; limit: Rlimit }[] = [];
  const kept = new Map<number, Rlimit>();
  const recorder: Prlimit = (pid: number, _resource: number, limit?: Rlimit) => {
    const before = kept.get(pid) ?? { soft: 8192, hard: 8192 };
    if (limit !== undefined) {
      kept.set(pid, limit);
      limitsSet.push({ pid, limit });
    }
    return before;
  };
  const config = options.config ?? softConfig(join(dir, 'soft'), options.vfs ?? 4);
  const provider = options.provider ?? soft.provider();
  const daemon = new Daemon({
    config,
    runDir,
    ledgerFile: options.ledgerFile ?? IN_MEMORY,
    provider,
    reload: options.reload ?? (async () => ({ config, provider })),
    processes: realProcesses(native()),
    prlimit: options.prlimit ?? recorder,
    numa: options.numa ?? NO_NUMA,
    log: createLog('text', (line) => log.push(line)),
    lineLimits: { ...LINE_LIMITS, ...options.lineLimits },
    drainEveryMs: 20,
    ...(options.watchDevices && { watchDevices: options.watchDevices }),
    ...(options.apiRequestMs && { apiRequestMs: options.apiRequestMs }),
    ...(options.page && { page: options.page }),
    jobsEveryMs: options.jobsEveryMs ?? 20,
  });
  return {
    daemon,
    dir,
    runDir,
    lease: join(runDir, 'lease.sock'),
    api: join(runDir, 'api.sock'),
    log,
    limitsSet,
    soft,
  };
}

/** Every lease of a job that the ledger knows. */
export function leasesOf(node: FakeNode, label: string, uid = process.getuid?.() ?? 0): LeaseRecord[] {
  const job = node.daemon.ledger.findJob(uid, label);
  return job === undefined ? [] : node.daemon.ledger.leasesOf(job.key);
}

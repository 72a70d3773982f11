// SPDX-License-Identifier: BSD-3-Clause
/**
 * Leases of VFs that are none, to processes that are none, in a ledger that is
 * no file. JavaScript that runs for the first time is slow: without this, the
 * first ranks of a job after a start of the daemon wait three times as long.
 */
import { createLog } from '../log.js';
import { Ledger } from '../ledger/ledger.js';
import { IN_MEMORY } from '../ledger/database.js';
import { NO_TRAFFIC, type Provider, type Vf, type VfHealth } from '../providers/provider.js';
import type { Config } from '../config/schema.js';
import { MOST_TOGETHER } from './batches.js';
import { JobRegistry } from './job-registry.js';
import { LeaseManager } from './lease-manager.js';
import { leaseReply, parseRequest } from './lease-messages.js';
import type { Processes, WatchedProcess } from './processes.js';

/** More would make the first leases little faster, and have V8 keep some megabytes. */
const ROUNDS = 4;

const UID = 0;
const FREE: VfHealth = { device: 'free', owned: true, linkDown: undefined };

const VFS = Array.from({ length: MOST_TOGETHER }, (_unused, i): Vf => ({
  kind: 'soft', name: `vf${i}`, device: `/nowhere/vf${i}`, mac: '02:00:00:00:00:00', mtu: 1500, pf: 'none', numa: -1, segment: '', vlan: 0,
}));

const PROVIDER: Provider = {
  kind: 'soft',
  counterBits: 32,
  sampleEveryMs: 1000,
  looksWhenGranting: true,
  countersStandStill: true,
  plan: async () => [],
  provision: async () => VFS,
  health: async () => FREE,
  ready: async () => FREE,
  grant: async () => {},
  takeBack: async () => 'free',
  keepOwner: async () => undefined,
  memory: async () => null,
  counters: async () => NO_TRAFFIC,
};

const PROCESSES: Processes = {
  peerOf: () => ({ pid: 0, uid: UID, gid: 0 }),
  hold: () => processOf(0),
  adopt: () => undefined,
  close: () => {},
};

const processOf = (rank: number): WatchedProcess => ({
  pid: rank + 1, startTicks: 0, ended: () => false, onEnd: () => {}, signal: () => false, close: () => {},
});

/** @returns how many leases were made and given back */
export async function rehearse(config: Config): Promise<number> {
  const ledger = new Ledger(IN_MEMORY, { bootId: '-' });
  try {
    const log = createLog('json', () => {});
    const limits = { soft: 'unlimited', hard: 'unlimited' } as const;
    const manager = new LeaseManager({
      settings: { config: { ...config, managed_by: undefined, quotas: { ...config.quotas, vfs_per_user: undefined } }, provider: PROVIDER },
      jobs: new JobRegistry(ledger),
      ledger,
      prlimit: () => limits,
      numa: { nodesOf: () => undefined, distance: () => 0 },
      log,
    });
    await manager.start(PROCESSES);
    for (let round = 0; round < ROUNDS; round++) {
      const replies = await Promise.all(VFS.map(async (_vf, rank) => {
        const message = parseRequest(JSON.stringify({ v: 1, op: 'lease', count: 1, job: 'rehearsal', rank, ranks: VFS.length }));
        if (message.op !== 'lease') {
          throw new Error('a request for a lease is one');
        }
        const lease = await manager.lease(UID, processOf(rank), message);
        leaseReply(lease);
        return lease;
      }));
      await Promise.all(replies.map(({ pid, id }) => {
        parseRequest(JSON.stringify({ v: 1, op: 'release', lease: id }));
        return manager.release(pid, id);
      }));
    }
    return manager.tally.granted;
  } finally {
    ledger.close();
  }
}

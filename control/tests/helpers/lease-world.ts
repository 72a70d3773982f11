// SPDX-License-Identifier: BSD-3-Clause
/**
 * A node in miniature: VFs, processes and a vfringd that can be killed between
 * any two of its steps and started anew. Everything is in memory but the ledger.
 */
import type { Clock } from '../../src/clock.js';
import { JobControl } from '../../src/jobs/control.js';
import { JobRegistry } from '../../src/jobs/registry.js';
import { LeaseManager, type Settings } from '../../src/leases/manager.js';
import type { Vf, VfCounters } from '../../src/model/vf.js';
import type { Prlimit } from '../../src/node/memlock.js';
import type { Processes, WatchedProcess } from '../../src/node/processes.js';
import { Ledger } from '../../src/ledger/ledger.js';
import type { Rlimit } from '../../src/libc.js';
import { silentLog } from '../../src/log.js';
import type { Provider, VfHealth, VfMemory } from '../../src/providers/provider.js';
import { VfringError } from '../../src/errors.js';
import { softConfig } from './config.js';
import type { Numa } from '../../src/node/numa.js';
import { NO_NUMA } from './fake-numa.js';

export class Crash extends Error {}

/** Counts the daemon's steps and kills it before the one that is due. */
export class Fuse {
  left = Number.POSITIVE_INFINITY;
  steps = 0;

  /** Called at every step of the daemon that can be seen from outside. */
  step(): void {
    if (this.left <= 0) {
      throw new Crash('the daemon is dead');
    }
    this.left--;
    this.steps++;
  }
}

const DAEMON = 0;
export const LIMIT_BEFORE: Rlimit = { soft: 8192, hard: 8192 };

interface FakeVf {
  /** Its node; undefined: it is unbound. */
  device: string | undefined;
  owner: number;
  /** Pid of who has it open. */
  openBy: number | undefined;
  present: boolean;
  /** Looks well, and cannot be handed over. */
  broken: boolean;
  limit: number;
  counters: VfCounters;
  /** How often its process was told that it is not its own. */
  told: number;
}

interface FakeProcess {
  readonly pid: number;
  readonly uid: number;
  readonly startTicks: number;
  alive: boolean;
  limit: Rlimit;
  signals: string[];
  onEnd: Set<() => void>;
}

export class World {
  readonly fuse = new Fuse();
  readonly vfs = new Map<string, FakeVf>();
  readonly processes = new Map<number, FakeProcess>();
  settings: Settings | undefined;
  daemon: { manager: LeaseManager; jobs: JobRegistry; control: JobControl; ledger: Ledger } | undefined;
  bootId = 'boot-1';
  /** Ms since boot. */
  now = 1_000_000;
  /** By how much somebody has set the clock that people read. */
  clockStep = 0;
  readonly clock: Clock = () => ({ wall: 1_700_000_000_000 + this.now + this.clockStep, boot: this.now });
  /** As with soft VFs. Without, as with real ones, each is looked at before it is granted. */
  looksWhenGranting = true;
  readonly config;
  readonly ledgerPath: string;
  numa: Numa = NO_NUMA;
  /** How the VF with that number differs from the others. */
  shape: (index: number) => Partial<Vf> = () => ({});
  #ticks = 100;
  #life = 0;

  constructor(file: string, vfs: number, more = '') {
    this.ledgerPath = file;
    this.config = softConfig('/soft', vfs, more);
    for (let i = 0; i < vfs; i++) {
      this.vfs.set(`vf${i}`, { device: `/soft/vf${i}`, owner: DAEMON, openBy: undefined, present: true, broken: false, limit: 0, counters: { txFrames: 0, rxFrames: 0, txBytes: 0, rxBytes: 0 }, told: 0 });
    }
  }

  /** A new vfringd. Throws Crash when the fuse ends it at its start. */
  async start(): Promise<void> {
    const life = ++this.#life;
    const fuse = this.#fuseOf(life);
    const ledger = new Ledger(this.ledgerPath, { bootId: this.bootId, clock: this.clock });
    const watched = stepping(ledger, fuse);
    const jobs = new JobRegistry(watched, this.clock);
    const settings = (this.settings = { config: this.config, provider: this.#provider(fuse) });
    const prlimit: Prlimit = (pid: number, _resource: number, limit?: Rlimit) => {
      fuse();
      return this.#prlimit(pid, limit);
    };
    const manager = new LeaseManager({ settings, jobs, ledger: watched, prlimit, numa: this.numa, log: silentLog, clock: this.clock });
    const control = new JobControl({ manager, jobs, ledger: watched, settings, log: silentLog, clock: this.clock });
    this.daemon = { manager, jobs, control, ledger };
    await manager.start(this.#processes());
  }

  /** kill -9: nothing of it runs any more, and the kernel closes its files. */
  kill(): void {
    this.#life++;
    this.daemon?.ledger.close();
    this.daemon = undefined;
    this.fuse.left = Number.POSITIVE_INFINITY;
    for (const process of this.processes.values()) {
      process.onEnd.clear();
    }
  }

  spawn(pid: number, uid: number): WatchedProcess {
    const process = { pid, uid, startTicks: this.#ticks++, alive: true, limit: LIMIT_BEFORE, signals: [], onEnd: new Set<() => void>() };
    this.processes.set(pid, process);
    return this.#handle(process);
  }

  handleOf(pid: number): WatchedProcess {
    return this.#handle(this.process(pid));
  }

  process(pid: number): FakeProcess {
    const process = this.processes.get(pid);
    if (process === undefined) {
      throw new Error(`no process ${pid}`);
    }
    return process;
  }

  exit(pid: number): void {
    const process = this.process(pid);
    process.alive = false;
    for (const vf of this.vfs.values()) {
      if (vf.openBy === pid) {
        vf.openBy = undefined;
      }
    }
    const callbacks = [...process.onEnd];
    process.onEnd.clear();
    callbacks.forEach((callback) => callback());
  }

  vf(name: string): FakeVf {
    const vf = this.vfs.get(name);
    if (vf === undefined) {
      throw new Error(`no VF ${name}`);
    }
    return vf;
  }

  /** As an administrator does: who drives it drives nothing any more, and what is bound is root's, with the limit of one that nobody has. */
  rebind(name: string, device: string | undefined): void {
    Object.assign(this.vf(name), { device, owner: DAEMON, openBy: undefined, limit: 0 });
  }

  /** Every VF that somebody else than the daemon owns, with its owner. */
  given(): Map<string, number> {
    return new Map([...this.vfs].filter(([, vf]) => vf.owner !== DAEMON).map(([name, vf]) => [name, vf.owner]));
  }

  /** A dead daemon's steps do nothing, however its promises go on. */
  #fuseOf(life: number): () => void {
    return () => {
      if (life !== this.#life) {
        throw new Crash('the daemon is dead');
      }
      this.fuse.step();
    };
  }

  #handle(process: FakeProcess): WatchedProcess {
    const mine = new Set<() => void>();
    return {
      pid: process.pid,
      startTicks: process.startTicks,
      ended: () => !process.alive,
      onEnd: (callback) => {
        mine.add(callback);
        process.alive ? process.onEnd.add(callback) : queueMicrotask(callback);
      },
      signal: (signal) => {
        process.signals.push(signal);
        return process.alive;
      },
      close: () => mine.forEach((callback) => process.onEnd.delete(callback)),
    };
  }

  #processes(): Processes {
    return {
      peerOf: () => ({ pid: 0, uid: 0, gid: 0 }),
      sendOpened: () => {
        throw new Error('not in this world');
      },
      hold: () => {
        throw new Error('not in this world');
      },
      adopt: (pid, startTicks) => {
        const process = this.processes.get(pid);
        return process?.alive && process.startTicks === startTicks ? this.#handle(process) : undefined;
      },
      close: () => {},
    };
  }

  #prlimit(pid: number, limit?: Rlimit): Rlimit {
    const process = this.process(pid);
    if (!process.alive) {
      throw Object.assign(new Error('ESRCH'), { code: 'ESRCH' });
    }
    const before = process.limit;
    process.limit = limit ?? before;
    return before;
  }

  #provider(fuse: () => void): Provider {
    const of = (vf: Vf): FakeVf => this.vf(vf.name);
    const gone = (vf: Vf): boolean => !of(vf).present || of(vf).device !== vf.device;
    const health = async (vf: Vf): Promise<VfHealth> => {
      const { openBy, owner } = of(vf);
      return { device: gone(vf) ? 'gone' : openBy === undefined ? 'free' : 'open', owned: owner === DAEMON, linkDown: undefined };
    };
    const refused = (vf: Vf): VfringError => new VfringError('VFRING_ERR_VF_UNHEALTHY', { vf: vf.name, cause: 'gone', remedy: '-' });
    return {
      kind: 'soft',
      looksWhenGranting: this.looksWhenGranting,
      countersStandStill: this.looksWhenGranting,
      counterBits: 32,
      sampleEveryMs: 1000,
      plan: async () => [],
      provision: async () => {
        fuse();
        return [...this.vfs.keys()].map((name, i) => ({ kind: 'soft' as const, name, device: this.vf(name).device ?? '', mac: '', mtu: 1500, pf: 'soft', numa: -1, segment: '', vlan: 0, ...this.shape(i) }));
      },
      health,
      ready: health,
      grant: async (vf, uid, limit) => {
        fuse();
        if (gone(vf) || of(vf).broken || of(vf).openBy !== undefined || of(vf).owner !== DAEMON) {
          throw refused(vf);
        }
        Object.assign(of(vf), { owner: uid, limit });
      },
      takeBack: async (vf) => {
        fuse();
        if (gone(vf)) {
          throw refused(vf);
        }
        of(vf).owner = DAEMON;
        return of(vf).openBy === undefined ? 'free' : 'open';
      },
      tell: async (vf) => {
        fuse();
        of(vf).told++;
      },
      keepOwner: async (vf, uid, limit) => {
        fuse();
        if (gone(vf)) {
          throw refused(vf);
        }
        const before = of(vf).owner;
        if (before === uid) {
          return undefined;
        }
        Object.assign(of(vf), { owner: uid, limit });
        return { uid: before, mode: 0o600 };
      },
      rebound: async (vf) => {
        const { device } = of(vf);
        return device === undefined || device === vf.device ? undefined : { ...vf, device };
      },
      quiet: () => undefined,
      memory: async (): Promise<VfMemory> => ({ liveBytes: 0, peakBytes: 0 }),
      counters: async (vf) => of(vf).counters,
    };
  }
}

/** Every write to the ledger is two steps: the daemon may die before it or after. */
function stepping(ledger: Ledger, fuse: () => void): Ledger {
  const writes = new Set(['addJob', 'dropUnusedJob', 'openJob', 'endJob', 'together', 'beginLease', 'holdLease', 'dropLease', 'moveMemlock', 'sample', 'takeVf', 'rebindVf', 'endingLease', 'endLease', 'addLate']);
  return new Proxy(ledger, {
    get(target, name) {
      const value = Reflect.get(target, name, target) as unknown;
      if (typeof value !== 'function') {
        return value;
      }
      return (...args: unknown[]): unknown => {
        if (!writes.has(String(name))) {
          return value.apply(target, args) as unknown;
        }
        fuse();
        const result: unknown = value.apply(target, args);
        fuse();
        return result;
      };
    },
  });
}

// SPDX-License-Identifier: BSD-3-Clause
/** Several guests as hosts of one site: wires between their PFs, a network for ssh, one saved machine for all. Test drivers import this. */
import os from 'node:os';
import { LabError } from './errors.js';
import { type BootOptions, Guest, type Job, type JobResult } from './guest.js';
import { hostName, linksOf, managementAddress, MANAGEMENT_WIRE, wireOfPf } from './network.js';
import { prepare } from './prepare.js';
import { type Machine, DEFAULT_MACHINE } from './qemu.js';
import { onceMore } from './restarts.js';
import { labScript, scriptArgv } from './script.js';
import type { Rootfs } from './rootfs.js';
import { Snapshot } from './snapshot.js';
import { type SshKey, makeSshKey } from './ssh-keys.js';
import { Wires } from './wires.js';

export const MAX_HOSTS = 4;

/** How many processors each of `hosts` guests has, where nobody says it: more than the machine has make MPI very slow. */
export const defaultCpus = (hosts: number, processors = os.availableParallelism()): number => Math.max(1, Math.floor(processors / hosts));

export interface SiteOptions extends Omit<BootOptions, 'host' | 'prepared' | 'kernel' | 'machine'> {
  /** 1 to {@link MAX_HOSTS}. */
  hosts: number;
  machine?: Partial<Omit<Machine, 'network'>>;
  /** Of what the wires do at random. */
  seed?: number;
  /**
   * Joins the PFs of two hosts by a cable each, without a process between them: a frame arrives sooner, and nothing can be
   * done to it. For measuring.
   */
  direct?: boolean;
}

export class Host {
  #off = false;
  readonly #site: Site;

  constructor(site: Site, readonly number: number, readonly guest: Guest) {
    this.#site = site;
    guest.lost.catch((error: unknown) => {
      if (!this.#off) {
        site.fail(error as Error);
      }
    });
  }

  get name(): string {
    return hostName(this.number);
  }

  /** On the management network. */
  get address(): string {
    return managementAddress(this.number);
  }

  /** Whether it was switched off on purpose. */
  get isOff(): boolean {
    return this.#off;
  }

  /** Runs one job to its end, as {@link Guest.exec}; fails also when another host or the wires have failed meanwhile. */
  async exec(job: Job): Promise<JobResult> {
    return await Promise.race([this.guest.exec(job), this.#site.failed]);
  }

  /** Pulls the plug: QEMU is killed. The site goes on; what runs on this host fails with `VFRING_ERR_LAB_SWITCHED_OFF`. */
  async switchOff(): Promise<void> {
    this.#off = true;
    await this.guest.switchOff();
  }

  /** Takes the carrier from the PF, or gives it back: the PF's driver sees its link go. */
  async setCarrier(pf: number, up: boolean): Promise<void> {
    await this.guest.setLink(wireOfPf(pf), up);
  }
}

export class Site {
  readonly hosts: Host[] = [];
  /** Never resolves; rejects when a host was lost that nobody switched off, or the process of the wires. */
  readonly failed: Promise<never>;
  fail!: (error: Error) => void;
  #closing = false;

  /** @param pfs of each host */
  private constructor(readonly wires: Wires, readonly pfs: number) {
    this.failed = new Promise((_, reject) => {
      this.fail = (error) => {
        if (!this.#closing) {
          reject(error);
        }
      };
    });
    this.failed.catch(() => undefined);
    wires.lost.catch((error: unknown) => this.fail(error as Error));
  }

  /** When this resolves, every host waits for jobs, and root and mpi reach each from each by ssh. */
  static async start(options: SiteOptions): Promise<Site> {
    const { hosts: count } = options;
    if (!Number.isInteger(count) || count < 1 || count > MAX_HOSTS) {
      throw new RangeError(`a site has 1 to ${MAX_HOSTS} hosts`);
    }
    const machine: Machine = { ...DEFAULT_MACHINE, cpus: defaultCpus(count), ...options.machine, network: 'site' };
    const numbers = Array.from({ length: count }, (_, index) => index + 1);
    const direct = options.direct ?? false;
    if (direct && count !== 2) {
      throw new RangeError('a cable joins two hosts');
    }
    const wireNames = [...direct ? [] : Array.from({ length: machine.pfs }, (_, index) => wireOfPf(index)), MANAGEMENT_WIRE];
    const prepared = await prepare(options.parts, options.signal);
    const wires = await Wires.start(numbers.map(hostName), wireNames, options.seed);
    const site = new Site(wires, machine.pfs);
    try {
      const boot = async (number: number): Promise<void> => {
        const links = linksOf(number, machine.pfs, (wire) => (direct && wire !== MANAGEMENT_WIRE ? wires.pathOf(wire) : wires.socketOf(hostName(number), wire)), direct);
        const guest = await Guest.boot({ ...options, machine, prepared, host: { name: hostName(number), links } });
        site.hosts[number - 1] = new Host(site, number, guest);
      };
      // The first one saves the machine that the others resume.
      const first = Snapshot.of(prepared, machine).exists && options.cold !== true ? 0 : 1;
      for (const number of numbers.slice(0, first)) {
        await boot(number);
      }
      await allOf(numbers.slice(first).map(boot));
      await site.#join(prepared.rootfs);
    } catch (error) {
      await site.close();
      throw error;
    }
    return site;
  }

  /** @param which number or name */
  host(which: number | string): Host {
    const host = this.hosts.find(({ number, name }) => number === which || name === which);
    if (host === undefined) {
      throw new RangeError(`there is no host ${which}; hosts are ${this.hosts.map(({ name }) => name).join(', ')}`);
    }
    return host;
  }

  /** Runs the same job on every host that is on, at once. */
  async execOnAll(job: Job): Promise<JobResult[]> {
    return await allOf(this.hosts.filter(({ isOff }) => !isOff).map((host) => host.exec(job)));
  }

  /**
   * Starts vfringd on every host.
   * @param vfs of each PF
   * @param pfs of how many PFs. VFs of two PFs are on two wires and do not reach each other, so jobs that are to reach all of each other's VFs have one
   */
  async startDaemons(vfs: number, pfs = 1, mtu = 9000): Promise<void> {
    const script = labScript('hosts/vfringd.sh');
    await this.#onAll((host) => host.exec({ argv: scriptArgv(script, [vfs, pfs, mtu].map(String)) }), 'vfringd did not start');
  }

  /** Ends all of them at once. */
  async close(): Promise<void> {
    this.#closing = true;
    await Promise.all(this.hosts.filter((host) => host !== undefined).map(({ guest }) => guest.close()));
    await this.wires.close();
  }

  /** Work that must succeed on each host that is on. */
  async #onAll(work: (host: Host, index: number) => Promise<JobResult>, failure: string): Promise<void> {
    await allOf(this.hosts.filter(({ isOff }) => !isOff).map(async (host, index) => {
      const { status, stdout, stderr } = await work(host, index);
      if (status !== 0) {
        throw new LabError('VFRING_ERR_LAB_BOOT', `${host.name}: ${failure} (status ${status}): ${stdout}${stderr}`, `its kernel log is ${host.guest.logPath}`);
      }
    }));
  }

  async #join(rootfs: Rootfs): Promise<void> {
    const [userKey, ...hostKeys] = await Promise.all([undefined, ...this.hosts].map(() => makeSshKey(rootfs))) as [SshKey, ...SshKey[]];
    const knownHosts = this.hosts.map(({ name, address }, index) => `${name},${address} ${hostKeys[index]!.public}\n`).join('');
    const script = labScript('hosts/join.sh');
    await this.#onAll((host, index) => {
      const args = [host.number, this.hosts.length, this.pfs, Date.now() / 1000, hostKeys[index]!.secret, userKey.secret, `${userKey.public}\n`, knownHosts];
      return host.exec({ argv: scriptArgv(script, args.map(String)) });
    }, 'it could not be set up');
  }
}

/** As Promise.all, but waits for the others before it fails, so that nothing is left that nobody waits for. */
async function allOf<T>(work: readonly Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(work);
  return await Promise.all(work);
}

/** As withGuest(): starts a site, does `work`, ends it; once more in another site when a guest stood still. */
export function withSite<T>(options: SiteOptions, work: (site: Site) => Promise<T>): Promise<T> {
  return onceMore(() => Site.start(options), work);
}

// SPDX-License-Identifier: BSD-3-Clause
/** The emulated machine, seen from inside as root: real VFs, bound to the real module or to vfio-pci, an unprivileged user. */
import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, realpathSync, statSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { Running, run, type RunOptions, type RunResult } from './run.js';
import { ConfiguredSite, type DaemonOptions, type Site, type VfCounters, type VfNode } from './site.js';

const USER = 'mpi';
const ADDON = '/usr/lib/vfring/native/vfring_native.node';
/** 82576 VF: VFGPTC, VFGPRC, VFGOTC, VFGORC. */
const COUNTER_OFFSETS = [0x0f14, 0x0f10, 0x0f34, 0x0f18] as const;

interface Addon {
  readRegisters(path: string, offsets: readonly number[]): number[];
  vfioProbe(path: string): void;
}

/** Nothing loads drivers in the guest by itself, and vfringd may not: the PFs' driver is the machine's, uio_vf is loaded by the service manager. */
export function loadDrivers(...more: readonly string[]): void {
  execFileSync('modprobe', ['-a', 'igb', 'uio_vf', ...more]);
}

/** Network interfaces of the PFs that can have VFs, in the order of their PCI addresses. */
export function pfNames(): string[] {
  const net = '/sys/class/net';
  return readdirSync(net)
    .filter((name) => existsSync(join(net, name, 'device', 'sriov_totalvfs')))
    .sort((a, b) => realpathSync(join(net, a, 'device')).localeCompare(realpathSync(join(net, b, 'device'))));
}

export class LabSite extends ConfiguredSite implements Site {
  readonly kind = 'sriov';
  readonly daemonUid = 0;
  readonly userUid: number;
  readonly openerUid: number;
  readonly programs = '/usr/libexec/vfring';
  readonly scratch = '/tmp/e2e';
  readonly pfs: readonly string[];
  readonly #addon = createRequire(import.meta.url)(ADDON) as Addon;

  readonly counted: boolean;
  readonly #backend: 'uio_vf' | 'vfio';

  constructor(backend: 'uio_vf' | 'vfio' = 'uio_vf') {
    super();
    this.#backend = backend;
    this.counted = backend === 'uio_vf';
    loadDrivers(...(backend === 'vfio' ? ['vfio-pci'] : []));
    this.pfs = pfNames();
    const entry = readFileSync('/etc/passwd', 'utf8').split('\n').find((line) => line.startsWith(`${USER}:`));
    this.userUid = Number(entry?.split(':')[2]);
    this.openerUid = backend === 'uio_vf' ? this.userUid : this.daemonUid;
    mkdirSync(this.scratch, { recursive: true });
    chmodSync(this.scratch, 0o1777);
  }

  protected provider(options: DaemonOptions): readonly string[] {
    const vfs = options.vfs ?? 4;
    // Half on each PF, so that jobs can be placed on one or across both.
    const perPf = options.spread === 'pack' ? vfs : Math.ceil(vfs / this.pfs.length);
    return [
      '  sriov:',
      '    pf:',
      ...(options.spread === 'pack' ? this.pfs.slice(0, 1) : this.pfs).flatMap((name) => [
        `      - name: ${name}`,
        `        vfs: ${perPf}`,
        `        mtu: ${options.mtu ?? 9000}`,
        `        backend: ${this.#backend}`,
      ]),
    ];
  }

  protected write(config: string): string {
    mkdirSync('/etc/vfring', { recursive: true });
    writeFileSync('/etc/vfring/vfringd.yaml', config);
    return '/etc/vfring/vfringd.yaml';
  }

  /** It looks there by itself. */
  protected daemon(): { readonly argv: readonly string[] } {
    return { argv: ['vfringd'] };
  }

  async admin(argv: readonly string[], options: RunOptions = {}): Promise<RunResult> {
    return await run(argv, options);
  }

  user(argv: readonly string[], options: RunOptions = {}): Running {
    const env = { ...(options.env ?? process.env), HOME: `/home/${USER}`, USER, LOGNAME: USER };
    // setpriv execs: the pid is the program's own, to be killed by the tests.
    const become = ['setpriv', '--reuid', USER, '--regid', USER, '--init-groups', '--inh-caps=-all'];
    return new Running([...become, ...argv], { cwd: `/home/${USER}`, ...options, env });
  }

  #devices(): { node: string; device: string; sysfs: string }[] {
    const base = this.#backend === 'vfio' ? '/sys/bus/pci/drivers/vfio-pci' : '/sys/class/uio_vf';
    const names = existsSync(base) ? readdirSync(base).filter((name) => this.#backend === 'uio_vf' || /^[0-9a-f]{4}:/.test(name)) : [];
    return names.map((name) => {
      const sysfs = join(base, name);
      return this.#backend === 'vfio'
        ? { node: join('/dev/vfio', basename(realpathSync(join(sysfs, 'iommu_group')))), sysfs, device: realpathSync(sysfs) }
        : { node: join('/dev', name), sysfs, device: realpathSync(join(sysfs, 'device')) };
    });
  }

  async nodes(): Promise<readonly VfNode[]> {
    return await Promise.resolve(this.#devices().map(({ node, sysfs }) => {
      const { uid, mode } = statSync(node);
      return { path: node, uid, mode: mode & 0o7777, ...(this.#backend === 'vfio' ? this.#groupState(node) : moduleState(sysfs)) };
    }));
  }

  /** VFIO does not say what is registered. */
  #groupState(node: string): Pick<VfNode, 'state' | 'dmaLiveBytes'> {
    try {
      this.#addon.vfioProbe(node);
      return { state: 'free', dmaLiveBytes: 0 };
    } catch (error) {
      return { state: (error as NodeJS.ErrnoException).code === 'EBUSY' ? 'open' : 'gone', dmaLiveBytes: 0 };
    }
  }

  async sent(): Promise<ReadonlyMap<string, number>> {
    if (!this.counted) {
      return new Map(this.pfs.map((name) => [name, sentByPf(name)]));
    }
    return new Map([...(await this.counters())].map(([path, { txFrames }]) => [path, txFrames]));
  }

  async counters(): Promise<ReadonlyMap<string, VfCounters>> {
    return await Promise.resolve(new Map(this.#devices().map(({ node, device }) => {
      const [txFrames, rxFrames, txBytes, rxBytes] = this.#addon.readRegisters(join(device, 'resource0'), COUNTER_OFFSETS) as
        [number, number, number, number];
      return [node, { txFrames, rxFrames, txBytes, rxBytes }];
    })));
  }
}

/** Of a PF all frames are counted, also those that VFs send each other: QEMU's igb does as the card. */
function sentByPf(name: string): number {
  const [, count] = /^ *tx_packets: (\d+)$/m.exec(execFileSync('ethtool', ['-S', name], { encoding: 'utf8' })) ?? [];
  if (count === undefined) {
    throw new Error(`ethtool -S ${name} shows no tx_packets`);
  }
  return Number(count);
}

function moduleState(sysfs: string): Pick<VfNode, 'state' | 'dmaLiveBytes'> {
  const attribute = (name: string): string => readFileSync(join(sysfs, name), 'utf8').trim();
  return { state: attribute('state') as VfNode['state'], dmaLiveBytes: Number(attribute('dma_live_bytes')) };
}

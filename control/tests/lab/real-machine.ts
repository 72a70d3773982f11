// SPDX-License-Identifier: BSD-3-Clause
/** The emulated machine for the suites of providers: root, real PFs (two, of igb), the real uio_vf. */
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, chownSync, closeSync, existsSync, lstatSync, openSync, readFileSync, readdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { onTestFinished } from 'vitest';
import type { SriovConfig } from '../../src/config/schema.js';
import { exec, type Exec } from '../../src/exec.js';
import { silentLog } from '../../src/log.js';
import type { Vf } from '../../src/model/vf.js';
import { native } from '../../src/native.js';
import { nodeOps } from '../../src/providers/node-ops.js';
import { ipLink } from '../../src/providers/sriov/ip-link.js';
import { SriovProvider } from '../../src/providers/sriov/sriov-provider.js';
import { realSysfs, type Sysfs } from '../../src/providers/sriov/sysfs.js';
import { realVfio } from '../../src/providers/sriov/vfio.js';
import { sriovConfig } from '../helpers/config.js';
import type { PfName, PfShown, SriovMachine } from '../providers/harness.js';

const SYS = '/sys';
const DEVICES = join(SYS, 'bus/pci/devices');
const PATIENCE_MS = 15_000;
const FRAMES = 5;
const IFF_UP = 1;

const run = (program: string, ...args: string[]): string => execFileSync(program, args, { encoding: 'utf8' });
const read = (file: string): string => readFileSync(file, 'utf8').trim();
const linkName = (path: string): string | undefined => (existsSync(path) ? basename(readlinkSync(path)) : undefined);

interface IpShown {
  readonly mtu: number;
  readonly flags: readonly string[];
  readonly address: string;
  readonly permaddr?: string;
  readonly vfinfo_list?: readonly { vf: number; address: string; spoofchk: boolean; trust: boolean; vlan_list?: { vlan?: number }[]; rate?: { max_tx?: number } }[];
}

function ipShow(name: string): IpShown {
  return (JSON.parse(run('ip', '-json', 'link', 'show', 'dev', name)) as IpShown[])[0] as IpShown;
}

/** All that has SR-IOV, in the order of addresses. */
export function findPfs(): [PfName, PfName] {
  const found = readdirSync(join(SYS, 'class/net'))
    .filter((name) => existsSync(join(SYS, 'class/net', name, 'device/sriov_totalvfs')))
    .map((name) => {
      const { permaddr, address } = ipShow(name);
      return { name, bdf: linkName(join(SYS, 'class/net', name, 'device')) as string, mac: permaddr ?? address };
    })
    .sort((a, b) => a.bdf.localeCompare(b.bdf));
  const [first, second] = found;
  if (first === undefined || second === undefined) {
    throw new Error(`two PFs are needed, there are ${found.length}`);
  }
  return [first, second];
}

export async function until(what: string, check: () => boolean): Promise<void> {
  for (let waited = 0; !check(); waited += 20) {
    if (waited > PATIENCE_MS) {
      throw new Error(`not within ${PATIENCE_MS} ms: ${what}`);
    }
    await sleep(20);
  }
}

/** The machine as it is without vfring: no VFs, the kernel binds new ones, PFs down (`cold`) or as they happen to be. */
export function reset(pfs: readonly PfName[], cold = true): void {
  for (const { name, bdf } of pfs) {
    const set = (file: string, value: string): void => {
      if (read(join(DEVICES, bdf, file)) !== value) {
        writeFileSync(join(DEVICES, bdf, file), value);
      }
    };
    set('sriov_numvfs', '0');
    set('sriov_drivers_autoprobe', '1');
    const net = join(SYS, 'class/net', name);
    if (cold && (Number(read(join(net, 'flags'))) & IFF_UP) !== 0) {
      run('ip', 'link', 'set', name, 'down');
    }
    if (cold && read(join(net, 'mtu')) !== '1500') {
      run('ip', 'link', 'set', name, 'mtu', '1500');
    }
  }
}

export function bind(bdf: string, driver: string): void {
  const dir = join(DEVICES, bdf);
  if (existsSync(join(dir, 'driver'))) {
    writeFileSync(join(dir, 'driver/unbind'), bdf);
  }
  run('modprobe', driver);
  writeFileSync(join(dir, 'driver_override'), driver);
  writeFileSync(join(SYS, 'bus/pci/drivers_probe'), bdf);
  if (linkName(join(dir, 'driver')) !== driver) {
    throw new Error(`${bdf} is not bound to ${driver}`);
  }
}

/** The kernel's own driver sends through the VF, and counts. */
async function sendByKernel(vf: Vf): Promise<{ txFrames: number }> {
  bind(vf.name, 'igbvf');
  const [name = ''] = readdirSync(join(DEVICES, vf.name, 'net'));
  run('ip', 'address', 'add', '192.0.2.1/24', 'dev', name);
  run('ip', 'link', 'set', name, 'up');
  await until(`the link of ${name}`, () => existsSync(join(SYS, 'class/net', name)) && read(join(SYS, 'class/net', name, 'carrier')) === '1');
  // Nobody answers, which ping calls a failure.
  spawnSync('ping', ['-c', String(FRAMES), '-i', '0.2', '-W', '1', '-b', '-q', '192.0.2.255']);
  const txFrames = Number(read(join(SYS, 'class/net', name, 'statistics/tx_packets')));
  bind(vf.name, 'uio_vf');
  return { txFrames };
}

export function sriovProviderOf(config: SriovConfig, sysfs: Sysfs = realSysfs(SYS), run: Exec = exec): SriovProvider {
  const addon = native();
  return new SriovProvider(config, {
    sysfs,
    ip: ipLink(run),
    exec: run,
    log: silentLog,
    devDir: '/dev',
    patienceMs: PATIENCE_MS,
    ops: nodeOps,
    readRegisters: (path, offsets) => addon.readRegisters(path, offsets),
    registers: addon.vfRegisters,
    vfio: realVfio(addon),
  });
}

export function realMachine(_dir: string, cold = false): SriovMachine {
  const pfs = findPfs();
  reset(pfs, cold);
  const log: string[] = [];
  let fuse = (): void => {};
  const changing = (what: string): void => {
    fuse();
    log.push(what);
  };
  const real = realSysfs(SYS);
  const sysfs: Sysfs = {
    ...real,
    write: async (path, value) => {
      changing(`echo ${value.trim()} > ${path}`);
      await real.write(path, value);
    },
  };
  const counted: Exec = async (program, args) => {
    if (program === 'ip' && args[0] !== '-json') {
      changing(`ip ${args.join(' ')}`);
    }
    return await exec(program, args);
  };
  const of = (config: SriovConfig): SriovProvider => sriovProviderOf(config, sysfs, counted);
  const opened = new Map<string, number>();
  const close = (device: string): void => {
    const fd = opened.get(device);
    if (fd !== undefined) {
      opened.delete(device);
      closeSync(fd);
    }
  };
  onTestFinished(() => [...opened.keys()].forEach(close));
  const vfBdf = (pf: PfName, index: number): string => linkName(join(DEVICES, pf.bdf, `virtfn${index}`)) ?? predicted(pf, index);
  return {
    pfs,
    of,
    vfBdf,
    log: () => log,
    setFuse: (next) => void (fuse = next),
    show: async (pf): Promise<PfShown> => {
      const { mtu, flags, vfinfo_list = [] } = ipShow(pf.name);
      return {
        mtu,
        up: flags.includes('UP'),
        autoprobe: read(join(DEVICES, pf.bdf, 'sriov_drivers_autoprobe')) === '1',
        vfs: vfinfo_list.map(({ vf, address, spoofchk, trust, vlan_list, rate }) => ({
          mac: address, spoofchk, trust, vlan: vlan_list?.[0]?.vlan ?? 0, max_tx_rate: rate?.max_tx ?? 0,
          driver: linkName(join(DEVICES, vfBdf(pf, vf), 'driver')),
        })),
      };
    },
    setVf: async ({ name }, index, what, value) => void run('ip', 'link', 'set', 'dev', name, 'vf', String(index), what, value),
    bind: async (bdf, driver) => bind(bdf, driver),
    setNumVfs: async ({ bdf }, count) => writeFileSync(join(DEVICES, bdf, 'sriov_numvfs'), String(count)),
    setLink: async ({ name }, up) => {
      run('ip', 'link', 'set', 'dev', name, up ? 'up' : 'down');
    },
    dmaLimit: async (bdf) => Number(read(join(DEVICES, bdf, 'uio_vf', readdirSync(join(DEVICES, bdf, 'uio_vf'))[0] as string, 'dma_limit_bytes'))),
    provider: () => of(sriovConfig(Object.fromEntries(pfs.map(({ name }) => [name, 2]))).provider.sriov as SriovConfig),
    ownerOf: async ({ device }) => {
      const { uid, mode } = lstatSync(device);
      return { uid, mode: mode & 0o7777 };
    },
    chmod: ({ device }, uid, mode) => {
      chownSync(device, uid, 0);
      chmodSync(device, mode);
    },
    setOpen: async ({ device }, open) => {
      open ? opened.set(device, openSync(device, 'r+')) : close(device);
    },
    carry: sendByKernel,
    remove: ({ name }) => bind(name, 'igbvf'),
    changes: () => log.length,
  };
}

/** Where the 82576 has its VFs (datasheet 2.61, 9.6.4: first VF offset 128, stride 2). */
function predicted(pf: PfName, index: number): string {
  const devfn = 128 + 2 * index;
  return `${pf.bdf.slice(0, 7)}:${(devfn >> 3).toString(16).padStart(2, '0')}.${devfn & 7}`;
}

// SPDX-License-Identifier: BSD-3-Clause
/** record SCENARIO...: brings the emulated machine into each state and prints a recording of it, one JSON object a line. */
import { execFileSync } from 'node:child_process';
import { existsSync, lstatSync, readFileSync, readdirSync, readlinkSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import { basename, join } from 'node:path';
import type { SriovConfig } from '../../src/config/schema.js';
import { sriovConfig } from '../helpers/config.js';
import type { Recording, Scenario } from '../recordings/recording.js';
import { bind, findPfs, reset, sriovProviderOf, until } from './real-machine.js';

const SYS = '/sys';
const PF_FILES = ['class', 'device', 'modalias', 'numa_node', 'vendor', 'driver_override', 'sriov_drivers_autoprobe', 'sriov_numvfs',
  'sriov_offset', 'sriov_stride', 'sriov_totalvfs', 'sriov_vf_device'];
const NODE_FILES = ['abi', 'dev', 'dma_limit_bytes', 'dma_live_bytes', 'dma_peak_bytes', 'event_count', 'generation', 'isolation', 'owner_pid', 'state'];
const NET_FILES = ['address', 'carrier', 'flags', 'mtu'];

const list = (path: string): string[] => (existsSync(join(SYS, path)) ? readdirSync(join(SYS, path)).sort() : []);

/** The named files and links of a folder, as far as they are there. An attribute that has no value now is left out. */
function entries(folder: string, names: readonly string[]): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of names) {
    const path = join(SYS, folder, name);
    try {
      found[name] = lstatSync(path).isSymbolicLink() ? `-> ${basename(readlinkSync(path))}` : readFileSync(path, 'latin1').trim();
    } catch {
      continue;
    }
  }
  return found;
}

function linesOf(file: string, pattern: RegExp): string {
  return readFileSync(file, 'latin1').split('\n').filter((line) => pattern.test(line)).join('\n');
}

function record(scenario: Scenario): Recording {
  const sys: Record<string, Record<string, string>> = {};
  const ip: Record<string, unknown> = {};
  const groups = new Set<string>();
  const drivers = new Set<string>();
  const isNetwork = (bdf: string): boolean => readFileSync(join(SYS, 'bus/pci/devices', bdf, 'class'), 'latin1').startsWith('0x02');
  for (const bdf of list('bus/pci/devices').filter(isNetwork)) {
    const dir = `bus/pci/devices/${bdf}`;
    const links = list(dir).filter((name) => /^(driver|iommu_group|physfn|virtfn\d+)$/.test(name));
    const own = (sys[dir] = entries(dir, [...PF_FILES, ...links]));
    for (const [link, named] of [['iommu_group', groups], ['driver', drivers]] as const) {
      const name = own[link]?.slice('-> '.length);
      if (name !== undefined) {
        named.add(name);
      }
    }
    for (const node of list(`${dir}/uio_vf`)) {
      sys[`${dir}/uio_vf/${node}`] = entries(`${dir}/uio_vf/${node}`, NODE_FILES);
    }
    for (const name of list(`${dir}/net`)) {
      sys[`${dir}/net/${name}`] = {};
      sys[`class/net/${name}`] = entries(`class/net/${name}`, ['device', ...NET_FILES]);
      if (own['sriov_totalvfs'] !== undefined) {
        ip[name] = (JSON.parse(execFileSync('ip', ['-json', 'link', 'show', 'dev', name], { encoding: 'utf8' })) as unknown[])[0];
      }
    }
  }
  for (const group of [...groups].sort()) {
    list(`kernel/iommu_groups/${group}/devices`).forEach((bdf) => (sys[`kernel/iommu_groups/${group}/devices/${bdf}`] = {}));
  }
  list('class/iommu').forEach((unit) => (sys[`class/iommu/${unit}`] = {}));
  // Others may be loaded, too: from what was done in the guest before.
  [...drivers].sort().forEach((driver) => (sys[`bus/pci/drivers/${driver}`] = {}));
  return {
    scenario,
    release: os.release(),
    sys,
    ip,
    files: {
      '/proc/cmdline': readFileSync('/proc/cmdline', 'latin1').trim(),
      // One processor is like the others.
      '/proc/cpuinfo': linesOf('/proc/cpuinfo', /^vendor_id/).split('\n')[0] as string,
      '/proc/interrupts': linesOf('/proc/interrupts', /MSI.* eth/).replace(/^ *\d+: +(\d+ +)*/gm, ''),
    },
  };
}

const [pf, other] = findPfs();

const prepare: Record<Scenario, () => Promise<void>> = {
  'no-vfs': async () => {},
  'igbvf-7': async () => {
    execFileSync('modprobe', ['igbvf']);
    writeFileSync(join(SYS, 'bus/pci/devices', pf.bdf, 'sriov_numvfs'), '7');
  },
  'uio_vf-2': async () => {
    await sriovProviderOf(sriovConfig({ [pf.name]: 2 }).provider.sriov as SriovConfig).provision({ leased: new Set() });
  },
  // vfringd refuses such a machine: by hand.
  'no-iommu': async () => {
    writeFileSync(join(SYS, 'bus/pci/devices', pf.bdf, 'sriov_drivers_autoprobe'), '0');
    writeFileSync(join(SYS, 'bus/pci/devices', pf.bdf, 'sriov_numvfs'), '2');
    [0, 1].forEach((i) => bind((readlinkSync(join(SYS, 'bus/pci/devices', pf.bdf, `virtfn${i}`))).replace(/^.*\//, ''), 'uio_vf'));
  },
};

for (const scenario of process.argv.slice(2) as Scenario[]) {
  reset([pf, other]);
  execFileSync('ip', ['link', 'set', pf.name, 'up']);
  await until('the link', () => readFileSync(join(SYS, 'class/net', pf.name, 'carrier'), 'latin1').trim() === '1');
  await prepare[scenario]();
  process.stdout.write(`${JSON.stringify(record(scenario))}\n`);
}
reset([pf, other]);

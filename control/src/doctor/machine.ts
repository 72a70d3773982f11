// SPDX-License-Identifier: BSD-3-Clause
/** Firmware, kernel and module: what the machine must offer. */
import { failureText } from '../exec.js';
import { DRIVER } from '../providers/sriov/observe.js';
import { missingModule, unsafeParameter } from '../providers/sriov/vfio.js';
import { fail, ok, unknown, warn, type Check, type Finding } from './check.js';

export const MACHINE_CHECKS: readonly Check[] = [
  {
    id: 'iommu',
    title: 'IOMMU',
    only: 'sriov',
    async run({ sysfs, file }) {
      const units = await sysfs.list('class/iommu');
      if (units.length > 0 && (await sysfs.list('kernel/iommu_groups')).length > 0) {
        return [ok(`on (${units.join(', ')})`)];
      }
      const intel = /GenuineIntel/.test(file('/proc/cpuinfo') ?? '');
      const line = file('/proc/cmdline') ?? '';
      if (/\b(intel_iommu|amd_iommu|iommu)=off\b/.test(line)) {
        return [fail('it is switched off on the kernel command line', 'take intel_iommu=off, amd_iommu=off or iommu=off out of the kernel command line and boot again')];
      }
      if (intel && !/\bintel_iommu=on\b/.test(line)) {
        return [fail('there is none, and the kernel command line does not ask for it', 'boot with intel_iommu=on, and switch VT-d on in the firmware set-up')];
      }
      return [fail('the kernel finds none', `switch ${intel ? 'VT-d' : 'AMD-Vi (IOMMU)'} and virtualisation on in the firmware set-up`)];
    },
  },
  {
    id: 'interrupt-remapping',
    title: 'interrupt remapping',
    only: 'sriov',
    run({ file }) {
      const interrupts = file('/proc/interrupts');
      if (interrupts === undefined) {
        return [unknown('/proc/interrupts cannot be read')];
      }
      // Interrupt chips behind the remapping unit are named IR-…
      if (/\bIR-/.test(interrupts)) {
        return [ok('on')];
      }
      return [/\b(intremap=off|nointremap)\b/.test(file('/proc/cmdline') ?? '')
        ? fail('it is switched off on the kernel command line', 'take intremap=off (nointremap) out of the kernel command line and boot again')
        : fail('no interrupt goes through it: a VF could raise any interrupt', 'switch it on in the firmware set-up (with VT-d or AMD-Vi; x2APIC often goes with it); dmesg | grep -i remapping says why it is off')];
    },
  },
  {
    id: 'module',
    title: `kernel module ${DRIVER}`,
    only: 'sriov',
    async run({ sysfs, exec, release, file, config }) {
      if (config?.provider.sriov?.pf.every(({ backend }) => backend === 'vfio')) {
        return [ok('not needed: the configuration says backend: vfio')];
      }
      if ((await sysfs.list('bus/pci/drivers')).includes(DRIVER)) {
        return [ok('loaded')];
      }
      const info = await exec('modinfo', ['-F', 'vermagic', DRIVER]).catch(() => undefined);
      if (info === undefined) {
        return [unknown('it is not loaded, and modinfo is not there to say whether it is installed', 'apt-get install kmod, then modprobe uio_vf')];
      }
      if (info.status !== 0) {
        return [fail(`it is not loaded and not installed for this kernel, ${release} (${failureText(info)})`,
          `install linux-headers-${release}, then: make -C driver-kmod && make -C driver-kmod modules_install && depmod (or its DKMS package), and modprobe ${DRIVER}`)];
      }
      const signed = lockdown(file);
      return [fail(`it is installed and not loaded${signed === undefined ? '' : `; ${signed}`}`,
        signed === undefined ? `modprobe ${DRIVER}; dmesg says why, if it fails` : 'sign it with a key that the machine trusts (mokutil --import KEY.der, docs/install.md), then modprobe uio_vf')];
    },
  },
  {
    id: 'vfio',
    title: 'VFIO',
    only: 'sriov',
    async run({ sysfs, config }) {
      if (!config?.provider.sriov?.pf.some(({ backend }) => backend === 'vfio')) {
        return [];
      }
      const missing = await missingModule(sysfs);
      const unsafe = await unsafeParameter(sysfs);
      if (missing !== undefined) {
        return [fail(`the kernel module ${missing} is not loaded, and the configuration says backend: vfio`, 'modprobe -a vfio-pci vfio_iommu_type1; at each boot: echo vfio-pci > /etc/modules-load.d/vfio-pci.conf')];
      }
      return [unsafe === undefined ? ok('loaded, and safe') : fail(`${unsafe.parameter} is on: a process could reach memory that is not its own`, `echo N > ${unsafe.file}, and take the setting out of /etc/modprobe.d`)];
    },
  },
  {
    id: 'lockdown',
    title: 'module signing and lockdown',
    only: 'sriov',
    run({ file }) {
      const trouble = lockdown(file);
      return [trouble === undefined ? ok('unsigned modules may be loaded') : warn(trouble, 'the module must be signed with a key that the machine trusts; counters of VFs cannot be read under lockdown')];
    },
  },
];

/** What keeps unsigned modules out, or undefined. */
function lockdown(file: (path: string) => string | undefined): string | undefined {
  const mode = /\[(\w+)\]/.exec(file('/sys/kernel/security/lockdown') ?? '')?.[1];
  if (mode !== undefined && mode !== 'none') {
    return `the kernel is locked down (${mode})`;
  }
  return file('/sys/module/module/parameters/sig_enforce')?.trim() === 'Y' ? 'the kernel takes signed modules only' : undefined;
}

export async function eachOf<T>(items: readonly T[], run: (item: T) => Promise<readonly Finding[]>): Promise<Finding[]> {
  const found: Finding[] = [];
  for (const item of items) {
    found.push(...(await run(item)));
  }
  return found;
}

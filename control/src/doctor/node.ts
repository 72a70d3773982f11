// SPDX-License-Identifier: BSD-3-Clause
/** PFs and VFs of the configuration, daemon, permissions, limits, Open MPI. */
import type { PfConfig } from '../config/schema.js';
import { formatSize } from '../config/units.js';
import { pinnedPerRank } from '../mpi/pinned.js';
import { version } from '../paths.js';
import { shellWord } from '../shell.js';
import { isVfringError, causeText } from '../errors.js';
import type { LimitBytes } from '../libc.js';
import { ipLink } from '../providers/sriov/ip-link.js';
import { bringBack, deviceDir, driverOf, findByName, noCarrier, pfsElsewhere } from '../providers/sriov/observe.js';
import { selectPfs } from '../providers/sriov/select.js';
import { fail, ok, unknown, warn, type Check, type Finding, type Patient } from './check.js';
import { eachOf } from './machine.js';

const PRIVATE = 0o600;
/** Base class 02h of a PCI function (PCI Code and ID Assignment 1.11, 1.3). */
const NETWORK_CLASS = '0x02';

export const NODE_CHECKS: readonly Check[] = [
  {
    id: 'config',
    title: 'configuration',
    run({ config, configTrouble, configUnread, status }) {
      if (config !== undefined) {
        return [ok('good')];
      }
      const trouble = configTrouble ?? 'there is none';
      return [configUnread && status !== undefined
        ? unknown(`${trouble}; vfringd runs, so it has another`, 'name the one that vfringd has: vfring doctor --config FILE')
        : fail(trouble, 'mend it: vfring config check FILE; docs/configuration.md has the fields')];
    },
  },
  {
    id: 'pf',
    title: 'PF',
    only: 'sriov',
    run: async (patient) => eachOf(await pfsOf(patient), (pf) => checkPf(pf, patient)),
  },
  {
    id: 'groups',
    title: 'IOMMU groups of the VFs',
    only: 'sriov',
    run: async (patient) => eachOf(await pfsOf(patient), (pf) => checkGroups(pf, patient)),
  },
  {
    id: 'soft',
    title: 'soft VFs',
    only: 'soft',
    run({ file, softTool, config, status }) {
      if (file(softTool) === undefined) {
        return [fail(`the tool ${softTool} is not there`, 'install vfring whole, or say where the tool is: VFRING_LIBEXEC=DIR')];
      }
      const soft = config?.provider.soft;
      return [ok(soft === undefined ? `${status?.vfs.length ?? 0}, says vfringd` : `${soft.vfs} in ${soft.dir}, as VFs of an Intel ${soft.model.toUpperCase()}`)];
    },
  },
  {
    id: 'daemon',
    title: 'vfringd',
    run({ status, statusTrouble, statusRemedy }) {
      if (status === undefined) {
        return [fail(statusTrouble ?? 'it does not answer', statusRemedy ?? 'start it (systemctl start vfringd); its log says why it ends: journalctl -u vfringd')];
      }
      const sick = status.vfs.filter((vf) => vf.state === 'unhealthy');
      return [
        ok(`answers (process ${status.pid}, ${status.vfs.length} VFs)`),
        ...sick.map((vf) => fail(`VF ${vf.name} is unhealthy: ${vf.reason ?? 'unknown why'}`, 'vfringd tries to mend it every 15 s; see its log and dmesg | grep uio_vf')),
        ...status.vfs.filter((vf) => vf.state === 'draining').map((vf) => warn(`VF ${vf.name}: ${vf.reason ?? 'still driven'}`, 'end that process; fuser DEVICE names it')),
      ];
    },
  },
  {
    id: 'page',
    title: 'page and metrics over HTTP',
    run({ config, status }) {
      if (status === undefined) {
        return [];
      }
      // An earlier vfringd that still runs does not speak of it.
      if (!status.http) {
        return config?.http === undefined ? [] : [warn('the configuration asks for it, and vfringd has another one', 'let vfringd take it over: vfring provision')];
      }
      const { listen, serving, trouble, streams } = status.http;
      if (trouble !== null) {
        return [fail(trouble.message, trouble.remedy)];
      }
      return [serving ? ok(`at ${listen}, ${streams} watch`) : unknown(`${listen} is not served yet`, 'look again in a moment')];
    },
  },
  {
    id: 'permissions',
    title: 'device nodes',
    async run({ status, stat }) {
      if (status === undefined) {
        return [unknown('vfringd does not say who has which')];
      }
      const findings = await eachOf(status.vfs.filter((vf) => vf.state !== 'unhealthy'), async (vf) => {
        const { uid, mode } = await stat(vf.device);
        if (mode !== PRIVATE) {
          return [fail(`${vf.device} has mode 0${mode.toString(8)}: others than its owner may open it`, `chmod 0600 ${shellWord(vf.device)} (vfringd does it within 15 s); find out who changed it: a udev rule?`)];
        }
        if (vf.state === 'free' && uid !== 0 && uid !== process.getuid?.()) {
          return [fail(`${vf.device} is free and belongs to uid ${uid}`, 'vfringd takes it back within 15 s; if it does not, restart it')];
        }
        return [];
      });
      return findings.length > 0 ? findings : [ok('each belongs to one user alone, mode 0600')];
    },
  },
  {
    id: 'memlock',
    title: 'locked memory (RLIMIT_MEMLOCK)',
    run: checkMemlock,
  },
];

export const MPI_CHECKS: readonly Check[] = [
  {
    id: 'open-mpi',
    title: 'Open MPI and the BTL',
    async run({ openMpi }) {
      try {
        const { found, btl, oneSided } = await openMpi();
        const findings = [ok(found)];
        if (btl !== version()) {
          findings.push(warn(`the BTL is of vfring ${btl}, this command of ${version()}: they may not understand each other`, 'install both of one release, and start vfringd anew: systemctl restart vfringd'));
        }
        if (oneSided !== undefined) {
          findings.push(warn(
            `${oneSided.file} keeps one-sided operations between nodes from running (osc = ${oneSided.value}): Open MPI 4.1 needs osc/pt2pt for them; vfring run sets that`,
            `with a plain mpirun: --mca osc ${shellWord(oneSided.mended)}`));
        }
        return findings;
      } catch (error) {
        return [isVfringError(error) ? fail(error.message, error.remedy) : fail(causeText(error), 'see vfring run --help')];
      }
    },
  },
];

async function pfsOf({ config, sysfs }: Patient): Promise<PfConfig[]> {
  return config?.provider.sriov === undefined ? [] : selectPfs(config.provider.sriov, sysfs);
}

async function nameOf({ name, bdf }: PfConfig, { sysfs, exec }: Patient): Promise<{ name: string; bdf: string } | undefined> {
  if (name !== undefined) {
    return findByName(name, sysfs, ipLink(exec));
  }
  const [found] = await sysfs.list(`${deviceDir(bdf ?? '')}/net`);
  return found === undefined ? undefined : { name: found, bdf: bdf ?? '' };
}

async function checkPf(config: PfConfig, patient: Patient): Promise<Finding[]> {
  const { sysfs } = patient;
  if (config.functions !== undefined) {
    const there = await Promise.all(config.functions.map(async ({ bdf }) => ({ bdf, known: (await sysfs.list(deviceDir(bdf))).length > 0 })));
    const missing = there.filter(({ known }) => !known);
    return missing.length === 0 ? [ok(`${there.length} VFs whose PF is not here`)] : missing.map(({ bdf }) => fail(`there is no PCI function ${bdf}`, 'correct functions: in the configuration (lspci -D shows the addresses)'));
  }
  const label = config.name ?? config.bdf ?? '';
  const pf = await nameOf(config, patient);
  if (pf === undefined) {
    return [await noInterface(label, sysfs)];
  }
  const dir = deviceDir(pf.bdf);
  const total = Number((await sysfs.read(`${dir}/sriov_totalvfs`)) ?? 0);
  if (!(total > 0)) {
    const driver = (await sysfs.link(`${dir}/driver`)) ?? 'none';
    return [fail(`${pf.name} (${pf.bdf}, driver ${driver}) offers no VFs`, 'switch SR-IOV on in the firmware set-up and on the card; "cannot allocate memory" in dmesg: boot with pci=realloc')];
  }
  const found: Finding[] = [];
  if (config.vfs > total) {
    found.push(fail(`${pf.name} can make at most ${total} VFs, the configuration asks for ${config.vfs}`, `set vfs: ${total} or less`));
  }
  const made = Number((await sysfs.read(`${dir}/sriov_numvfs`)) ?? 0);
  if (made !== config.vfs && config.vfs <= total) {
    found.push(fail(`${pf.name} has ${made} VFs, the configuration asks for ${config.vfs}`, 'start vfringd, or let it take its configuration over: vfring provision'));
  }
  if ((await sysfs.read(`class/net/${pf.name}/carrier`)) !== '1') {
    const { cause, remedy } = await noCarrier(pf.name, sysfs);
    found.push(fail(cause, remedy));
  }
  const mtu = Number((await sysfs.read(`class/net/${pf.name}/mtu`)) ?? Number.NaN);
  if (mtu < config.mtu) {
    found.push(fail(`${pf.name} has MTU ${mtu}, the configuration vouches for ${config.mtu}`, `let vfringd set it (vfring provision), or: ip link set dev ${shellWord(pf.name)} mtu ${config.mtu}; switches between the nodes must carry it, too`));
  }
  return found.length > 0 ? found : [ok(`${pf.name}: ${made} of ${total} VFs, link up, MTU ${mtu}`)];
}

/** A card without a driver has no interface: that is told apart from a wrong name. */
async function noInterface(label: string, sysfs: Patient['sysfs']): Promise<Finding> {
  const elsewhere = await pfsElsewhere(sysfs);
  const isBdf = /^[0-9a-f]+:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$/.test(label);
  if (isBdf ? elsewhere.includes(label) : elsewhere.length > 0) {
    return fail(`there is no interface ${label} here, and ${elsewhere.join(', ')} has its own in another network namespace`, bringBack(isBdf ? undefined : label));
  }
  const idle: { bdf: string; modalias: string }[] = [];
  for (const bdf of await sysfs.list('bus/pci/devices')) {
    const dir = deviceDir(bdf);
    const network = (await sysfs.read(`${dir}/class`))?.startsWith(NETWORK_CLASS) === true;
    // VFs have a PF of their own, and none of them is a PF.
    if (network && (await sysfs.link(`${dir}/driver`)) === undefined && (await sysfs.link(`${dir}/physfn`)) === undefined) {
      idle.push({ bdf, modalias: (await sysfs.read(`${dir}/modalias`)) ?? '' });
    }
  }
  if (idle.length > 0) {
    const aliases = [...new Set(idle.map(({ modalias }) => shellWord(modalias)))].join(' ');
    return fail(`there is no interface ${label}, and no driver has the network cards ${idle.map(({ bdf }) => bdf).sort().join(', ')}`, `modprobe -a ${aliases}`);
  }
  return fail(`there is no interface ${label}`, 'correct name: or bdf: in the configuration (ip link shows the names); if the card is not there at all, look for it with lspci');
}

/** PCI addresses. */
async function vfsOf(config: PfConfig, patient: Patient): Promise<string[]> {
  const { sysfs } = patient;
  if (config.functions !== undefined) {
    const there = await Promise.all(config.functions.map(async ({ bdf }) => ((await sysfs.list(deviceDir(bdf))).length > 0 ? [bdf] : [])));
    return there.flat();
  }
  const pf = await nameOf(config, patient);
  const count = pf === undefined ? 0 : Number((await sysfs.read(`${deviceDir(pf.bdf)}/sriov_numvfs`)) ?? 0);
  const vfs = await Promise.all(Array.from({ length: count }, (_, i) => sysfs.link(`${deviceDir(pf?.bdf ?? '')}/virtfn${i}`)));
  return vfs.filter((bdf) => bdf !== undefined);
}

async function checkGroups(config: PfConfig, patient: Patient): Promise<Finding[]> {
  const { sysfs } = patient;
  const vfs = await vfsOf(config, patient);
  if (vfs.length === 0) {
    return []; // The check of the PF says so.
  }
  const label = config.functions === undefined ? (await nameOf(config, patient))?.name : 'VFs whose PF is not here';
  const bad: Finding[] = [];
  for (const bdf of vfs) {
    const group = await sysfs.link(`${deviceDir(bdf)}/iommu_group`);
    const others = group === undefined ? [] : (await sysfs.list(`kernel/iommu_groups/${group}/devices`)).filter((member) => member !== bdf);
    if (group === undefined) {
      bad.push(fail(`VF ${bdf} is in no IOMMU group`, 'switch the IOMMU on (see above)'));
    } else if (others.length > 0) {
      bad.push(fail(`VF ${bdf} shares its group ${group} with ${others.sort().join(', ')}`, 'plug the card into a slot whose root port has ACS, and enable ACS and ARI in the firmware set-up'));
    }
    const driver = await sysfs.link(`${deviceDir(bdf)}/driver`);
    const wanted = driverOf(config.backend);
    if (driver !== wanted) {
      bad.push(fail(`VF ${bdf} is bound to ${driver ?? 'no driver'}`, `start vfringd, which binds it to ${wanted}; a VF that a virtual machine has is left alone`));
    }
  }
  return bad.length > 0 ? bad : [ok(`${label}: each of ${vfs.length} VFs is alone in its group`)];
}

function checkMemlock({ memlock, config, status }: Patient): Finding[] {
  const mtus = config === undefined ? status?.vfs.map(({ mtu }) => mtu) : [...(config.provider.sriov?.pf.map((pf) => pf.mtu) ?? []), config.provider.soft?.mtu ?? 0];
  const need = pinnedPerRank(Math.max(1500, ...(mtus ?? [])));
  const told = (): LimitBytes | undefined => (status?.policy.memlock_bytes === -1 ? 'unlimited' : status?.policy.memlock_bytes);
  const policy = config === undefined ? told() : config.limits.memlock;
  const found: Finding[] = [];
  if (policy !== undefined && policy !== 'unlimited' && policy < need) {
    found.push(fail(`limits: memlock: ${formatSize(policy)} is less than a process needs, about ${formatSize(need)}`, `set it to ${formatSize(need * 4)} or more`));
  }
  const here = memlock();
  const text = here === 'unlimited' ? here : formatSize(here);
  // A daemon that runs as root raises it when it gives a VF.
  const raised = status !== undefined && policy !== undefined;
  if (here === 'unlimited' || here >= need) {
    found.push(ok(`${text} in this shell`));
  } else if (raised) {
    found.push(ok(`${text} in this shell; vfringd raises it with each lease to ${policy === 'unlimited' ? policy : formatSize(policy)}`));
  } else {
    found.push(fail(`${text} in this shell, and no vfringd to raise it; a process needs about ${formatSize(need)}`, 'start vfringd as root, or raise it: /etc/security/limits.conf for logins, LimitMEMLOCK= for services'));
  }
  return found;
}

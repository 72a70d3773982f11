// SPDX-License-Identifier: BSD-3-Clause
/** A healthy node, then each thing broken once: the doctor names it, with its remedy. */
import { describe, expect, test } from 'vitest';
import type { StatusView, VfView } from '../src/api/views.js';
import type { Exec } from '../src/exec.js';
import { examine, reportText, type Patient, type Report } from '../src/doctor/check.js';
import { CHECKS } from '../src/doctor/doctor.js';
import { VfringError } from '../src/errors.js';
import { version } from '../src/paths.js';
import type { Sysfs } from '../src/providers/sriov/sysfs.js';
import type { Config } from '../src/config/schema.js';
import { config, softConfig, sriovConfig } from './helpers/config.js';
import { vfBdf } from './helpers/fake-kernel.js';
import { tempDir } from './helpers/temp-dir.js';
import { PF_A, sriovHarness } from './providers/harness.js';

const VF0 = vfBdf(PF_A.bdf, 0);
const FILES: Readonly<Record<string, string>> = {
  '/proc/cpuinfo': 'vendor_id : GenuineIntel',
  '/proc/cmdline': 'ro intel_iommu=on',
  '/proc/interrupts': ' 24: 0 IR-PCI-MSI 512 eth0',
  '/sys/kernel/security/lockdown': '[none] integrity confidentiality',
};

interface Machine {
  readonly harness: ReturnType<typeof sriovHarness>;
  readonly files: Record<string, string | undefined>;
  readonly patient: { -readonly [K in keyof Patient]: Patient[K] };
  /** Attributes of sysfs that read otherwise. */
  readonly read: Record<string, string | undefined>;
  readonly list: Record<string, string[]>;
}

async function healthy(): Promise<Machine> {
  const harness = sriovHarness(tempDir(), { ens1: 2 });
  const vfs = await harness.provider().provision({ leased: new Set() });
  const files: Machine['files'] = { ...FILES };
  const read: Machine['read'] = { 'class/net/ens1/mtu': '9000', 'class/net/ens1/flags': '0x1003' };
  const list: Machine['list'] = { 'class/iommu': ['dmar0'] };
  const { sysfs } = harness.kernel;
  const watched: Sysfs = {
    ...sysfs,
    read: async (path) => (path in read ? read[path] : sysfs.read(path)),
    list: async (path) => list[path] ?? sysfs.list(path),
  };
  const view = (vf: (typeof vfs)[number]): VfView => ({ ...vf, model: vf.model ?? null, state: 'free', link_up: true, reason: null, lease: null });
  const status = { pid: 7, provider: 'sriov', vfs: vfs.map(view) } as unknown as StatusView;
  const patient: Machine['patient'] = {
    sysfs: watched,
    file: (path) => files[path],
    exec: async (program) => {
      throw Object.assign(new Error(`spawn ${program} ENOENT`), { code: 'ENOENT' });
    },
    release: '6.12.0-test',
    config: sriovConfig({ ens1: 2 }),
    configTrouble: undefined,
    configUnread: false,
    status,
    statusTrouble: undefined,
    statusRemedy: undefined,
    memlock: () => 8 << 20,
    stat: async (path) => harness.kernel.ops.stat(path),
    openMpi: async () => ({ found: 'Open MPI 5.0.7', btl: version(), oneSided: undefined }),
    softTool: '/x/vfring-softvf',
  };
  return { harness, files, patient, read, list };
}

/** Settings as `scontrol show config` prints them on a node that is as docs/slurm.md says. */
const SLURM_CONF = {
  GresTypes: 'vf', Epilog: undefined, 'Epilog[0]': '/usr/libexec/vfring/slurm/epilog', 'Prolog[0]': '/usr/libexec/vfring/slurm/prolog', TaskProlog: '/usr/libexec/vfring/slurm/task-prolog',
  PrologFlags: 'Alloc', SchedulerParameters: 'nohold_on_prolog_fail', TaskPlugin: 'task/cgroup,task/affinity', PropagateResourceLimits: '(null)', PropagateResourceLimitsExcept: 'MEMLOCK',
  ConstrainDevices: 'yes',
};

/** Slurm's commands on a node; `conf` and `unit` are what is otherwise, `file` is File= in gres.conf. */
function playSlurm({ unit = 'LimitMEMLOCK=infinity', conf = {}, file = '/dev/x,/dev/y' }: { unit?: string; conf?: Record<string, string | undefined>; file?: string } = {}): Exec {
  return async (program, args) => {
    const said = (stdout: string, stderr = '') => ({ status: 0, stdout, stderr });
    switch (`${program} ${args.slice(0, 2).join(' ')}`) {
      case 'systemctl show slurmd':
        return said(`LoadState=loaded\n${unit}\n`);
      case 'scontrol show config':
        return said(Object.entries({ ...SLURM_CONF, ...conf }).filter(([, value]) => value !== undefined).map(([name, value]) => `${name.padEnd(24)}= ${value}\n`).join(''));
      case 'scontrol show hostnames':
        return said((args[2] as string).replaceAll(',', '\n'));
      case 'slurmd -G':
        return said('', `slurmd: Gres Name=vf Type=(null) Count=2 Index=0 ID=26230 File=${file} Links=(null) Flags=HAS_FILE\n`);
      default:
        throw Object.assign(new Error(`spawn ${program} ENOENT`), { code: 'ENOENT' });
    }
  };
}

const amiss = (reports: readonly Report[]): Report[] => reports.filter(({ verdict }) => verdict !== 'ok');

test('a healthy node has nothing to mend', async () => {
  const { patient } = await healthy();
  const reports = await examine(CHECKS, patient);
  expect(amiss(reports)).toEqual([]);
  expect(reports.map(({ check }) => check)).toEqual([
    'iommu', 'interrupt-remapping', 'module', 'lockdown', 'config', 'pf', 'groups', 'daemon', 'permissions', 'memlock', 'open-mpi',
  ]);
  expect(reportText(reports)).toContain('0 to mend, 0 warnings, 0 not known, 11 ok');
});

/** A node whose PF gives its VFs by vfio-pci. */
async function overVfio(): Promise<Machine> {
  const machine = await healthy();
  const { pf } = sriovConfig({ ens1: 2 }).provider.sriov ?? { pf: [] };
  machine.patient.config = { ...sriovConfig({ ens1: 2 }), provider: { sriov: { pf: pf.map((entry) => ({ ...entry, backend: 'vfio' as const })) } } };
  for (const index of [0, 1]) {
    machine.harness.kernel.bindTo(vfBdf(PF_A.bdf, index), 'vfio-pci');
  }
  machine.patient.status = { ...machine.patient.status, vfs: [] } as unknown as StatusView;
  return machine;
}

describe('VFs over vfio-pci', () => {
  test('need no module of vfring\'s, and are asked for what they need', async () => {
    const { patient, harness } = await overVfio();
    harness.kernel.unloadModule();
    const reports = await examine(CHECKS, patient);
    expect(amiss(reports)).toEqual([]);
    expect(reports.find(({ check }) => check === 'module')).toMatchObject({ verdict: 'ok' });
    expect(reports.find(({ check }) => check === 'vfio')).toMatchObject({ verdict: 'ok' });
  });

  test.each<[string, string, RegExp, RegExp, (machine: Machine) => void]>([
    ['no vfio-pci', 'vfio', /vfio-pci is not loaded/, /modprobe -a vfio-pci/, ({ list }) => { list['bus/pci/drivers'] = ['igb']; }],
    ['no type 1', 'vfio', /vfio_iommu_type1 is not loaded/, /modprobe/, ({ list }) => { list['module'] = ['vfio']; }],
    ['interrupts of everybody allowed', 'vfio', /allow_unsafe_interrupts is on/, /echo N/, ({ read }) => { read['module/vfio_iommu_type1/parameters/allow_unsafe_interrupts'] = 'Y'; }],
    ['a VF that uio_vf has', 'groups', /is bound to uio_vf/, /binds it to vfio-pci/, ({ harness }) => harness.kernel.bindTo(VF0, 'uio_vf')],
  ])('%s is named', async (_name, check, cause, remedy, change) => {
    const machine = await overVfio();
    change(machine);
    const [found] = amiss(await examine(CHECKS, machine.patient));
    expect(found).toMatchObject({ check, verdict: 'fail', cause: expect.stringMatching(cause), remedy: expect.stringMatching(remedy) });
  });
});

test('VFs whose PF is not here are looked at themselves, and one that is not there is named', async () => {
  const { harness, patient } = await healthy();
  const [here, missing] = ['0000:08:00.0', '0000:09:00.0'];
  harness.kernel.addFunction(here);
  harness.kernel.bindTo(here, 'uio_vf');
  const given = (...bdfs: string[]): Config =>
    config(`version: 1\nprovider: {sriov: {pf: [{functions: [${bdfs.map((bdf, i) => `{bdf: "${bdf}", mac: "02:aa:00:00:00:0${i}"}`).join(', ')}]}]}}`);
  patient.config = given(here);
  patient.status = { ...patient.status, vfs: [] } as unknown as StatusView;
  const reports = await examine(CHECKS, patient);
  expect(amiss(reports)).toEqual([]);
  expect(reports.filter(({ check }) => ['pf', 'groups'].includes(check)).map(({ cause }) => cause)).toEqual([
    '1 VFs whose PF is not here', 'VFs whose PF is not here: each of 1 VFs is alone in its group',
  ]);
  patient.config = given(here, missing);
  expect(amiss(await examine(CHECKS, patient))).toMatchObject([{ check: 'pf', verdict: 'fail', cause: `there is no PCI function ${missing}` }]);
  patient.config = given(here);
  harness.kernel.bindTo(here, 'igbvf');
  expect(amiss(await examine(CHECKS, patient))).toMatchObject([{ check: 'groups', verdict: 'fail', cause: `VF ${here} is bound to igbvf` }]);
});

type Break = (machine: Machine) => void | Promise<void>;

const slurmNode = (options: Parameters<typeof playSlurm>[0]): Break => (m) => {
  m.patient.config = sriovConfig({ ens1: 2 }, 'managed_by: slurm');
  m.patient.exec = playSlurm({ file: (m.patient.status?.vfs ?? []).map(({ device }) => device).join(','), ...options });
};

test('a node of Slurm that is as the page says has nothing to mend', async () => {
  const machine = await healthy();
  await slurmNode({})(machine);
  const reports = await examine(CHECKS, machine.patient);
  expect(amiss(reports)).toEqual([]);
  expect(reports.find(({ check }) => check === 'slurm-vfs')?.cause).toBe('2 VFs, prolog, epilog and task prolog, devices cgroup');
});

test('a node of Slurm that gives no VFs out is not told to', async () => {
  const machine = await healthy();
  machine.patient.exec = playSlurm({ conf: { GresTypes: '(null)', 'Prolog[0]': undefined } });
  expect(amiss(await examine(CHECKS, machine.patient))).toEqual([]);
});


describe('one thing broken', () => {
  test.each<[string, string, RegExp, RegExp, Break]>([
    ['IOMMU not asked for', 'iommu', /does not ask for it/, /intel_iommu=on/, (m) => { m.list['class/iommu'] = []; m.files['/proc/cmdline'] = 'ro'; }],
    ['IOMMU switched off', 'iommu', /switched off on the kernel command line/, /take intel_iommu=off/, (m) => { m.list['class/iommu'] = []; m.files['/proc/cmdline'] = 'ro intel_iommu=off'; }],
    ['IOMMU off in the firmware', 'iommu', /the kernel finds none/, /VT-d.*firmware/, (m) => { m.list['class/iommu'] = []; }],
    ['AMD without IOMMU', 'iommu', /the kernel finds none/, /AMD-Vi/, (m) => { m.list['class/iommu'] = []; m.files['/proc/cpuinfo'] = 'AuthenticAMD'; }],
    ['no interrupt remapping', 'interrupt-remapping', /could raise any interrupt/, /firmware/, (m) => { m.files['/proc/interrupts'] = 'PCI-MSI eth0'; }],
    ['interrupt remapping switched off', 'interrupt-remapping', /switched off/, /intremap=off/, (m) => { m.files['/proc/interrupts'] = 'PCI-MSI'; m.files['/proc/cmdline'] = 'intel_iommu=on intremap=off'; }],
    ['module not installed', 'module', /not installed for this kernel, 6\.12\.0-test \(modinfo: ERROR/, /linux-headers-6\.12\.0-test/, (m) => {
      m.list['bus/pci/drivers'] = ['igb'];
      m.patient.exec = async () => ({ status: 1, stdout: '', stderr: 'modinfo: ERROR: Module uio_vf not found.' });
    }],
    ['module not loaded', 'module', /installed and not loaded$/, /modprobe uio_vf/, (m) => {
      m.list['bus/pci/drivers'] = ['igb'];
      m.patient.exec = async (program) => (program === 'modinfo' ? { status: 0, stdout: '6.12.0', stderr: '' } : { status: 1, stdout: '', stderr: '' });
    }],
    ['module unsigned on a machine that demands it', 'module', /takes signed modules only/, /sign it/, (m) => {
      m.list['bus/pci/drivers'] = ['igb'];
      m.files['/sys/module/module/parameters/sig_enforce'] = 'Y\n';
      m.patient.exec = async () => ({ status: 0, stdout: '6.12.0', stderr: '' });
    }],
    ['lockdown', 'lockdown', /locked down \(integrity\)/, /signed/, (m) => { m.files['/sys/kernel/security/lockdown'] = 'none [integrity] confidentiality'; }],
    ['a wrong configuration', 'config', /f\.yaml:3:1: vfs/, /config check/, (m) => { m.patient.config = undefined; m.patient.configTrouble = 'f.yaml:3:1: vfs: wrong'; }],
    ['a PF that is not there', 'pf', /no interface ens7/, /ip link/, (m) => { m.patient.config = sriovConfig({ ens7: 2 }); }],
    ['a PF that another network namespace has, by its name', 'pf', /^there is no interface ens7 here, and 0000:04:00\.0 has its own in another/, /ip -n NAMESPACE link set dev ens7 netns 1/, (m) => {
      m.patient.config = sriovConfig({ ens7: 2 });
      m.list['bus/pci/devices'] = ['0000:04:00.0'];
      m.list['bus/pci/devices/0000:04:00.0'] = ['net', 'driver'];
      m.read['bus/pci/devices/0000:04:00.0/sriov_totalvfs'] = '7';
    }],
    ['a PF without its driver', 'pf', /no interface ens7, and no driver has the network cards 0000:04:00\.0$/, /^modprobe -a pci:v00008086d000010C9$/, (m) => {
      m.patient.config = sriovConfig({ ens7: 2 });
      m.list['bus/pci/devices'] = ['0000:04:00.0', PF_A.bdf, VF0];
      m.read['bus/pci/devices/0000:04:00.0/class'] = '0x020000';
      m.read['bus/pci/devices/0000:04:00.0/modalias'] = 'pci:v00008086d000010C9';
      m.read[`bus/pci/devices/${VF0}/class`] = '0x020000';
    }],
    ['SR-IOV off', 'pf', /offers no VFs/, /pci=realloc/, (m) => { m.read[`bus/pci/devices/${PF_A.bdf}/sriov_totalvfs`] = undefined; }],
    ['too many VFs asked for', 'pf', /at most 7 VFs, the configuration asks for 9/, /vfs: 7/, (m) => { m.patient.config = sriovConfig({ ens1: 9 }); }],
    ['other VFs than configured', 'pf', /has 2 VFs, the configuration asks for 3/, /vfring provision/, (m) => { m.patient.config = sriovConfig({ ens1: 3 }); }],
    ['no cable', 'pf', /has no link/, /cable/, (m) => m.harness.kernel.setCarrier('ens1', false)],
    ['PF down', 'pf', /ens1 is down/, /ip link set dev ens1 up/, (m) => { m.harness.kernel.setCarrier('ens1', false); m.read['class/net/ens1/flags'] = '0x1002'; }],
    ['MTU too small', 'pf', /MTU 1500, the configuration vouches for 9000/, /mtu 9000/, (m) => { m.read['class/net/ens1/mtu'] = '1500'; }],
    ['a shared group', 'groups', /shares its group \d+ with 0000:00:1c\.0/, /ACS/, async (m) => {
      const group = await m.harness.kernel.sysfs.link(`bus/pci/devices/${VF0}/iommu_group`);
      m.list[`kernel/iommu_groups/${group}/devices`] = [VF0, '0000:00:1c.0'];
    }],
    ['a VF of another driver', 'groups', /bound to vfio-pci/, /virtual machine/, (m) => m.harness.kernel.bindTo(VF0, 'vfio-pci')],
    ['no daemon', 'daemon', /nobody listens/, /systemctl start vfringd/, (m) => { m.patient.status = undefined; m.patient.statusTrouble = 'nobody listens'; }],
    ['a daemon that does not answer', 'daemon', /closed the connection/, /LimitNOFILE/, (m) => { m.patient.status = undefined; m.patient.statusTrouble = 'it closed the connection'; m.patient.statusRemedy = 'raise LimitNOFILE='; }],
    ['a sick VF', 'daemon', /is unhealthy: it is not bound/, /dmesg/, (m) => { Object.assign(m.patient.status?.vfs[0] ?? {}, { state: 'unhealthy', reason: 'it is not bound' }); }],
    ['a node that everybody may open', 'permissions', /mode 0666/, /chmod 0600/, (m) => { Object.assign([...m.harness.kernel.nodes.values()][0] ?? {}, { mode: 0o666 }); }],
    ['a free node of somebody', 'permissions', /free and belongs to uid 4242/, /takes it back/, (m) => { Object.assign([...m.harness.kernel.nodes.values()][0] ?? {}, { uid: 4242 }); }],
    ['a policy that is too small', 'memlock', /1 MiB is less than a process needs/, /set it to/, (m) => { m.patient.config = sriovConfig({ ens1: 2 }, 'limits: {memlock: 1MiB}'); }],
    ['little locked memory and no daemon', 'memlock', /64 KiB in this shell, and no vfringd/, /limits\.conf/, (m) => { m.patient.memlock = () => 65_536; m.patient.status = undefined; }],
    ['slurmd with little', 'slurm', /LimitMEMLOCK=65536/, /systemctl edit slurmd/, (m) => { m.patient.exec = playSlurm({ unit: 'LimitMEMLOCK=65536', conf: { GresTypes: '(null)' } }); }],
    ['limits of the submitting shell', 'slurm', /PropagateResourceLimits=ALL/, /PropagateResourceLimitsExcept=MEMLOCK/,
      (m) => { m.patient.exec = playSlurm({ conf: { PropagateResourceLimits: 'ALL', PropagateResourceLimitsExcept: '(null)' } }); }],
    ['others than Slurm get VFs', 'slurm-vfs', /processes outside of Slurm/, /managed_by: slurm/, (m) => { m.patient.exec = playSlurm(); }],
    ['no GRES', 'slurm-vfs', /Slurm has no GRES vf/, /GresTypes=vf/, slurmNode({ conf: { GresTypes: 'gpu' } })],
    ['no prolog', 'slurm-vfs', /Prolog is not set/, /Prolog=.*vfring\/slurm\/prolog/, slurmNode({ conf: { 'Prolog[0]': undefined } })],
    ['another epilog', 'slurm-vfs', /Epilog is \/etc\/x/, /Epilog=.*vfring\/slurm\/epilog/, slurmNode({ conf: { 'Epilog[0]': '/etc/x' } })],
    ['no task prolog', 'slurm-vfs', /TaskProlog is \(null\)/, /TaskProlog=/, slurmNode({ conf: { TaskProlog: '(null)' } })],
    ['a prolog that comes late', 'slurm-vfs', /with its first step/, /PrologFlags=Alloc/, slurmNode({ conf: { PrologFlags: '(null)' } })],
    ['held jobs', 'slurm-vfs', /is held until/, /nohold_on_prolog_fail/, slurmNode({ conf: { SchedulerParameters: '(null)' } })],
    ['no devices cgroup', 'slurm-vfs', /no devices cgroup/, /ConstrainDevices=yes/, slurmNode({ conf: { ConstrainDevices: 'no' } })],
    ['a gres.conf of yesterday', 'slurm-vfs', /has no \S+uiovf0, \S+uiovf1, and has \/dev\/uiovf6, \/dev\/uiovf7,/, /vfring slurm gres/, slurmNode({ file: '/dev/uiovf6,/dev/uiovf7' })],
    ['a controller that is away', 'slurm-vfs', /does not say how it is set up: no contact/, /slurmctld/, (m) => {
      const play = playSlurm();
      m.patient.exec = async (program, args) => (program === 'scontrol' ? { status: 1, stdout: '', stderr: 'no contact' } : play(program, args));
    }],
    ['no BTL', 'open-mpi', /mca_btl_vfring\.so is neither in/, /make install/, (m) => {
      m.patient.openMpi = () => Promise.reject(new VfringError('VFRING_ERR_NO_BTL', { folders: '/a nor in /b' }));
    }],
    ['a BTL of another release', 'open-mpi', /^the BTL is of vfring 0\.0\.9, this command of \d/, /both of one release.*systemctl restart vfringd/, (m) => {
      m.patient.openMpi = async () => ({ found: 'Open MPI 5.0.7', btl: '0.0.9', oneSided: undefined });
    }],
    ['one-sided operations switched off', 'open-mpi', /^\/etc\/o\.conf keeps one-sided operations .*osc = \^ucx,pt2pt/, /^with a plain mpirun: --mca osc '\^ucx'$/, (m) => {
      m.patient.openMpi = async () => ({ found: 'Open MPI 4.1.4', btl: version(), oneSided: { value: '^ucx,pt2pt', file: '/etc/o.conf', mended: '^ucx' } });
    }],
    ['no configuration that can be read, and a vfringd that has one', 'config', /cannot read .*vfringd runs/, /doctor --config FILE/, (m) => {
      m.patient.config = undefined;
      m.patient.configTrouble = 'cannot read the configuration /etc/x';
      m.patient.configUnread = true;
    }],
  ])('%s', async (_name, check, cause, remedy, breakIt) => {
    const machine = await healthy();
    await breakIt(machine);
    const found = amiss(await examine(CHECKS, machine.patient)).filter((report) => report.check === check);
    expect(found[0]?.cause).toMatch(cause);
    expect(found[0]?.remedy).toMatch(remedy);
  });

  test('what is behind one fault is told once', async () => {
    const machine = await healthy();
    machine.patient.config = sriovConfig({ ens1: 9 });
    expect(amiss(await examine(CHECKS, machine.patient))).toHaveLength(1);
    await machine.harness.kernel.sysfs.write(`bus/pci/devices/${PF_A.bdf}/sriov_numvfs`, '0');
    machine.patient.config = sriovConfig({ ens1: 2 });
    machine.patient.status = { ...machine.patient.status, vfs: [] } as unknown as StatusView;
    expect(amiss(await examine(CHECKS, machine.patient)).map(({ check }) => check)).toEqual(['pf']);
  });

  test('a check that breaks down is a finding, and the others go on', async () => {
    const { patient } = await healthy();
    patient.stat = () => Promise.reject(new Error('EIO'));
    const reports = await examine(CHECKS, patient);
    expect(amiss(reports)).toMatchObject([{ check: 'permissions', verdict: 'unknown', cause: 'this could not be checked: EIO' }]);
  });

  test('soft VFs are asked for their tool, and for nothing of real ones', async () => {
    const { patient } = await healthy();
    patient.config = softConfig('/soft', 2);
    const reports = await examine(CHECKS, patient);
    expect(reports.map(({ check }) => check)).not.toContain('iommu');
    expect(reports.find(({ check }) => check === 'soft')).toMatchObject({ verdict: 'fail' });
  });

  test('of soft VFs it is told what they are', async () => {
    const { patient, files } = await healthy();
    patient.config = softConfig('/soft', 2);
    files[patient.softTool] = 'ELF';
    expect((await examine(CHECKS, patient)).find(({ check }) => check === 'soft')).toMatchObject({ verdict: 'ok', cause: '2 in /soft, as VFs of an Intel 82576' });
  });

  test('soft VFs by the word of vfringd alone, on a machine that has nothing of real ones', async () => {
    const { patient, list, files } = await healthy();
    Object.assign(list, { 'class/iommu': [], 'bus/pci/drivers': [] });
    files['/proc/interrupts'] = 'PCI-MSI eth0';
    files[patient.softTool] = 'ELF';
    patient.config = undefined;
    patient.configTrouble = 'cannot read the configuration /etc/vfring/vfringd.yaml';
    patient.configUnread = true;
    patient.status = { ...patient.status, provider: 'soft', policy: { memlock_bytes: -1 } } as unknown as StatusView;
    const reports = await examine(CHECKS, patient);
    expect(reports.filter(({ verdict }) => verdict === 'fail')).toEqual([]);
    expect(reports.find(({ check }) => check === 'soft')).toMatchObject({ verdict: 'ok', cause: '2, says vfringd' });
  });
});

// SPDX-License-Identifier: BSD-3-Clause
/**
 * Every error a user of vfringd or vfring can meet: code, message, remedy and
 * exit status in one catalogue. `{name}` in a text is filled in by the caller,
 * and the compiler demands every name.
 */

import { BENCH_ERRORS } from './bench-errors.js';
import { EXIT } from './exit.js';
import { shellWord } from './shell.js';

export { EXIT };

interface Entry {
  readonly exit: number;
  readonly message: string;
  readonly remedy: string;
}

export const CATALOGUE = {
  // The lease protocol (docs/lease-protocol.md).
  VFRING_ERR_BAD_REQUEST: {
    exit: EXIT.DATA,
    message: '{what}',
    remedy: '{remedy}',
  },
  VFRING_ERR_NO_FREE_VF: {
    exit: EXIT.UNAVAILABLE,
    message: '{what}',
    remedy: 'wait for a job to end (vfring status), start fewer processes, or raise vfs: in the configuration',
  },
  VFRING_ERR_PF_DOWN: {
    exit: EXIT.UNAVAILABLE,
    message: '{free} VFs are free, but without a link: {what}',
    remedy: '{remedy}',
  },
  VFRING_ERR_NO_NEAR_VF: {
    exit: EXIT.UNAVAILABLE,
    message: '{what}',
    remedy: 'start the process on a NUMA node with free VFs (numactl --cpunodebind={first}, mpirun --map-by numa), wait for a job there to end (vfring lease), or set numa: prefer in the configuration',
  },
  VFRING_ERR_NOT_OWNER: {
    exit: EXIT.NO_PERMISSION,
    message: 'lease {lease} belongs to another process',
    remedy: 'release a lease from the process that took it; it ends by itself when that process ends',
  },
  VFRING_ERR_NO_SUCH_LEASE_VF: {
    exit: EXIT.DATA,
    message: 'lease {lease} has no VF {vf}: it has {held}',
    remedy: 'vfring lease list shows the VFs of each lease',
  },
  VFRING_ERR_NO_SUCH_LEASE: {
    exit: EXIT.DATA,
    message: 'there is no lease {lease}',
    remedy: 'it may have ended already; see vfring status',
  },
  VFRING_ERR_VF_UNHEALTHY: {
    exit: EXIT.UNAVAILABLE,
    message: 'VF {vf} cannot be handed over: {cause}',
    remedy: '{remedy}',
  },
  VFRING_ERR_LIMIT: {
    exit: EXIT.OS,
    message: 'RLIMIT_MEMLOCK of process {pid} cannot be set to {wanted}: {cause}',
    remedy: 'run vfringd as root, or raise the limit of the user (LimitMEMLOCK= of the service, /etc/security/limits.conf)',
  },
  VFRING_ERR_SHUTTING_DOWN: {
    exit: EXIT.UNAVAILABLE,
    message: 'vfringd is stopping and gives out no more leases',
    remedy: 'wait until it runs again: systemctl status vfringd',
  },

  VFRING_ERR_QUOTA: {
    exit: EXIT.UNAVAILABLE,
    message: 'uid {uid} may have at most {limit} {what}, has {have} and asks for {wanted} more',
    remedy: 'wait for one of your jobs to end (vfring job), or ask the administrator to raise quotas: {field}',
  },
  VFRING_ERR_JOB_VFS: {
    exit: EXIT.UNAVAILABLE,
    message: 'job {job} has {vfs} VFs reserved and its processes hold {held}: {wanted} more are too many',
    remedy: 'start the job with more VFs (vfring run -n N, vfring job create --vfs N), or fewer processes',
  },

  VFRING_ERR_NO_SUCH_VF: {
    exit: EXIT.DATA,
    message: 'vfringd has no VF with the device node {device}',
    remedy: 'write gres.conf of this node anew: vfring slurm gres; then restart slurmd',
  },
  VFRING_ERR_VF_BUSY: {
    exit: EXIT.UNAVAILABLE,
    message: 'VF {vf} ({device}) is in use: {cause}',
    remedy: 'end that process, or take its lease away: vfring lease, vfring lease end; with managed_by: slurm in the configuration, nobody takes VFs but jobs of Slurm',
  },
  VFRING_ERR_NOT_ASSIGNED: {
    exit: EXIT.UNAVAILABLE,
    message: '{what}',
    remedy: '{remedy}',
  },
  VFRING_ERR_DEVICES_CGROUP: {
    exit: EXIT.UNAVAILABLE,
    message: 'the devices cgroup of process {pid} lets it open none of the VFs that job {job} may have: {vfs}',
    remedy: 'give its step of Slurm VFs (srun --gres=vf:N), or its container the device nodes',
  },
  VFRING_ERR_SLURM: {
    exit: EXIT.UNAVAILABLE,
    message: '{command} failed: {cause}',
    remedy: 'run the command by hand as root on this node; docs/slurm.md says what it needs',
  },
  VFRING_ERR_GRES: {
    exit: EXIT.CONFIG,
    message: 'gres.conf, as slurmd reads it for {node}, has {what}',
    remedy: 'let vfring slurm gres write that line, count the same VFs in slurm.conf (Gres=vf:N), and restart slurmd',
  },
  VFRING_ERR_CDI: {
    exit: EXIT.CANT_CREATE,
    message: 'cannot write {file}: {cause}',
    remedy: 'write it as root, or print it without --output',
  },
  VFRING_ERR_JOB_EXISTS: {
    exit: EXIT.DATA,
    message: 'you have a job {job} already, and it has not ended',
    remedy: 'end it first (vfring job end {job}), or choose another name',
  },

  // The configuration file.
  VFRING_ERR_CONFIG_READ: {
    exit: EXIT.CONFIG,
    message: 'cannot read the configuration {file}: {cause}',
    remedy: 'name a readable file with --config FILE; docs/configuration.md has examples',
  },
  VFRING_ERR_CONFIG: {
    exit: EXIT.CONFIG,
    message: '{problems}',
    remedy: 'mend the lines named above, then: vfring config check {file}',
  },

  // The daemon's own needs.
  VFRING_ERR_RUN_DIR: {
    exit: EXIT.CANT_CREATE,
    message: 'cannot use the run directory {dir}: {cause}',
    remedy: 'start vfringd as root, or give it a directory of its own: --run-dir DIR (or VFRING_RUN_DIR)',
  },
  VFRING_ERR_ALREADY_RUNNING: {
    exit: EXIT.UNAVAILABLE,
    message: 'another vfringd{pid} already serves {dir}',
    remedy: 'stop it first (systemctl stop vfringd), or give this one a directory of its own: --run-dir DIR',
  },
  VFRING_ERR_LEDGER: {
    exit: EXIT.CANT_CREATE,
    message: 'the ledger {file} cannot be used: {cause}',
    remedy: 'check free space and owner of its folder; a damaged ledger can be moved away (its history goes with it): vfringd makes a new one',
  },
  VFRING_ERR_LEDGER_LATER: {
    exit: EXIT.CANT_CREATE,
    message: 'the ledger {file} was written by a later release of vfring (version {version}, this one reads {reads})',
    remedy: 'install the later release again; or, to stay with this one, put the copy that was kept before the change in its place ({backup}, if it is there): what happened since is not in it',
  },
  VFRING_ERR_NODE_RELEASE: {
    exit: EXIT.INTERNAL,
    message: '{what} was compiled for another release of node than this one, {node}: {cause}',
    remedy: 'install vfring again with this node, or start vfringd with the node that it was installed with (PATH)',
  },
  VFRING_ERR_ADDON: {
    exit: EXIT.INTERNAL,
    message: 'cannot load the native addon: {cause}',
    remedy: 'build it with: make -C control/native (installed: install vfring again for this node version)',
  },
  VFRING_ERR_HTTP_LISTEN: {
    exit: EXIT.UNAVAILABLE,
    message: 'the page cannot be served at {listen}: {cause}',
    remedy: '{remedy}',
  },
  VFRING_ERR_HTTP_REFUSED: {
    exit: EXIT.NO_PERMISSION,
    message: '{what}',
    remedy: '{remedy}',
  },
  VFRING_ERR_INTERNAL: {
    exit: EXIT.INTERNAL,
    message: 'internal error: {cause}',
    remedy: 'this is a defect of vfring; please report it with the log of vfringd',
  },

  // The sriov provider.
  VFRING_ERR_PF_UNKNOWN: {
    exit: EXIT.CONFIG,
    message: 'there is no network interface {pf} on this machine (SR-IOV capable here: {known})',
    remedy: 'correct name: or bdf: in the configuration; ip link shows the names',
  },
  VFRING_ERR_VF_UNKNOWN: {
    exit: EXIT.CONFIG,
    message: 'there is no PCI function {vf} on this machine',
    remedy: 'correct functions: in the configuration; lspci -D shows the addresses',
  },
  VFRING_ERR_PF_ELSEWHERE: {
    exit: EXIT.CONFIG,
    message: 'PF {pf} has its network interface in another network namespace than vfringd',
    remedy: '{remedy}',
  },
  VFRING_ERR_NO_SRIOV: {
    exit: EXIT.CONFIG,
    message: 'PF {pf} ({bdf}) has no SR-IOV: {cause}',
    remedy: 'enable SR-IOV in the firmware set-up and on the card, or choose another PF',
  },
  VFRING_ERR_TOO_MANY_VFS: {
    exit: EXIT.CONFIG,
    message: 'PF {pf} ({bdf}) can make at most {max} VFs, the configuration asks for {wanted}',
    remedy: 'set vfs: {max} or less for this PF',
  },
  VFRING_ERR_VFS_IN_USE: {
    exit: EXIT.UNAVAILABLE,
    message: 'PF {pf} has {present} VFs and the configuration asks for {wanted}, but {users}',
    remedy: 'the number of VFs changes only when none is in use: end the jobs (vfring status), then start vfringd again',
  },
  VFRING_ERR_DISTURBS: {
    exit: EXIT.UNAVAILABLE,
    message: 'the new configuration takes VFs {vfs} from under {jobs}',
    remedy: 'wait until they have ended (vfring status), or take the VFs away: vfring provision --force',
  },
  VFRING_ERR_VF_FOREIGN_DRIVER: {
    exit: EXIT.UNAVAILABLE,
    message: 'VF {vf} of PF {pf} is held by the driver {driver}',
    remedy: 'stop what uses it (a virtual machine?), or unbind it: echo {vf} > /sys/bus/pci/drivers/{driver}/unbind',
  },
  VFRING_ERR_NO_MODULE: {
    exit: EXIT.UNAVAILABLE,
    message: 'the kernel module uio_vf is not loaded',
    remedy: 'as root: modprobe uio_vf (the unit vfringd.service does it; at each boot: echo uio_vf > /etc/modules-load.d/uio_vf.conf); if there is none, install it for the running kernel ({release}) from driver-kmod/',
  },
  VFRING_ERR_NO_IOMMU: {
    exit: EXIT.CONFIG,
    message: 'VF {vf} has no IOMMU group: an unprivileged process must not drive it',
    remedy: 'enable VT-d or AMD-Vi in the firmware set-up and boot with intel_iommu=on (AMD: on by default)',
  },
  VFRING_ERR_IOMMU_GROUP_SHARED: {
    exit: EXIT.CONFIG,
    message: 'VF {vf} shares its IOMMU group {group} with {others}',
    remedy: 'plug the card into a slot whose root port has ACS, and enable ACS and ARI in the firmware set-up',
  },
  VFRING_ERR_NO_INTERRUPT_REMAPPING: {
    exit: EXIT.CONFIG,
    message: 'interrupts of VF {vf} are not remapped: DMA of an unprivileged process could forge those of other devices',
    remedy: 'enable interrupt remapping: VT-d or AMD-Vi with x2APIC in the firmware set-up, and no intremap=off on the kernel command line',
  },
  VFRING_ERR_VF_NOT_ISOLATED: {
    exit: EXIT.CONFIG,
    message: 'uio_vf gives VF {vf} to no unprivileged process: its isolation is {what}',
    remedy: 'see isolation in uio_vf(4); an uio_vf that is too old to tell must be updated',
  },
  VFRING_ERR_VF_NO_NODE: {
    exit: EXIT.UNAVAILABLE,
    message: 'VF {vf} is bound to {driver}, but {what} did not appear: {cause}',
    remedy: 'see what the kernel says: dmesg | grep {driver}',
  },
  VFRING_ERR_NO_VFIO: {
    exit: EXIT.UNAVAILABLE,
    message: 'the configuration says backend: vfio, and the kernel module {module} is not loaded',
    remedy: 'as root: modprobe -a vfio-pci vfio_iommu_type1 (at each boot: echo vfio-pci > /etc/modules-load.d/vfio-pci.conf)',
  },
  VFRING_ERR_VFIO_UNSAFE: {
    exit: EXIT.CONFIG,
    message: 'the kernel gives devices to processes without the protection of an IOMMU: {parameter} is on, and the configuration says backend: vfio',
    remedy: 'as root: echo N > {file} (and take the setting out of /etc/modprobe.d and the kernel command line)',
  },
  VFRING_ERR_NO_IP: {
    exit: EXIT.UNAVAILABLE,
    message: 'the program ip was not found in {path}',
    remedy: 'install iproute2: apt-get install iproute2',
  },
  VFRING_ERR_IP_FAILED: {
    exit: EXIT.OS,
    message: '{command} failed: {cause}',
    remedy: 'run the command by hand as root; dmesg may say why the PF driver refuses',
  },
  VFRING_ERR_SYSFS: {
    exit: EXIT.OS,
    message: 'cannot {what} {file}: {cause}',
    remedy: 'start vfringd as root; dmesg may say why the kernel refuses',
  },
  VFRING_ERR_MAC_COLLISION: {
    exit: EXIT.CONFIG,
    message: 'VFs {first} and {second} would get the same MAC {mac}',
    remedy: 'give one of their PFs another mac_prefix: in the configuration',
  },
  VFRING_ERR_NOT_SETTLED: {
    exit: EXIT.OS,
    message: 'PF {pf} does not keep what was set: {left} still to do',
    remedy: 'look for another program that sets up the same PF (NetworkManager, libvirt, a SR-IOV operator), and at dmesg',
  },

  // The soft provider.
  VFRING_ERR_SOFTVF_FAILED: {
    exit: EXIT.OS,
    message: '{command} failed: {cause}',
    remedy: 'check that the folder of the soft VFs exists, is writable for vfringd and has room',
  },

  // The API and the CLI.
  VFRING_ERR_NO_SUCH_JOB: {
    exit: EXIT.DATA,
    message: 'there is no job {job} of yours',
    remedy: 'vfring job lists the jobs that vfringd knows; one of a plain mpirun that took no VF, all on one node and over shared memory, is none of them',
  },
  VFRING_ERR_FORBIDDEN: {
    exit: EXIT.NO_PERMISSION,
    message: 'this is for administrators only: {what}',
    remedy: 'do it as root, or as the user that vfringd runs as',
  },
  VFRING_ERR_NO_DAEMON: {
    exit: EXIT.UNAVAILABLE,
    message: 'vfringd cannot be reached at {socket}: {cause}',
    remedy: 'start it (systemctl start vfringd, or vfringd --config FILE), or point VFRING_RUN_DIR to its run directory',
  },
  VFRING_ERR_NO_ANSWER: {
    exit: EXIT.UNAVAILABLE,
    message: 'vfringd at {socket} runs and gives no answer: {cause}',
    remedy: 'see its log (journalctl -u vfringd); where it is out of file descriptors (ls /proc/PID/fd), raise LimitNOFILE= of its service or end leases',
  },
  VFRING_ERR_USAGE: {
    exit: EXIT.USAGE,
    message: '{what}',
    remedy: '{remedy}',
  },
  VFRING_ERR_OUTPUT: {
    exit: EXIT.IO,
    message: 'standard output cannot be written: {cause}',
    remedy: 'what was printed is not all of it: make room, or print to another place, and repeat the command',
  },
  VFRING_ERR_NO_MPIRUN: {
    exit: EXIT.UNAVAILABLE,
    message: 'cannot run {mpirun}: {cause}',
    remedy: 'install Open MPI (apt-get install openmpi-bin), or name it: --mpirun PATH',
  },
  VFRING_ERR_NOT_OPEN_MPI: {
    exit: EXIT.UNAVAILABLE,
    message: '{mpirun} is not the mpirun of an Open MPI from 4.1 on; it says: {says}',
    remedy: 'name the mpirun of Open MPI 4.1 or later: --mpirun PATH',
  },
  VFRING_ERR_NO_BTL: {
    exit: EXIT.UNAVAILABLE,
    message: 'the component mca_btl_vfring.so is neither in {folders}',
    remedy: 'install the BTL for this Open MPI: ./configure && make install in the source folder',
  },
  VFRING_ERR_BTL_UNLOADABLE: {
    exit: EXIT.UNAVAILABLE,
    message: 'Open MPI {version} finds the component mca_btl_vfring.so and does not load it: {cause}',
    remedy: 'build it anew for this Open MPI (./configure && make install in the source folder); ldd shows a library that is missing',
  },

  ...BENCH_ERRORS,

  // Several hosts.
  VFRING_ERR_HOSTFILE: {
    exit: EXIT.DATA,
    message: 'the hosts in {file} cannot be read: {cause}',
    remedy: 'a line a host: NAME slots=N',
  },
  VFRING_ERR_NO_HOST_LIST: {
    exit: EXIT.UNAVAILABLE,
    message: 'Slurm does not say which hosts {list} is: {cause}',
    remedy: 'see what it says: scontrol show job; or name the hosts: --host, --hosts',
  },
  VFRING_ERR_NO_LAUNCHER: {
    exit: EXIT.UNAVAILABLE,
    message: 'other hosts cannot be reached by {program}: {cause}',
    remedy: 'install it (ssh: apt-get install openssh-client), or name another agent: --mca plm_rsh_agent (Open MPI 5: plm_ssh_agent)',
  },
  VFRING_ERR_HOST_UNKNOWN: {
    exit: EXIT.DATA,
    message: 'host {host}: its name does not resolve',
    remedy: 'correct the name, or give it an address: /etc/hosts, DNS, or HostName in ~/.ssh/config (getent hosts {host} shows what is known)',
  },
  VFRING_ERR_HOST_LOGIN: {
    exit: EXIT.NO_PERMISSION,
    message: 'host {host} lets nobody in without a question: {cause}',
    remedy: 'make this work: ssh -o BatchMode=yes {host} true. A key without a passphrase or an agent (ssh-copy-id {host}), and the host in known_hosts',
  },
  VFRING_ERR_HOST_SILENT: {
    exit: EXIT.UNAVAILABLE,
    message: 'host {host} does not answer: {cause}',
    remedy: 'see whether it is on, and what {how} says: {how} {host} true; or leave it out',
  },
  VFRING_ERR_HOST_NO_VFRING: {
    exit: EXIT.UNAVAILABLE,
    message: 'host {host} has no vfring, neither in PATH nor {vfring}',
    remedy: 'install vfring there, in the same release as here',
  },
  VFRING_ERR_HOST_RELEASE: {
    exit: EXIT.UNAVAILABLE,
    message: 'host {host} has another release of vfring: {what}',
    remedy: 'install the same release on all hosts; vfring --version shows it',
  },
  VFRING_ERR_HOSTS_DIFFER: {
    exit: EXIT.UNAVAILABLE,
    message: 'the hosts cannot run one job: {what}',
    remedy: '{remedy}',
  },
  VFRING_ERR_HOST_NO_FREE_VF: {
    exit: EXIT.UNAVAILABLE,
    message: 'ranks that are to run on host {host}: {ranks}; free VFs there: {free}',
    remedy: 'wait for a job there to end (vfring audit --hosts {host}), place fewer ranks there (--host {host}:{free}), or raise vfs: in its configuration',
  },
  VFRING_ERR_TOO_MANY_RANKS: {
    exit: EXIT.UNAVAILABLE,
    message: '{ranks} ranks need a VF each, and {free} can be had{where}',
    remedy: 'start fewer ranks (-n), let ranks of one host share memory (--local sm), wait for a job to end (vfring status), or have more VFs (vfs: in the configuration; --gres in a job of Slurm)',
  },
  VFRING_ERR_TOO_MANY_RAILS: {
    exit: EXIT.UNAVAILABLE,
    message: '{ranks} ranks with {rails} VFs each need {wanted} VFs, and {free} can be had{where}',
    remedy: 'ask for fewer VFs each (--rails), start fewer ranks (-n), or wait for a job to end (vfring status)',
  },
  VFRING_ERR_RANKS_LOST: {
    exit: EXIT.OS,
    message: 'mpirun says that the run ended well, but {what}',
    remedy: 'see what mpirun and the processes said above; a run that is to outlive a process has an option of mpirun for it (--enable-recovery, --continuous, --with-ft)',
  },
  VFRING_ERR_NOT_CARRIED: {
    exit: EXIT.NOT_CARRIED,
    message: 'the run ended well, but vfring did not carry it: {what}',
    remedy: 'is the program an MPI program of this Open MPI? See why: vfring run … --mca btl_base_verbose 100',
  },
} as const satisfies Record<string, Entry>;

export type ErrorCode = keyof typeof CATALOGUE;

type Names<T extends string> = T extends `${string}{${infer Name}}${infer Rest}` ? Name | Names<Rest> : never;

/** What must be filled in for a code, e.g. `{ pf: string; bdf: string }`. */
export type ErrorParams<C extends ErrorCode> = {
  readonly [K in Names<(typeof CATALOGUE)[C]['message'] | (typeof CATALOGUE)[C]['remedy']>]: string | number;
};

/** How an error travels over the sockets. */
export interface ErrorReport {
  readonly code: string;
  readonly message: string;
  readonly remedy: string;
}

/** An error that a user can understand and mend. */
export class VfringError<C extends ErrorCode = ErrorCode> extends Error {
  override readonly name = 'VfringError';
  readonly code: C;
  readonly remedy: string;
  readonly exitStatus: number;

  constructor(code: C, params: ErrorParams<C>, options?: { cause?: unknown }) {
    super(fill(CATALOGUE[code].message, params), options);
    this.code = code;
    this.remedy = fill(CATALOGUE[code].remedy, asWords(params));
    this.exitStatus = CATALOGUE[code].exit;
  }

  report(): ErrorReport {
    return { code: this.code, message: this.message, remedy: this.remedy };
  }
}

/** A remedy has commands to be typed: what comes from outside is a word there, and no more. `{remedy}` is a whole one already. */
function asWords(params: Readonly<Record<string, string | number>>): Readonly<Record<string, string | number>> {
  return Object.fromEntries(Object.entries(params).map(([name, value]) => [name, name === 'remedy' ? value : shellWord(String(value))]));
}

function fill(text: string, params: Readonly<Record<string, string | number>>): string {
  return text.replace(/\{(\w+)\}/g, (_whole, name: string) => String(params[name]));
}

/** True for a VfringError, of the given code if one is given. */
export function isVfringError<C extends ErrorCode = ErrorCode>(error: unknown, code?: C): error is VfringError<C> {
  return error instanceof VfringError && (code === undefined || error.code === code);
}

/** Any thrown value as a VfringError; the unexpected becomes VFRING_ERR_INTERNAL. */
export function asVfringError(error: unknown): VfringError {
  if (error instanceof VfringError) {
    return error as VfringError;
  }
  return new VfringError('VFRING_ERR_INTERNAL', { cause: causeText(error) }, { cause: error });
}

/** One line that says what went wrong, for {cause}. */
export function causeText(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.replace(/\s*\n\s*/g, '; ').trim();
}

/** `code` of a system error ("ENOENT"), or undefined. */
export function errnoCode(error: unknown): string | undefined {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') {
    return error.code;
  }
  return undefined;
}

/** What a caller sent is not understood, or not to be. */
export function badRequest(what: string, remedy: string): VfringError {
  return new VfringError('VFRING_ERR_BAD_REQUEST', { what, remedy });
}

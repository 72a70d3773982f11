// SPDX-License-Identifier: BSD-3-Clause
/** What carries the messages: how each transport is asked for, and whether it can be had here. */
import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';
import type { StatusView } from '../api/views.js';
import { ReportedError } from '../api/client.js';
import { VfringError, asVfringError, causeText } from '../errors.js';
import { componentPath, type OpenMpi } from '../mpi/open-mpi.js';
import type { Result, TransportFacts } from './result.js';
import type { SoftVfs } from './soft-vfs.js';

export interface Transport extends TransportFacts {
  /** What starts the ranks of a program. */
  argv(program: readonly string[]): readonly [string, ...string[]];
  /** Beside the user's own. */
  readonly env: NodeJS.ProcessEnv;
}

export type Skipped = Result['skipped'][number];

/** The place that is measured. */
export interface BenchSite {
  readonly mpi: OpenMpi;
  /** Of Open MPI: "btl:tcp", "pml:ucx". */
  readonly components: ReadonlySet<string>;
  readonly ranks: number;
  readonly rails: number | undefined;
  /** Of mpirun: --host, --hostfile and their values; empty: this host alone. */
  readonly hostOptions: readonly string[];
  /** The ranks are on this host alone. */
  readonly alone: boolean;
  /** Of mpirun: where ranks are bound. */
  readonly placing: readonly string[];
  /** MTU by name of the interface. */
  readonly interfaces: ReadonlyMap<string, number | undefined>;
  readonly status: () => Promise<StatusView>;
  /** Folder of the programs. */
  readonly libexec: string;
  /** What runs this vfring again. */
  readonly self: readonly [string, ...string[]];
  readonly prefix: string;
  readonly env: NodeJS.ProcessEnv;
  readonly softVfs: () => SoftVfs;
}

interface Kind {
  readonly what: string;
  /** What may, or must, stand behind its name: tcp:eth0, devices:/dev/uiovf0+/dev/uiovf1. */
  readonly takes?: { readonly text: string; readonly form: RegExp; readonly always: boolean };
  readonly make: (asked: Asked) => Promise<Transport>;
}

interface Asked {
  readonly name: string;
  readonly port: string | undefined;
  readonly site: BenchSite;
}

const IFACE = { text: 'IFACE', form: /^[^\s/,]{1,15}$/, always: false } as const;
const NODES = { text: 'NODE+NODE...', form: /^\/[^\s,+]+(\+\/[^\s,+]+)*$/, always: true } as const;

const KINDS: Readonly<Record<string, Kind>> = {
  vfring: { what: "VFs that vfringd leases, soft or real ones (vfring run)", make: leased },
  softvf: { what: 'soft VFs made for the purpose, without vfringd', make: soft },
  devices: { what: 'VFs without vfringd, which the user may open: devices:/dev/uiovf0+/dev/uiovf1, nodes of uio_vf or vfio, or files of soft VFs', takes: NODES, make: devices },
  tcp: { what: "Open MPI's btl/tcp; tcp:IFACE over an interface, else over loopback (between hosts: as Open MPI chooses)", takes: IFACE, make: tcp },
  sm: { what: "Open MPI's shared memory (btl/vader, from 5.0 on btl/sm)", make: shared },
  ucx: { what: 'UCX over tcp (pml/ucx); ucx:IFACE', takes: IFACE, make: ucx },
  ofi: { what: 'libfabric over tcp (mtl/ofi); ofi:IFACE', takes: IFACE, make: ofi },
};

/** Name and description, for people. */
export const TRANSPORTS: readonly (readonly [string, string])[] = Object.entries(KINDS).map(([name, { what }]) => [name, what]);

const nameForm = (name: string, { takes }: Kind): string => (takes === undefined ? name : takes.always ? `${name}:${takes.text}` : `${name}[:${takes.text}]`);

/** "vfring,tcp:eth0" as names. Throws VFRING_ERR_USAGE. */
export function transportNames(text: string): string[] {
  const names = [...new Set(text.split(',').map((name) => name.trim()))];
  for (const name of names) {
    const [kind = '', ...port] = name.split(':');
    const known = Object.hasOwn(KINDS, kind) ? KINDS[kind] : undefined;
    const wellFormed = port.length === 0 ? known?.takes?.always !== true : known?.takes?.form.test(port.join(':')) === true;
    if (known === undefined || !wellFormed) {
      throw new VfringError('VFRING_ERR_USAGE', {
        what: `there is no transport ${name === '' ? 'without a name' : name}`, remedy: `choose among ${Object.entries(KINDS).map(([one, kind]) => nameForm(one, kind)).join(', ')}`,
      });
    }
  }
  return names;
}

/** A transport, or why it cannot be had. */
export async function findTransport(name: string, site: BenchSite): Promise<Transport | Skipped> {
  const [kind = '', port] = name.split(/:(.*)/s);
  try {
    return await (KINDS[kind] as Kind).make({ name, port, site });
  } catch (error) {
    const { code, message, remedy } = error instanceof ReportedError ? error : asVfringError(error);
    if (code === 'VFRING_ERR_INTERNAL') {
      throw error;
    }
    return { transport: name, why: message, remedy };
  }
}

export const isSkipped = (one: Transport | Skipped): one is Skipped => 'why' in one;

function missing(transport: string, cause: string, remedy: string): VfringError {
  return new VfringError('VFRING_ERR_BENCH_TRANSPORT', { transport, cause, remedy });
}

/** An mpirun that may use this and nothing else. */
function byMpirun({ name, site }: Asked, title: string, facts: TransportFacts['facts'], options: readonly string[], env: NodeJS.ProcessEnv = {}): Transport {
  return {
    name, title, facts, env,
    argv: ([program = '', ...args]) => [site.mpi.mpirun, '-n', String(site.ranks), ...site.placing, ...site.hostOptions, ...options, join(site.libexec, program), ...args],
  };
}

function needs({ name, site: { components, mpi } }: Asked, component: string, remedy: string): void {
  if (!components.has(component)) {
    throw missing(name, `this Open MPI (${mpi.version}) has no component ${component.replace(':', '/')}`, remedy);
  }
}

function needsOneHost({ name, site: { alone } }: Asked): void {
  if (!alone) {
    throw missing(name, 'it works within a host only', 'leave it out, or measure without --hosts');
  }
}

/** @returns the interface, and facts about it */
function portOf({ name, port, site: { interfaces, alone } }: Asked): { readonly iface: string | undefined; readonly facts: TransportFacts['facts'] } {
  const iface = port ?? (alone ? 'lo' : undefined);
  if (iface === undefined) {
    return { iface, facts: [['interface', 'as it chooses itself']] };
  }
  if (!interfaces.has(iface)) {
    throw missing(name, `this host has no interface ${iface}`, `choose among ${[...interfaces.keys()].join(', ')}`);
  }
  const way = iface === 'lo' ? ' (loopback)' : alone ? ' (both ends on this host: the kernel carries it, no wire)' : '';
  return { iface, facts: [['interface', `${iface}${way}`], ['MTU', String(interfaces.get(iface) ?? 'unknown')]] };
}

async function leased(asked: Asked): Promise<Transport> {
  const { name, site } = asked;
  const { ranks, rails, alone, env, prefix, mpi, self } = site;
  componentPath(mpi, prefix, env);
  const status = await site.status();
  const free = status.vfs.filter((vf) => vf.state === 'free').length - status.reserved_vfs - status.queued_vfs;
  const wanted = ranks * (rails ?? 1);
  if (alone && free < wanted && env['SLURM_JOB_ID'] === undefined) {
    throw missing(name, `${wanted} VFs are needed, and ${Math.max(0, free)} are free on this host`, 'wait for a job to end (vfring status), or start fewer ranks (-n)');
  }
  const each = (of: (vf: StatusView['vfs'][number]) => string | number | null): string => [...new Set(status.vfs.map(of))].filter((value) => value !== null).join(', ') || 'unknown';
  return {
    name, env: {},
    title: `vfring over ${status.provider === 'soft' ? 'soft VFs' : 'SR-IOV VFs'}`,
    facts: [['VFs', status.provider === 'soft' ? `soft VFs: software, no card (${each(({ model }) => model)})` : `SR-IOV VFs of ${each(({ pf }) => pf)}`],
      ['MTU', each(({ mtu }) => mtu)], ['VFs of a process', rails === undefined ? `as vfringd gives: at most ${status.rails}` : String(rails)]],
    argv: ([program = '', ...args]) => [...self, 'run', '--local', 'vf', ...(rails === undefined ? [] : ['--rails', String(rails)]), '-n', String(ranks), '--mpirun', mpi.mpirun,
      ...site.placing, ...site.hostOptions, '--', join(site.libexec, program), ...args],
  };
}

async function soft(asked: Asked): Promise<Transport> {
  needsOneHost(asked);
  const { mpi, prefix, env, softVfs, rails } = asked.site;
  if (rails !== undefined && rails > 1) {
    throw missing(asked.name, 'it gives a process one VF', 'measure several with vfringd: --transports vfring --rails N');
  }
  const path = componentPath(mpi, prefix, env);
  const { files, mtu, model } = softVfs();
  return byMpirun(asked, 'vfring over soft VFs', [['VFs', `soft VFs: software, no card (${model}), made for this`], ['MTU', String(mtu)]],
    ['--mca', 'pml', 'ob1', '--mca', 'btl', 'self,vfring', '--mca', 'btl_vfring_devices', files.join(',')], path);
}

/** Of a VF that vfringd knows nothing of; by its path, as btl/vf tells them apart. */
const driverOf = (path: string): string => (path.startsWith('/dev/uiovf') || path.startsWith('/dev/uio_vf/') ? 'uio_vf' : path.startsWith('/dev/vfio/') ? 'vfio' : 'a soft VF: software, no card');

async function devices(asked: Asked): Promise<Transport> {
  needsOneHost(asked);
  const { mpi, prefix, env, ranks, rails = 1 } = asked.site;
  if (asked.port === undefined) {
    throw missing(asked.name, 'no VF is named', 'name them: --transports devices:/dev/uiovf0+/dev/uiovf1');
  }
  const path = componentPath(mpi, prefix, env);
  const nodes = asked.port.split('+');
  if (nodes.length < ranks * rails) {
    throw missing(asked.name, `${ranks * rails} VFs are needed, and ${nodes.length} are named`, 'name more, or start fewer ranks (-n)');
  }
  for (const node of nodes) {
    try {
      accessSync(node, constants.R_OK | constants.W_OK);
    } catch (error) {
      throw missing(asked.name, causeText(error), 'name nodes of VFs that this user may open, such as an administrator gives by chown');
    }
  }
  const drivers = [...new Set(nodes.map(driverOf))].join(', ');
  return byMpirun(asked, `vfring over ${drivers === 'uio_vf' || drivers === 'vfio' ? `VFs of ${drivers}` : 'VFs'}, without vfringd`, [['VFs', nodes.map((node) => `${node} (${driverOf(node)})`).join(', ')], ['VFs of a process', String(rails)]],
    ['--mca', 'pml', 'ob1', '--mca', 'btl', 'self,vfring', '--mca', 'btl_vfring_devices', nodes.join(','), '--mca', 'btl_vfring_rails', String(rails)], path);
}

async function tcp(asked: Asked): Promise<Transport> {
  needs(asked, 'btl:tcp', 'use an Open MPI with it: ompi_info | grep btl');
  const { iface, facts } = portOf(asked);
  return byMpirun(asked, `btl/tcp over ${iface === 'lo' ? 'loopback' : (iface ?? 'the network')}`, facts,
    ['--mca', 'pml', 'ob1', '--mca', 'btl', 'self,tcp', ...(iface === undefined ? [] : ['--mca', 'btl_tcp_if_include', iface])]);
}

async function shared(asked: Asked): Promise<Transport> {
  needsOneHost(asked);
  const component = asked.site.mpi.major >= 5 ? 'sm' : 'vader';
  needs(asked, `btl:${component}`, 'use an Open MPI with it: ompi_info | grep btl');
  return byMpirun(asked, `shared memory (btl/${component})`, [], ['--mca', 'pml', 'ob1', '--mca', 'btl', `self,${component}`]);
}

async function ucx(asked: Asked): Promise<Transport> {
  needs(asked, 'pml:ucx', 'install an Open MPI that was built with UCX');
  const { iface, facts } = portOf(asked);
  // By itself Open MPI takes UCX for InfiniBand only; 4.1 and 5.0 call the parameters differently.
  const any = ['pml_ucx', 'opal_common_ucx'].flatMap((prefix) => ['--mca', `${prefix}_tls`, 'any', '--mca', `${prefix}_devices`, 'any']);
  return byMpirun(asked, 'UCX over tcp', facts, ['--mca', 'pml', 'ucx', ...any, '-x', 'UCX_TLS=tcp,self', ...(iface === undefined ? [] : ['-x', `UCX_NET_DEVICES=${iface}`])]);
}

async function ofi(asked: Asked): Promise<Transport> {
  needs(asked, 'mtl:ofi', 'install an Open MPI that was built with libfabric');
  const { iface, facts } = portOf(asked);
  return byMpirun(asked, 'libfabric over tcp', facts,
    ['--mca', 'pml', 'cm', '--mca', 'mtl', 'ofi', '--mca', 'mtl_ofi_provider_include', 'tcp', ...(iface === undefined ? [] : ['-x', `FI_TCP_IFACE=${iface}`])]);
}

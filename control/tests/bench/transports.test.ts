// SPDX-License-Identifier: BSD-3-Clause
/** How each transport is asked for, and what is said of one that is not here. */
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { StatusView } from '../../src/api/views.js';
import { VfringError } from '../../src/errors.js';
import { makeSoftVfs } from '../../src/bench/soft-vfs.js';
import { findTransport, isSkipped, transportNames, type BenchSite, type Transport } from '../../src/bench/transports.js';
import { native } from '../../src/native.js';
import { softVfTool } from '../../src/providers/soft/softvf-tool.js';
import { fakeOpenMpi } from '../helpers/fake-mpi.js';
import { tempDir } from '../helpers/temp-dir.js';

const vf = { state: 'free', model: '82576', mtu: 9000, pf: 'soft' };
const status = (more: object = {}): StatusView => ({ provider: 'soft', rails: 1, reserved_vfs: 0, queued_vfs: 0, vfs: [vf, vf, { ...vf, state: 'leased' }], ...more }) as unknown as StatusView;

function site(more: Partial<BenchSite> = {}): BenchSite {
  const { components, prefix } = fakeOpenMpi(tempDir(), '');
  return {
    mpi: { mpirun: 'mpirun', components, version: '4.1.4', major: 4 }, components: new Set(['btl:tcp', 'btl:vader', 'pml:ucx', 'mtl:ofi']), ranks: 2, rails: undefined, hostOptions: [], alone: true,
    placing: ['--bind-to', 'core'], interfaces: new Map([['lo', 65536], ['eth0', 1500]]), status: async () => status(), libexec: '/libexec', self: ['node', 'main.js'], prefix, env: {},
    softVfs: () => ({ files: ['/s/vf0', '/s/vf1'], mtu: 9000, model: '82576', remove: () => {} }), ...more,
  };
}

const argv = async (name: string, more: Partial<BenchSite> = {}): Promise<string> => {
  const found = await findTransport(name, site(more));
  expect(found).not.toHaveProperty('why');
  return (found as Transport).argv(['pingpong', '--quick']).join(' ');
};
const why = async (name: string, more: Partial<BenchSite>): Promise<string> => {
  const found = await findTransport(name, site(more));
  return isSkipped(found) ? `${found.why} | ${found.remedy}` : 'it is there';
};

test('each is the only one that messages may take', async () => {
  expect(await argv('vfring', { rails: 1 })).toBe('node main.js run --local vf --rails 1 -n 2 --mpirun mpirun --bind-to core -- /libexec/pingpong --quick');
  expect(await argv('softvf')).toBe('mpirun -n 2 --bind-to core --mca pml ob1 --mca btl self,vfring --mca btl_vfring_devices /s/vf0,/s/vf1 /libexec/pingpong --quick');
  expect(await argv('tcp')).toContain('--mca pml ob1 --mca btl self,tcp --mca btl_tcp_if_include lo /libexec/pingpong');
  expect(await argv('tcp:eth0')).toContain('btl_tcp_if_include eth0');
  expect(await argv('sm')).toContain('--mca btl self,vader');
  expect(await argv('ucx:eth0')).toContain('--mca pml ucx --mca pml_ucx_tls any');
  expect(await argv('ucx:eth0')).toContain('-x UCX_TLS=tcp,self -x UCX_NET_DEVICES=eth0');
  expect(await argv('ofi')).toContain('--mca pml cm --mca mtl ofi --mca mtl_ofi_provider_include tcp');
});

test('shared memory has another name from Open MPI 5 on', async () => {
  expect(await argv('sm', { mpi: { mpirun: 'mpirun', components: '/c', version: '5.0.7', major: 5 }, components: new Set(['btl:sm']) })).toContain('self,sm');
});

test('hosts go on to the launcher, and loopback is none between them', async () => {
  const hosts = { alone: false, hostOptions: ['--host', 'a:1,b:1'] };
  expect(await argv('vfring', hosts)).toContain('--host a:1,b:1 -- /libexec/pingpong');
  expect(await argv('tcp', hosts)).toBe('mpirun -n 2 --bind-to core --host a:1,b:1 --mca pml ob1 --mca btl self,tcp /libexec/pingpong --quick');
  expect(await why('sm', hosts)).toMatch(/within a host only/);
  expect(await why('softvf', hosts)).toMatch(/within a host only/);
});

test('facts tell what is under it: soft VFs are called software', async () => {
  const facts = async (name: string, more: Partial<BenchSite> = {}): Promise<object> => Object.fromEntries((await findTransport(name, site(more)) as Transport).facts);
  expect(await facts('vfring')).toEqual({ VFs: 'soft VFs: software, no card (82576)', MTU: '9000', 'VFs of a process': 'as vfringd gives: at most 1' });
  expect(await facts('tcp:eth0')).toEqual({ interface: 'eth0 (both ends on this host: the kernel carries it, no wire)', MTU: '1500' });
});

describe('one that cannot be had', () => {
  test.each<[string, Partial<BenchSite>, RegExp]>([
    ['tcp', { components: new Set() }, /^tcp cannot be measured: this Open MPI \(4\.1\.4\) has no component btl\/tcp \| use an Open MPI with it/],
    ['ucx', { components: new Set() }, /pml\/ucx \| install an Open MPI that was built with UCX/],
    ['tcp:eth7', {}, /no interface eth7 \| choose among lo, eth0/],
    ['vfring', { ranks: 3 }, /3 VFs are needed, and 2 are free on this host \| wait for a job to end/],
    ['vfring', { rails: 2 }, /4 VFs are needed/],
    ['vfring', { status: () => Promise.reject(new VfringError('VFRING_ERR_NO_DAEMON', { socket: '/s', cause: 'no' })) }, /cannot be reached.*\| start it/],
    ['softvf', { rails: 2 }, /one VF \| .*--rails N/],
  ])('%s: says why, and what to do', async (name, more, expected) => expect(await why(name, more)).toMatch(expected));

  test('a defect is none of these', async () => {
    await expect(findTransport('vfring', site({ status: () => Promise.reject(new TypeError('x')) }))).rejects.toThrow('x');
  });
});

describe('VFs without vfringd', () => {
  const nodes = (...names: string[]): string => {
    const dir = tempDir();
    names.forEach((name) => writeFileSync(join(dir, name), ''));
    return `devices:${['a', 'b'].map((name) => join(dir, name)).join('+')}`;
  };

  test('are named in a row, a VF a process', async () => {
    const name = nodes('a', 'b');
    expect(await argv(name)).toBe(`mpirun -n 2 --bind-to core --mca pml ob1 --mca btl self,vfring --mca btl_vfring_devices ${name.slice('devices:'.length).replace('+', ',')} --mca btl_vfring_rails 1 /libexec/pingpong --quick`);
    expect((await findTransport(name, site()) as Transport).facts[0]).toEqual(['VFs', expect.stringMatching(/\/a \(a soft VF: software, no card\), .*\/b \(/) as string]);
  });

  test('that are not there, or too few, are missing', async () => {
    expect(await why(nodes('a'), {})).toMatch(/cannot be measured: .*ENOENT.* \| name nodes of VFs that this user may open/);
    expect(await why(nodes('a', 'b'), { rails: 2 })).toMatch(/4 VFs are needed, and 2 are named/);
    expect(await why(nodes('a', 'b'), { alone: false })).toMatch(/within a host only/);
  });
});

test('names that are none are refused with those that are', () => {
  expect(transportNames('vfring, tcp:eth0,vfring')).toEqual(['vfring', 'tcp:eth0']);
  expect(transportNames('devices:/dev/uiovf0+/dev/uiovf1,devices:/dev/vfio/7+/dev/vfio/8')).toEqual(['devices:/dev/uiovf0+/dev/uiovf1', 'devices:/dev/vfio/7+/dev/vfio/8']);
  for (const name of ['rdma', '', 'sm:eth0', 'tcp:', 'tcp:a/b', 'vfring,', 'constructor', 'devices', 'devices:', 'devices:vf0', 'devices:/a+', 'softvf:/a']) {
    expect(() => transportNames(name)).toThrow(expect.objectContaining({ code: 'VFRING_ERR_USAGE', remedy: expect.stringContaining('vfring, softvf, devices:NODE+NODE..., tcp[:IFACE], sm') as string }) as Error);
  }
});

test('soft VFs of its own are gone afterwards, and so are those of a run that was killed', () => {
  const parent = tempDir();
  const gone = join(parent, 'vfring-bench-4194304-abc'); // above any process id
  const alive = join(parent, `vfring-bench-${process.ppid}-abc`);
  [gone, alive].forEach((dir) => mkdirSync(dir));
  const made = makeSoftVfs(softVfTool(native()), 2, parent);
  expect(made.files.length).toBe(2);
  expect(readdirSync(parent)).not.toContain('vfring-bench-4194304-abc');
  made.remove();
  expect(readdirSync(parent)).toEqual([`vfring-bench-${process.ppid}-abc`]);
});

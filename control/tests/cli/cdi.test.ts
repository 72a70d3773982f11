// SPDX-License-Identifier: BSD-3-Clause
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ApiClient } from '../../src/api/client.js';
import { cdiSpec, writeCdi } from '../../src/cli/cdi.js';
import { fakeStatus as status, fakeVf as vf } from '../helpers/fake-views.js';

const real = { ...status([vf('b', 'ens1', { device: '/dev/uiovf1' }), vf('a', 'ens1', { device: '/dev/uiovf0' })]), provider: 'sriov' as const };

describe('the CDI specification', () => {
  test('gives a container the nodes of all VFs, and the folder of the sockets to read', () => {
    const spec = cdiSpec(real, '/srv/vfring');
    expect(spec.kind).toBe('vfring/vf');
    expect(spec.devices).toEqual([{ name: 'all', containerEdits: { deviceNodes: [{ path: '/dev/uiovf0' }, { path: '/dev/uiovf1' }] } }]);
    expect(spec.containerEdits).toEqual({
      mounts: [{ hostPath: '/srv/vfring', containerPath: '/run/vfring', options: ['rbind', 'ro', 'nosuid', 'nodev', 'noexec'] }],
    });
  });

  test('leaves out the nodes of VFIO, which come as descriptors', () => {
    const mixed = { ...status([vf('a', 'ens1', { device: '/dev/uiovf0' }), vf('b', 'ens2', { device: '/dev/vfio/42' })]), provider: 'sriov' as const };
    expect(cdiSpec(mixed, '/run/vfring').devices[0]?.containerEdits).toEqual({ deviceNodes: [{ path: '/dev/uiovf0' }] });
  });

  test('gives it the folder of soft VFs once, to write', () => {
    const soft = { ...status([vf('vf0', 'soft', { device: '/s/vf0' }), vf('vf1', 'soft', { device: '/s/vf1' })]), provider: 'soft' as const };
    expect(cdiSpec(soft, '/run/vfring').devices[0]?.containerEdits).toEqual({
      mounts: [{ hostPath: '/s', containerPath: '/s', options: ['rbind', 'rw', 'nosuid'] }],
    });
  });
});

describe('vfring cdi --output', () => {
  const api = { status: () => Promise.resolve(real) } as unknown as ApiClient;
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'cdi-'));
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  test('replaces the file as a whole, readable for all', async () => {
    const file = join(dir, 'cdi', 'vfring.json');
    await writeCdi(api, '/run/vfring', file);
    await writeCdi(api, '/run/vfring', file);
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual(cdiSpec(real, '/run/vfring'));
    expect(statSync(file).mode & 0o777).toBe(0o644);
    expect(readdirSync(join(dir, 'cdi'))).toEqual(['vfring.json']);
  });

  test('says what is in the way', async () => {
    writeFileSync(join(dir, 'file'), '');
    await expect(writeCdi(api, '/run/vfring', join(dir, 'file', 'vfring.json'))).rejects.toMatchObject({ code: 'VFRING_ERR_CDI' });
  });
});

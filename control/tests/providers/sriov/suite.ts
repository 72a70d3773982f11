// SPDX-License-Identifier: BSD-3-Clause
/**
 * What provisioning makes of PFs and VFs, asked of a played machine (sriov.test.ts) and of
 * the emulated one (../../lab/main.ts), whose kernel and PF driver are real.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'vitest';
import type { SriovConfig } from '../../../src/config/schema.js';
import type { ErrorCode, VfringError } from '../../../src/errors.js';
import type { Around } from '../../../src/providers/provider.js';
import { vfMac } from '../../../src/providers/sriov/mac.js';
import { assertHas } from '../../helpers/assert-has.js';
import { config } from '../../helpers/config.js';
import { eventually } from '../../helpers/eventually.js';
import { tempDir } from '../../helpers/temp-dir.js';
import type { MakeMachine, PfName, SriovMachine } from '../harness.js';

export const NONE: Around = { leased: new Set() };
const MTU = 9000;
const PREFIX = '02';

/** The error with that code with which the work was refused. */
export async function refusal(work: Promise<unknown>, code: ErrorCode): Promise<VfringError> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown as VfringError,
  );
  assert.equal(error?.code, code);
  return error as VfringError;
}

const sriov = (pf: string): SriovConfig => config(`version: 1\nprovider: {sriov: {pf: [${pf}]}}`).provider.sriov ?? { pf: [] };

/** @param halfWayVfs VFs of the machines that fail half-way: each step of theirs is tried, and costs a machine */
export function sriovSuite(kind: string, make: MakeMachine, halfWayVfs = 1): void {
  const entry = ({ name }: PfName, vfs: number, more = ''): SriovConfig => sriov(`{name: ${name}, vfs: ${vfs}, mtu: ${MTU}${more}}`);

  describe(`provisioning, ${kind}`, () => {
    test('the PF comes up before its VFs are made, and the kernel does not bind them', async () => {
      const machine = await make(tempDir(), true);
      const [pf] = machine.pfs;
      const [vf0, vf1] = [machine.vfBdf(pf, 0), machine.vfBdf(pf, 1)];
      await machine.of(entry(pf, 2)).provision(NONE);
      const dir = `bus/pci/devices/${pf.bdf}`;
      assert.deepEqual(machine.log(), [
        `ip link set dev ${pf.name} mtu ${MTU}`,
        `ip link set dev ${pf.name} up`,
        `echo 0 > ${dir}/sriov_drivers_autoprobe`,
        `echo 2 > ${dir}/sriov_numvfs`,
        `ip link set dev ${pf.name} vf 0 mac ${vfMac(PREFIX, pf.mac, 0)}`,
        `echo uio_vf > bus/pci/devices/${vf0}/driver_override`,
        `echo ${vf0} > bus/pci/drivers_probe`,
        `ip link set dev ${pf.name} vf 1 mac ${vfMac(PREFIX, pf.mac, 1)}`,
        `echo uio_vf > bus/pci/devices/${vf1}/driver_override`,
        `echo ${vf1} > bus/pci/drivers_probe`,
      ]);
      const shown = await machine.show(pf);
      const as = { spoofchk: true, trust: false, vlan: 0, max_tx_rate: 0, driver: 'uio_vf' };
      assertHas(shown, { mtu: MTU, up: true, autoprobe: false });
      assert.deepEqual(shown.vfs, [0, 1].map((i) => ({ ...as, mac: vfMac(PREFIX, pf.mac, i) })));
    });

    test('the plan for VFs that do not exist yet names those that are made then', async () => {
      const machine = await make(tempDir());
      const [pf] = machine.pfs;
      const provider = machine.of(entry(pf, 7));
      const plan = (await provider.plan()).map((step) => step.what);
      const vfs = await provider.provision(NONE);
      for (const vf of vfs) {
        assert.ok(plan.includes(`echo ${vf.name} > /sys/bus/pci/drivers_probe`), plan.join('\n'));
      }
      assert.ok(plan.includes(`ip link set dev ${pf.name} vf 6 mac ${vfMac(PREFIX, pf.mac, 6)}`), plan.join('\n'));
    });

    test('a PF can be named by its bdf', async () => {
      const machine = await make(tempDir());
      const [pf] = machine.pfs;
      const [vf] = await machine.of(sriov(`{bdf: "${pf.bdf}", vfs: 1}`)).provision(NONE);
      assertHas(vf, { pf: pf.name, name: machine.vfBdf(pf, 0) });
    });

    test('spoof check and trust are put right', async () => {
      const machine = await make(tempDir());
      const [pf] = machine.pfs;
      const provider = machine.of(entry(pf, 1));
      await provider.provision(NONE);
      await machine.setVf(pf, 0, 'spoofchk', 'off');
      await machine.setVf(pf, 0, 'trust', 'on');
      assert.deepEqual((await provider.plan()).map((step) => step.what), [
        `ip link set dev ${pf.name} vf 0 spoofchk on`,
        `ip link set dev ${pf.name} vf 0 trust off`,
      ]);
      await provider.provision(NONE);
      assertHas((await machine.show(pf)).vfs[0], { spoofchk: true, trust: false });
    });

    test('VLAN and rate cap are set, kept, changed and taken away again', async () => {
      const machine = await make(tempDir());
      const [pf] = machine.pfs;
      const capped = machine.of(entry(pf, 1, ', vlan: 42, max_tx_mbit: 500'));
      await capped.provision(NONE);
      assertHas((await machine.show(pf)).vfs[0], { vlan: 42, max_tx_rate: 500 });
      assert.deepEqual(await capped.plan(), []);
      await machine.of(entry(pf, 1)).provision(NONE);
      assertHas((await machine.show(pf)).vfs[0], { vlan: 0, max_tx_rate: 0 });
    });

    test('a VF of another driver is unbound first, one that a virtual machine holds never', async () => {
      const machine = await make(tempDir());
      const [pf] = machine.pfs;
      const vf0 = machine.vfBdf(pf, 0);
      const provider = machine.of(entry(pf, 1));
      await provider.provision(NONE);
      await machine.bind(vf0, 'igbvf');
      await provider.provision(NONE);
      assert.ok(machine.log().includes(`echo ${vf0} > bus/pci/devices/${vf0}/driver/unbind`), machine.log().join('\n'));
      assert.deepEqual(await provider.plan(), []);
      await machine.bind(vf0, 'vfio-pci');
      const error = await refusal(provider.provision(NONE), 'VFRING_ERR_VF_FOREIGN_DRIVER');
      assert.ok(error.message.includes('vfio-pci'), error.message);
      assert.equal((await machine.show(pf)).vfs[0]?.driver, 'vfio-pci');
    });

    test('the number of VFs changes by way of 0, and never under a user', async () => {
      const machine = await make(tempDir());
      const [pf] = machine.pfs;
      const [vf, leased] = await machine.of(entry(pf, 2)).provision(NONE);
      const more = machine.of(entry(pf, 3));
      await refusal(more.provision({ leased: new Set([leased?.name ?? '']) }), 'VFRING_ERR_VFS_IN_USE');
      await machine.setOpen(vf ?? none(), true);
      const error = await refusal(more.provision(NONE), 'VFRING_ERR_VFS_IN_USE');
      assert.ok(error.message.includes((vf ?? none()).name), error.message);
      await machine.setOpen(vf ?? none(), false);
      assert.equal((await more.provision(NONE)).length, 3);
      const numbers = machine.log().filter((change) => change.endsWith('sriov_numvfs')).map((change) => change.split(' ')[1]);
      assert.deepEqual(numbers, ['2', '0', '3']);
    });

    test('VFs that somebody took away come back, with the same MACs', async () => {
      const machine = await make(tempDir());
      const [pf] = machine.pfs;
      const provider = machine.of(entry(pf, 2));
      const vfs = await provider.provision(NONE);
      await machine.setNumVfs(pf, 0);
      assert.equal((await provider.health(vfs[0] ?? none())).device, 'gone');
      const again = await provider.provision(NONE);
      assert.deepEqual(again.map(({ name, mac }) => ({ name, mac })), vfs.map(({ name, mac }) => ({ name, mac })));
      assert.deepEqual((await machine.show(pf)).vfs.map(({ mac }) => mac), vfs.map(({ mac }) => mac));
    });
  });

  describe(`what provisioning refuses before it changes anything, ${kind}`, () => {
    const refused = async (of: (machine: SriovMachine) => SriovConfig, code: ErrorCode): Promise<[VfringError, SriovMachine]> => {
      const machine = await make(tempDir());
      const error = await refusal(machine.of(of(machine)).provision(NONE), code);
      assert.deepEqual(machine.log(), []);
      return [error, machine];
    };

    test('an unknown PF; the error names those there are', async () => {
      const [error, machine] = await refused(() => sriov('{name: ens9, vfs: 1}'), 'VFRING_ERR_PF_UNKNOWN');
      assert.ok(error.message.includes(machine.pfs.map(({ name }) => name).join(', ')), error.message);
    });

    test('more VFs than the PF can make, also of the second PF; the error names the most', async () => {
      const [error] = await refused(({ pfs: [a, b] }) => sriov(`{name: ${a.name}, vfs: 1}, {name: ${b.name}, vfs: 8}`), 'VFRING_ERR_TOO_MANY_VFS');
      assert.ok(error.remedy.includes('vfs: 7'), error.remedy);
    });
  });

  describe(`VFs at run time, ${kind}`, () => {
    test('grant sets the memory limit of the device; an open VF is not granted, and stays the daemon\'s', async () => {
      const machine = await make(tempDir());
      const [pf] = machine.pfs;
      const provider = machine.of(entry(pf, 1));
      const vf = (await provider.provision(NONE))[0] ?? none();
      await provider.grant(vf, 1000, 67_108_864);
      assert.equal(await machine.dmaLimit(vf.name), 67_108_864);
      await provider.takeBack(vf, true);
      await machine.setOpen(vf, true);
      const error = await refusal(provider.grant(vf, 1000, 4096), 'VFRING_ERR_VF_UNHEALTHY');
      assert.ok(error.message.includes('open'), error.message);
      assert.equal((await machine.ownerOf(vf)).uid, 0);
      await machine.setOpen(vf, false);
    });

    test('a VF that is unbound and bound again under its user is told as it is now: at another node, which can be granted', async () => {
      const machine = await make(tempDir());
      const [pf] = machine.pfs;
      const provider = machine.of(entry(pf, 2));
      const [vf = none(), other = none()] = await provider.provision(NONE);
      await provider.grant(vf, 4242, 1 << 20);
      await machine.setOpen(vf, true); // So that its number is not free for the next node.
      assert.equal(await provider.rebound?.(vf), undefined);
      await machine.bind(vf.name, 'igbvf');
      assert.equal(await provider.rebound?.(vf), undefined);
      assert.equal((await provider.health(vf)).device, 'gone');

      await machine.bind(vf.name, 'uio_vf');
      const now = (await provider.rebound?.(vf)) ?? none();
      assert.deepEqual({ ...now, device: '' }, { ...vf, device: '' });
      assert.notEqual(now.device, vf.device);
      assert.deepEqual(await machine.ownerOf(now), { uid: 0, mode: 0o600 });
      await provider.grant(now, 4242, 3 << 20);
      assert.deepEqual(await machine.ownerOf(now), { uid: 4242, mode: 0o600 });
      assert.equal(await machine.dmaLimit(vf.name), 3 << 20);
      assert.equal(await provider.rebound?.(other), undefined);
      await machine.setOpen(vf, false);
      assert.equal(await provider.takeBack(now, true), 'free');
    });

    test('a VF that is bound again and not as it is configured is nobody\'s to be given', async () => {
      const machine = await make(tempDir());
      const [pf] = machine.pfs;
      const provider = machine.of(entry(pf, 1));
      const [vf = none()] = await provider.provision(NONE);
      await provider.grant(vf, 4242, 1 << 20);
      await machine.setOpen(vf, true);
      await machine.bind(vf.name, 'igbvf');
      await machine.bind(vf.name, 'uio_vf');
      await machine.setVf(pf, 0, 'spoofchk', 'off');
      assert.match((await refusal((async () => provider.rebound?.(vf))(), 'VFRING_ERR_VF_UNHEALTHY')).message, /spoofchk/);
      await machine.setVf(pf, 0, 'spoofchk', 'on');
      assert.notEqual((await provider.rebound?.(vf))?.device, undefined);
      await machine.setOpen(vf, false);
    });

    test('the node of a VF under lease that is somebody else\'s is its user\'s again, with its limit', async () => {
      const machine = await make(tempDir());
      const [pf] = machine.pfs;
      const provider = machine.of(entry(pf, 1));
      const [vf = none()] = await provider.provision(NONE);
      await provider.grant(vf, 4242, 1 << 20);
      assert.equal(await provider.keepOwner(vf, 4242, 2 << 20), undefined);
      assert.equal(await machine.dmaLimit(vf.name), 1 << 20);
      await machine.chmod(vf, 0, 0o600);
      assert.deepEqual(await provider.keepOwner(vf, 4242, 2 << 20), { uid: 0, mode: 0o600 });
      assert.deepEqual(await machine.ownerOf(vf), { uid: 4242, mode: 0o600 });
      assert.equal(await machine.dmaLimit(vf.name), 2 << 20);
    });

    test('a VF follows the link of its PF', async () => {
      const machine = await make(tempDir());
      const [pf] = machine.pfs;
      const provider = machine.of(entry(pf, 1));
      const vf = (await provider.provision(NONE))[0] ?? none();
      // New VFs reset some cards, and their link comes back a moment later.
      await eventually(async () => (await provider.health(vf)).linkDown === undefined);
      await machine.setLink(pf, false);
      assert.notEqual((await provider.health(vf)).linkDown, undefined);
    });
  });

  describe(`a plan through VFs in use, ${kind}`, () => {
    test('names those that each step takes away, none that it leaves alone, and is carried out when that is asked for', async () => {
      const machine = await make(tempDir());
      const [pf, other] = machine.pfs;
      const provider = machine.of(entry(pf, 2));
      const vf0 = (await provider.provision(NONE))[0] ?? none();
      const around = { leased: new Set([vf0.name]), force: true };
      assert.deepEqual(await provider.plan(around), []);
      const disturbed = async (next: SriovConfig): Promise<string[]> =>
        [...new Set((await machine.of(next).plan(around)).flatMap((step) => step.disturbs ?? []))];
      assert.deepEqual(await disturbed(entry(pf, 3)), [vf0.name]);
      assert.deepEqual(await disturbed(sriov(`{name: ${pf.name}, vfs: 2, mtu: 9216}`)), [vf0.name]);
      assert.deepEqual(await disturbed(entry(pf, 2, ', vlan: 7')), [vf0.name]);
      assert.deepEqual(await disturbed(entry(other, 2)), [vf0.name]);
      const more = machine.of(entry(pf, 3));
      await refusal(more.provision({ leased: around.leased }), 'VFRING_ERR_VFS_IN_USE');
      assert.equal((await more.provision(around)).length, 3);
    });
  });

  describe(`provisioning that fails or dies half-way, ${kind}`, () => {
    async function steps(cold: boolean): Promise<number> {
      const machine = await make(tempDir(), cold);
      await machine.of(entry(machine.pfs[0], halfWayVfs)).provision(NONE);
      return machine.log().length;
    }

    test('a step that fails: all steps before it are undone', async () => {
      const count = await steps(true);
      for (let bad = 1; bad <= count; bad++) {
        const machine = await make(tempDir(), true);
        const [pf] = machine.pfs;
        const before = await machine.show(pf);
        let left = bad;
        machine.setFuse(() => {
          if (--left === 0) {
            throw Object.assign(new Error('EIO: not today'), { code: 'EIO' });
          }
        });
        await assert.rejects(machine.of(entry(pf, halfWayVfs)).provision(NONE));
        assert.deepEqual(await machine.show(pf), before);
      }
    });

    test('a daemon that dies before any step: the next one makes it whole', async () => {
      // How many steps there are depends on what the one before left: until one is not met by its death.
      let last = 0;
      for (let died = true; died; last++) {
        died = false;
        const machine = await make(tempDir());
        const [pf] = machine.pfs;
        let left = last;
        machine.setFuse(() => {
          // Undoing is not for the dead either.
          if (left-- <= 0) {
            died = true;
            throw new Error('dead');
          }
        });
        const ended = await machine.of(entry(pf, halfWayVfs)).provision(NONE).then(() => 'well', () => 'dead');
        assert.equal(ended, died ? 'dead' : 'well');
        machine.setFuse(() => {});
        const next = machine.of(entry(pf, halfWayVfs));
        assert.deepEqual((await next.provision(NONE)).map(({ name, mac }) => ({ name, mac })),
          Array.from({ length: halfWayVfs }, (_, i) => ({ name: machine.vfBdf(pf, i), mac: vfMac(PREFIX, pf.mac, i) })));
        assert.deepEqual(await next.plan(), []);
        assertHas(await machine.show(pf), { up: true, mtu: MTU });
      }
      assert.ok(last > 5);
    });
  });
}

function none(): never {
  throw new Error('no VF');
}

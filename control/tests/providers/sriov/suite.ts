// SPDX-License-Identifier: BSD-3-Clause
/**
 * What provisioning makes of PFs and VFs, asked of a played machine (sriov.test.ts) and of
 * the emulated one (../../lab/main.ts), whose kernel and PF driver are real.
 */
import { describe, expect, test } from 'vitest';
import type { SriovConfig } from '../../../src/config/schema.js';
import type { ErrorCode, VfringError } from '../../../src/errors.js';
import type { Around } from '../../../src/providers/provider.js';
import { vfMac } from '../../../src/providers/sriov/mac.js';
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
  expect(error?.code).toBe(code);
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
      expect(machine.log()).toEqual([
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
      expect(shown).toMatchObject({ mtu: MTU, up: true, autoprobe: false });
      expect(shown.vfs).toEqual([0, 1].map((i) => ({ ...as, mac: vfMac(PREFIX, pf.mac, i) })));
    });

    test('the plan for VFs that do not exist yet names those that are made then', async () => {
      const machine = await make(tempDir());
      const [pf] = machine.pfs;
      const provider = machine.of(entry(pf, 7));
      const plan = (await provider.plan()).map((step) => step.what);
      const vfs = await provider.provision(NONE);
      for (const vf of vfs) {
        expect(plan).toContain(`echo ${vf.name} > /sys/bus/pci/drivers_probe`);
      }
      expect(plan).toContain(`ip link set dev ${pf.name} vf 6 mac ${vfMac(PREFIX, pf.mac, 6)}`);
    });

    test('a PF can be named by its bdf', async () => {
      const machine = await make(tempDir());
      const [pf] = machine.pfs;
      const [vf] = await machine.of(sriov(`{bdf: "${pf.bdf}", vfs: 1}`)).provision(NONE);
      expect(vf).toMatchObject({ pf: pf.name, name: machine.vfBdf(pf, 0) });
    });

    test('spoof check and trust are put right', async () => {
      const machine = await make(tempDir());
      const [pf] = machine.pfs;
      const provider = machine.of(entry(pf, 1));
      await provider.provision(NONE);
      await machine.setVf(pf, 0, 'spoofchk', 'off');
      await machine.setVf(pf, 0, 'trust', 'on');
      expect((await provider.plan()).map((step) => step.what)).toEqual([
        `ip link set dev ${pf.name} vf 0 spoofchk on`,
        `ip link set dev ${pf.name} vf 0 trust off`,
      ]);
      await provider.provision(NONE);
      expect((await machine.show(pf)).vfs[0]).toMatchObject({ spoofchk: true, trust: false });
    });

    test('VLAN and rate cap are set, kept, changed and taken away again', async () => {
      const machine = await make(tempDir());
      const [pf] = machine.pfs;
      const capped = machine.of(entry(pf, 1, ', vlan: 42, max_tx_mbit: 500'));
      await capped.provision(NONE);
      expect((await machine.show(pf)).vfs[0]).toMatchObject({ vlan: 42, max_tx_rate: 500 });
      expect(await capped.plan()).toEqual([]);
      await machine.of(entry(pf, 1)).provision(NONE);
      expect((await machine.show(pf)).vfs[0]).toMatchObject({ vlan: 0, max_tx_rate: 0 });
    });

    test('a VF of another driver is unbound first, one that a virtual machine holds never', async () => {
      const machine = await make(tempDir());
      const [pf] = machine.pfs;
      const vf0 = machine.vfBdf(pf, 0);
      const provider = machine.of(entry(pf, 1));
      await provider.provision(NONE);
      await machine.bind(vf0, 'igbvf');
      await provider.provision(NONE);
      expect(machine.log()).toContain(`echo ${vf0} > bus/pci/devices/${vf0}/driver/unbind`);
      expect(await provider.plan()).toEqual([]);
      await machine.bind(vf0, 'vfio-pci');
      const error = await refusal(provider.provision(NONE), 'VFRING_ERR_VF_FOREIGN_DRIVER');
      expect(error.message).toContain('vfio-pci');
      expect((await machine.show(pf)).vfs[0]?.driver).toBe('vfio-pci');
    });

    test('the number of VFs changes by way of 0, and never under a user', async () => {
      const machine = await make(tempDir());
      const [pf] = machine.pfs;
      const [vf, leased] = await machine.of(entry(pf, 2)).provision(NONE);
      const more = machine.of(entry(pf, 3));
      await refusal(more.provision({ leased: new Set([leased?.name ?? '']) }), 'VFRING_ERR_VFS_IN_USE');
      await machine.setOpen(vf ?? none(), true);
      const error = await refusal(more.provision(NONE), 'VFRING_ERR_VFS_IN_USE');
      expect(error.message).toContain(vf?.name);
      await machine.setOpen(vf ?? none(), false);
      expect(await more.provision(NONE)).toHaveLength(3);
      const numbers = machine.log().filter((change) => change.endsWith('sriov_numvfs')).map((change) => change.split(' ')[1]);
      expect(numbers).toEqual(['2', '0', '3']);
    });

    test('VFs that somebody took away come back, with the same MACs', async () => {
      const machine = await make(tempDir());
      const [pf] = machine.pfs;
      const provider = machine.of(entry(pf, 2));
      const vfs = await provider.provision(NONE);
      await machine.setNumVfs(pf, 0);
      expect((await provider.health(vfs[0] ?? none())).device).toBe('gone');
      const again = await provider.provision(NONE);
      expect(again.map(({ name, mac }) => ({ name, mac }))).toEqual(vfs.map(({ name, mac }) => ({ name, mac })));
      expect((await machine.show(pf)).vfs.map(({ mac }) => mac)).toEqual(vfs.map(({ mac }) => mac));
    });
  });

  describe(`what provisioning refuses before it changes anything, ${kind}`, () => {
    const refused = async (of: (machine: SriovMachine) => SriovConfig, code: ErrorCode): Promise<[VfringError, SriovMachine]> => {
      const machine = await make(tempDir());
      const error = await refusal(machine.of(of(machine)).provision(NONE), code);
      expect(machine.log()).toEqual([]);
      return [error, machine];
    };

    test('an unknown PF; the error names those there are', async () => {
      const [error, machine] = await refused(() => sriov('{name: ens9, vfs: 1}'), 'VFRING_ERR_PF_UNKNOWN');
      expect(error.message).toContain(machine.pfs.map(({ name }) => name).join(', '));
    });

    test('more VFs than the PF can make, also of the second PF; the error names the most', async () => {
      const [error] = await refused(({ pfs: [a, b] }) => sriov(`{name: ${a.name}, vfs: 1}, {name: ${b.name}, vfs: 8}`), 'VFRING_ERR_TOO_MANY_VFS');
      expect(error.remedy).toContain('vfs: 7');
    });
  });

  describe(`VFs at run time, ${kind}`, () => {
    test('grant sets the memory limit of the device; an open VF is not granted, and stays the daemon\'s', async () => {
      const machine = await make(tempDir());
      const [pf] = machine.pfs;
      const provider = machine.of(entry(pf, 1));
      const vf = (await provider.provision(NONE))[0] ?? none();
      await provider.grant(vf, 1000, 67_108_864);
      expect(await machine.dmaLimit(vf.name)).toBe(67_108_864);
      await provider.takeBack(vf, true);
      await machine.setOpen(vf, true);
      const error = await refusal(provider.grant(vf, 1000, 4096), 'VFRING_ERR_VF_UNHEALTHY');
      expect(error.message).toContain('open');
      expect((await machine.ownerOf(vf)).uid).toBe(0);
      await machine.setOpen(vf, false);
    });

    test('a VF follows the link of its PF', async () => {
      const machine = await make(tempDir());
      const [pf] = machine.pfs;
      const provider = machine.of(entry(pf, 1));
      const vf = (await provider.provision(NONE))[0] ?? none();
      // New VFs reset some cards, and their link comes back a moment later.
      await eventually(async () => (await provider.health(vf)).linkDown === undefined);
      await machine.setLink(pf, false);
      expect((await provider.health(vf)).linkDown).toBeDefined();
    });
  });

  describe(`a plan through VFs in use, ${kind}`, () => {
    test('names those that each step takes away, none that it leaves alone, and is carried out when that is asked for', async () => {
      const machine = await make(tempDir());
      const [pf, other] = machine.pfs;
      const provider = machine.of(entry(pf, 2));
      const vf0 = (await provider.provision(NONE))[0] ?? none();
      const around = { leased: new Set([vf0.name]), force: true };
      expect(await provider.plan(around)).toEqual([]);
      const disturbed = async (next: SriovConfig): Promise<string[]> =>
        [...new Set((await machine.of(next).plan(around)).flatMap((step) => step.disturbs ?? []))];
      expect(await disturbed(entry(pf, 3))).toEqual([vf0.name]);
      expect(await disturbed(sriov(`{name: ${pf.name}, vfs: 2, mtu: 9216}`))).toEqual([vf0.name]);
      expect(await disturbed(entry(pf, 2, ', vlan: 7'))).toEqual([vf0.name]);
      expect(await disturbed(entry(other, 2))).toEqual([vf0.name]);
      const more = machine.of(entry(pf, 3));
      await refusal(more.provision({ leased: around.leased }), 'VFRING_ERR_VFS_IN_USE');
      expect(await more.provision(around)).toHaveLength(3);
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
        await expect(machine.of(entry(pf, halfWayVfs)).provision(NONE)).rejects.toThrow();
        expect(await machine.show(pf)).toEqual(before);
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
        expect(ended).toBe(died ? 'dead' : 'well');
        machine.setFuse(() => {});
        const next = machine.of(entry(pf, halfWayVfs));
        expect((await next.provision(NONE)).map(({ name, mac }) => ({ name, mac }))).toEqual(
          Array.from({ length: halfWayVfs }, (_, i) => ({ name: machine.vfBdf(pf, i), mac: vfMac(PREFIX, pf.mac, i) })));
        expect(await next.plan()).toEqual([]);
        expect(await machine.show(pf)).toMatchObject({ up: true, mtu: MTU });
      }
      expect(last).toBeGreaterThan(5);
    });
  });
}

function none(): never {
  throw new Error('no VF');
}

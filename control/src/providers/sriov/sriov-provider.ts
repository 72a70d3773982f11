// SPDX-License-Identifier: BSD-3-Clause
/** Real VFs: made by their PF, and bound to uio_vf, whose nodes are handed over by chown, or to vfio-pci, which the daemon opens for a process. */
import os from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { PfConfig, SriovConfig } from '../../config/schema.js';
import { VfringError, causeText, isVfringError } from '../../errors.js';
import type { Vf, VfCounters } from '../../model/vf.js';
import type { Native, VfFamily } from '../../native.js';
import { isOwn, keepOwner, type NodeOps, type NodeStat } from '../node-ops.js';
import type { Around, OpenedVfs, PlannedStep, Provider, VfHealth, VfMemory } from '../provider.js';
import { apply, applyAll, undoAll, type ApplyContext } from './apply.js';
import { macOf } from './mac.js';
import { DRIVER, deviceDir, deviceState, driverOf, observePf, pfLinkDown, portOf, predictVfBdfs, vfNode, type DeviceState, type PfState, type VfNode, type VfState } from './observe.js';
import { selectPfs } from './select.js';
import { checkIsolation, describe, futureVf, isInUse, planPf, planVf, takesAll, WAIT_UDEV, withUdev, type Action, type InUse } from './plan.js';
import { VfSetup, isOfOneVf } from './vf-setup.js';
import { checkVfio, openVfs, type VfioOps } from './vfio.js';

export interface SriovContext extends ApplyContext {
  readonly ops: NodeOps;
  readonly readRegisters: Native['readRegisters'];
  readonly registers: Native['vfRegisters'];
  readonly vfio: VfioOps;
}

/** A function-level reset takes 100 ms (PCIe 6.0, 6.6.2). */
const RESET_POLL_MS = 20;

const IN_RESET = 'in reset';

const NOBODY: Around = { leased: new Set() };

/** What a function's counters stand like. */
const FAMILY: Readonly<Record<string, VfFamily>> = {
  '0x8086:0x10ca': '82576',
  '0x8086:0x1520': '82576', // I350
  '0x8086:0x10ed': '82599',
  '0x8086:0x1515': '82599', // X540
  '0x8086:0x1565': '82599', // X550
  '0x8086:0x15a8': '82599', // X550EM_x
  '0x8086:0x15c5': '82599', // X550EM_a
  '0x8086:0x57ad': '82599', // E610
};

export class SriovProvider implements Provider {
  readonly kind = 'sriov';
  /** It does not ask for the link. */
  readonly looksWhenGranting = false;
  readonly countersStandStill = false;
  readonly counterBits = 32;
  /** 32 bits of octets last 3.4 s at 10 Gb/s. */
  readonly sampleEveryMs = 1000;

  readonly #config: SriovConfig;
  readonly #context: SriovContext;
  /** VFs that could not be set up when that was last tried. */
  readonly #sick = new Set<string>();

  constructor(config: SriovConfig, context: SriovContext) {
    this.#config = config;
    this.#context = context;
  }

  async plan({ leased, force = false, trouble, sick }: Around = NOBODY): Promise<readonly PlannedStep[]> {
    const inUse: InUse = { leased, force };
    await this.#checkModule();
    const steps: PlannedStep[] = [];
    const macs = new Map<string, string>();
    const left = new Set(leased);
    await this.#each(trouble, async (config) => {
      const pf = await observePf(config, this.#context);
      steps.push(...(await this.#planFor(pf, config, inUse, macs, sick)));
      pf.vfs.forEach(({ bdf }) => left.delete(bdf));
    });
    return left.size === 0 || !force ? steps : [...steps, forgetting([...left])];
  }

  async #planFor(pf: PfState, config: PfConfig, inUse: InUse, macs: Map<string, string>, sick: Around['sick']): Promise<PlannedStep[]> {
    const all = pf.vfs.map(({ bdf }) => bdf);
    // Another MTU, or another number, takes all of them away for a moment.
    const steps = planPf(pf, config, inUse).map((action) => toStep(action, takesAll(action) ? all : []));
    const present = pf.numVfs === config.vfs;
    if (present) {
      pf.vfs.forEach(checkIsolation);
    }
    const vfs = present ? pf.vfs : (await predictVfBdfs(this.#context.sysfs, pf.bdf, config.vfs)).map((bdf, i) => futureVf(i, bdf));
    const planned = vfs.flatMap((vf) => {
      refuseSameMac(macs, macOf(config, pf.permanentMac, vf.index), vf.bdf);
      const busy = isInUse(vf, inUse);
      const actions = busy && !inUse.force ? [] : unlessSick(vf, sick, () => planVf(pf, vf, config)) ?? [];
      return actions.map((action) => ({ action: busy ? { ...action, disturbs: [vf.bdf] } : action, touches: [vf.bdf] }));
    });
    const wait = withUdev(planned.map(({ action }) => action)).slice(planned.length);
    return [...steps, ...planned.map(({ action, touches }) => toStep(action, touches)), ...wait.map((action) => toStep(action, []))];
  }

  /**
   * One PF after the other. One that is not there, or cannot be set up, is told
   * and left out, as long as there are others; else its error is thrown.
   */
  async #each<T>(trouble: Around['trouble'], work: (config: PfConfig) => Promise<T>): Promise<T[]> {
    const done: T[] = [];
    const failed: { readonly pf: string; readonly error: unknown }[] = [];
    for (const found of await selectPfs(this.#config, this.#context.sysfs, trouble === undefined ? undefined : (pf, error) => failed.push({ pf, error }))) {
      try {
        done.push(await work(found));
      } catch (error) {
        if (trouble === undefined || !isOfOnePf(error)) {
          throw error;
        }
        failed.push({ pf: found.name ?? found.bdf ?? portOf(found), error });
      }
    }
    if (done.length === 0 && failed[0] !== undefined) {
      throw failed[0].error;
    }
    failed.forEach(({ pf, error }) => trouble?.(pf, error));
    return done;
  }

  async provision({ leased, force = false, trouble, sick }: Around): Promise<readonly Vf[]> {
    const inUse = { leased, force };
    // Everything that can be refused is refused before anything is changed.
    await this.#each(trouble && (() => {}), async (config) => planPf(await observePf(config, this.#context), config, inUse));
    await this.#checkModule();
    const macs = new Map<string, string>();
    const all: Action[] = [];
    try {
      return (await this.#each(trouble, async (config) => {
        const done: Action[] = [];
        try {
          const vfs = await this.#vfsOf(await this.#provisionPf(config, inUse, done, sick), config, macs);
          all.push(...done);
          return vfs;
        } catch (error) {
          await undoAll(done, this.#context);
          throw error;
        }
      })).flat();
    } catch (error) {
      await undoAll(all, this.#context);
      throw error;
    }
  }

  #vfsOf(pf: PfState, config: PfConfig, macs: Map<string, string>): Vf[] {
    return pf.vfs.map((vf) => {
      const mac = macOf(config, pf.permanentMac, vf.index);
      refuseSameMac(macs, mac, vf.bdf);
      return {
        kind: 'sriov',
        backend: config.backend,
        name: vf.bdf,
        // A sick one may have none.
        device: vf.node === undefined ? '' : join(this.#context.devDir, vf.node.name),
        mac,
        mtu: config.mtu,
        pf: pf.name,
        numa: vf.numa,
        segment: config.segment ?? '',
        vlan: config.vlan ?? 0,
      };
    });
  }

  /** @param done grows by each step that stays */
  async #provisionPf(config: PfConfig, inUse: InUse, done: Action[], sick: Around['sick']): Promise<PfState> {
    const observe = (): Promise<PfState> => observePf(config, this.#context);
    const own = ({ vfs }: PfState): readonly VfState[] => vfs.filter((vf) => inUse.force || !isInUse(vf, inUse));
    await applyAll(planPf(await observe(), config, inUse), done, this.#context);
    const made = await observe();
    own(made).forEach(checkIsolation);
    const setup = new VfSetup(this.#sick, this.#context);
    try {
      await setup.run(own(made), (vf) => planVf(made, vf, config), sick !== undefined);
      await applyAll(withUdev(setup.steps).filter((action) => action.do === 'wait-udev'), [], this.#context);
    } finally {
      done.push(...setup.steps);
    }
    // What was set is read back: a driver may take a setting and not keep it.
    const pf = await observe();
    pf.vfs.forEach(checkIsolation);
    const left = planPf(pf, config, inUse).map(describe);
    if (left.length > 0 || pf.vfs.length !== config.vfs) {
      throw new VfringError('VFRING_ERR_NOT_SETTLED', { pf: pf.name, left: left.join('; ') || `${config.vfs - pf.vfs.length} VFs are missing` });
    }
    for (const vf of own(pf).filter(({ bdf }) => !setup.failed.has(bdf))) {
      const error = unsettled(pf, vf, config);
      if (error !== undefined) {
        const undone = await setup.fail(vf, error);
        undone.forEach((step) => done.splice(done.indexOf(step), 1));
      }
    }
    for (const { bdf } of own(pf)) {
      if (setup.failed.has(bdf)) {
        this.#sick.add(bdf);
      } else if (this.#sick.delete(bdf)) {
        this.#context.log.info('a VF that could not be set up is', { vf: bdf });
      }
    }
    tellSick(setup.failed, pf, sick);
    return pf;
  }

  /** Who may load modules may do anything: vfringd may not, and leaves it to the service manager. */
  async #checkModule(): Promise<void> {
    const { sysfs } = this.#context;
    const backends = new Set(this.#config.pf.map(({ backend }) => backend));
    if (backends.has('uio_vf') && !(await sysfs.list('bus/pci/drivers')).includes(DRIVER)) {
      throw new VfringError('VFRING_ERR_NO_MODULE', { release: os.release() });
    }
    if (backends.has('vfio')) {
      await checkVfio(sysfs);
    }
  }

  async health(vf: Vf): Promise<VfHealth> {
    const { sysfs, ops } = this.#context;
    const linkDown = await pfLinkDown(sysfs, vf.name);
    try {
      const node = await this.#node(vf);
      const owned = isOwn(await ops.stat(vf.device), ops);
      const { state: device, detail } = await this.#deviceState(vf, node);
      return { device, owned, linkDown, ...(detail !== undefined && { detail }) };
    } catch (error) {
      return { device: 'gone', owned: false, linkDown, detail: causeText(error) };
    }
  }

  ready(vf: Vf): Promise<VfHealth> {
    return this.health(vf);
  }

  async grant(vf: Vf, uid: number, dmaLimitBytes: number): Promise<void> {
    const { ops } = this.#context;
    try {
      const node = await this.#node(vf);
      const { state, detail } = await this.#deviceState(vf, node);
      if (state !== 'free') {
        throw new Error(detail ?? `its state is ${state}`);
      }
      if (vf.backend === 'vfio') {
        return; // It is opened for its process, and has no limit but RLIMIT_MEMLOCK.
      }
      await this.#limit(vf, node.name, dmaLimitBytes);
      ops.setOwner(vf.device, { kind: 'char', major: node.major, minor: node.minor }, uid, ops.gid);
    } catch (error) {
      throw unhealthy(vf, error);
    }
  }

  async open(vfs: readonly Vf[]): Promise<OpenedVfs | undefined> {
    const own = vfs.filter(({ backend }) => backend === 'vfio');
    return own.length === 0 ? undefined : openVfs(this.#context.vfio, own, unhealthy);
  }

  async takeBack(vf: Vf): Promise<'free' | 'open'> {
    const { ops } = this.#context;
    try {
      const node = await this.#node(vf);
      ops.setOwner(vf.device, { kind: 'char', major: node.major, minor: node.minor }, ops.uid, ops.gid);
      const { state, detail } = await this.#deviceState(vf, node);
      if (state === 'gone') {
        throw new Error(detail ?? 'the device is gone');
      }
      return state;
    } catch (error) {
      throw unhealthy(vf, error);
    }
  }

  /** By a reset of the function, of which uio_vf tells who has it open; under vfio-pci its registers do. */
  async tell(vf: Vf): Promise<void> {
    try {
      await this.#context.sysfs.write(`${deviceDir(vf.name)}/reset`, '1');
    } catch (error) {
      throw unhealthy(vf, error);
    }
  }

  async keepOwner(vf: Vf, uid: number, dmaLimitBytes: number): Promise<NodeStat | undefined> {
    try {
      const { ops } = this.#context;
      const { name, major, minor } = await this.#node(vf);
      if (vf.backend === 'vfio') {
        // The group of one that was opened for its process is nobody else's to open.
        return await keepOwner(ops, vf.device, { kind: 'char', major, minor }, ops.uid);
      }
      return await keepOwner(ops, vf.device, { kind: 'char', major, minor }, uid, () => this.#limit(vf, name, dmaLimitBytes));
    } catch (error) {
      throw unhealthy(vf, error);
    }
  }

  /** Whoever bound it may have changed more: it must be as it is configured. */
  async rebound(vf: Vf): Promise<Vf | undefined> {
    const { sysfs, devDir } = this.#context;
    const node = vf.backend === 'vfio' ? undefined : await vfNode(sysfs, vf.name, vf.backend);
    const device = node && join(devDir, node.name);
    if (node === undefined || device === undefined || device === vf.device) {
      return undefined;
    }
    try {
      await this.#checkConfigured(vf);
      await apply(WAIT_UDEV, this.#context);
      const now = { ...vf, device };
      const { state, detail } = await this.#deviceState(now, node);
      if (state !== 'free') {
        throw new Error(detail ?? 'somebody drives it');
      }
      return now;
    } catch (error) {
      throw unhealthy(vf, error);
    }
  }

  async #checkConfigured(vf: Vf): Promise<void> {
    for (const config of await selectPfs(this.#config, this.#context.sysfs, () => {})) {
      const pf = await observePf(config, this.#context).catch(() => undefined);
      const state = pf?.vfs.find(({ bdf }) => bdf === vf.name);
      if (pf !== undefined && state !== undefined) {
        checkIsolation(state);
        const error = unsettled(pf, state, config);
        if (error !== undefined) {
          throw error;
        }
        return;
      }
    }
    throw new Error('it is a VF of no PF of the configuration');
  }

  async #limit(vf: Vf, node: string, dmaLimitBytes: number): Promise<void> {
    await this.#context.sysfs.write(`${deviceDir(vf.name)}/${DRIVER}/${node}/dma_limit_bytes`, String(dmaLimitBytes));
  }

  async memory(vf: Vf): Promise<VfMemory | null> {
    if (vf.backend === 'vfio') {
      return null; // The kernel counts what a process has locked, not for what.
    }
    const node = await this.#node(vf);
    const dir = `${deviceDir(vf.name)}/${DRIVER}/${node.name}`;
    const read = async (attribute: string): Promise<number> => {
      const value = Number((await this.#context.sysfs.read(`${dir}/${attribute}`)) ?? Number.NaN);
      if (!Number.isSafeInteger(value)) {
        throw new Error(`${dir}/${attribute} has no number`);
      }
      return value;
    };
    return { liveBytes: await read('dma_live_bytes'), peakBytes: await read('dma_peak_bytes') };
  }

  /** Under vfio-pci the registers are its process's alone, as long as it has them. */
  async counters(vf: Vf): Promise<VfCounters | null> {
    if (vf.backend === 'vfio') {
      return null;
    }
    const { sysfs, registers, readRegisters } = this.#context;
    const dir = deviceDir(vf.name);
    const id = `${await sysfs.read(`${dir}/vendor`)}:${await sysfs.read(`${dir}/device`)}`;
    const family = FAMILY[id];
    if (family === undefined) {
      throw new Error(`the counters of a function ${id} are not known`);
    }
    const { VFGPTC, VFGPRC, VFGOTC, VFGORC } = registers[family];
    const values = await this.#unlessReset(vf, () =>
      readRegisters(join(sysfs.root, dir, 'resource0'), [VFGPTC, VFGPRC, VFGOTC, VFGORC]));
    // A read from a function that no longer answers returns ones.
    if (values.every((value) => value === 0xffff_ffff)) {
      throw new Error('the device does not answer');
    }
    const [txFrames = 0, rxFrames = 0, txBytes = 0, rxBytes = 0] = values;
    return { txFrames, rxFrames, txBytes, rxBytes };
  }

  /**
   * uio_vf resets the function in open() and in the last close(), and its
   * registers mean nothing then (zeros, seen as a counter that has wrapped).
   * Both times the node is open without an owner's pid.
   */
  async #owner(vf: Vf): Promise<string> {
    if (vf.backend === 'vfio') {
      return '';
    }
    const node = await this.#node(vf);
    const dir = `${deviceDir(vf.name)}/${DRIVER}/${node.name}`;
    const [state, pid, generation] = await Promise.all(['state', 'owner_pid', 'generation'].map((name) => this.#context.sysfs.read(`${dir}/${name}`)));
    return state === 'open' && pid === '0' ? IN_RESET : `${state} ${pid} ${generation}`;
  }

  async quiet(vf: Vf): Promise<void> {
    for (let waited = 0; waited <= this.#context.patienceMs; waited += RESET_POLL_MS) {
      if ((await this.#owner(vf).catch(() => '')) !== IN_RESET) {
        return;
      }
      await sleep(RESET_POLL_MS);
    }
  }

  async #unlessReset<T>(vf: Vf, read: () => T): Promise<T> {
    const before = await this.#owner(vf);
    const value = read();
    if (before === IN_RESET || before !== (await this.#owner(vf))) {
      throw new Error('the device is being reset');
    }
    return value;
  }

  /** The VF's node, which must still be the one that was provisioned. */
  async #node(vf: Vf): Promise<VfNode> {
    const node = await vfNode(this.#context.sysfs, vf.name, vf.backend);
    if (node === undefined) {
      throw new Error(`it is not bound to ${driverOf(vf.backend)}`);
    }
    if (join(this.#context.devDir, node.name) !== vf.device) {
      throw new Error(`it was bound anew as ${node.name}`);
    }
    return node;
  }

  #deviceState(vf: Vf, node: VfNode): Promise<DeviceState> {
    return deviceState(this.#context, vf.name, node, vf.backend);
  }
}

/** Errors of one PF: it is not there, or does not do as it is told. What an administrator has to decide is an error of the whole. */
function isOfOnePf(error: unknown): boolean {
  const codes = ['VFRING_ERR_PF_UNKNOWN', 'VFRING_ERR_PF_ELSEWHERE', 'VFRING_ERR_NO_SRIOV', 'VFRING_ERR_VF_UNKNOWN', 'VFRING_ERR_IP_FAILED', 'VFRING_ERR_SYSFS', 'VFRING_ERR_VF_NO_NODE', 'VFRING_ERR_NOT_SETTLED'] as const;
  return codes.some((code) => isVfringError(error, code));
}

/** Why a VF is not as it was set; undefined: it is. */
function unsettled(pf: PfState, vf: VfState, config: PfConfig): unknown {
  try {
    const left = planVf(pf, vf, config).map(describe).join('; ');
    return left === '' ? undefined : new VfringError('VFRING_ERR_NOT_SETTLED', { pf: pf.name, left });
  } catch (error) {
    return error; // It was bound to somebody else's driver meanwhile.
  }
}

/** Throws the first error where nobody is to be told, or where no VF of the PF is well. */
function tellSick(failed: ReadonlyMap<string, unknown>, pf: PfState, sick: Around['sick']): void {
  const [first] = failed.values();
  if (first !== undefined && (sick === undefined || failed.size === pf.vfs.length)) {
    throw first;
  }
  failed.forEach((error, bdf) => sick?.(bdf, error));
}

/** Undefined: the VF is sick, which was told. */
function unlessSick<T>({ bdf }: VfState, sick: Around['sick'], work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (sick === undefined || !isOfOneVf(error)) {
      throw error;
    }
    sick(bdf, error);
    return undefined;
  }
}

const toStep = (action: Action, touches: readonly string[]): PlannedStep => ({
  what: describe(action), why: action.why, ...(action.disturbs && { disturbs: action.disturbs }), ...(touches.length > 0 && { touches }),
});

/** PFs that the configuration no longer names keep their VFs, which are given out no more. */
function forgetting(vfs: readonly string[]): PlannedStep {
  return { what: `give out ${vfs.join(', ')} no more`, why: 'the configuration does not name their PF', disturbs: vfs };
}

function refuseSameMac(macs: Map<string, string>, mac: string, bdf: string): void {
  const first = macs.get(mac);
  if (first !== undefined) {
    throw new VfringError('VFRING_ERR_MAC_COLLISION', { first, second: bdf, mac });
  }
  macs.set(mac, bdf);
}

function unhealthy(vf: Vf, error: unknown): VfringError {
  const cause = isVfringError(error) ? error.message : causeText(error);
  const remedy = `see vfring status and dmesg | grep ${driverOf(vf.backend)}; vfringd binds the VF anew as soon as it can`;
  return new VfringError('VFRING_ERR_VF_UNHEALTHY', { vf: vf.name, cause, remedy }, { cause: error });
}

// SPDX-License-Identifier: BSD-3-Clause
/** Real VFs: made by their PF, bound to uio_vf, handed over by chown. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { PfConfig, SriovConfig } from '../../config/schema.js';
import { VfringError, causeText, isVfringError } from '../../errors.js';
import type { Vf, VfCounters } from '../../model/vf.js';
import type { Native } from '../../native.js';
import { isOwn, keepOwner, type NodeOps, type NodeStat } from '../node-ops.js';
import type { Around, PlannedStep, Provider, VfHealth, VfMemory } from '../provider.js';
import { apply, moduleLoaded, type ApplyContext } from './apply.js';
import { vfMac } from './mac.js';
import { DRIVER, deviceDir, observePf, pfLinkDown, predictVfBdfs, uioNode, type PfState, type UioNode } from './observe.js';
import { selectPfs } from './select.js';
import { checkIsolation, describe, futureVf, isInUse, planPf, planVf, withUdev, type Action, type InUse } from './plan.js';

export interface SriovContext extends ApplyContext {
  readonly ops: NodeOps;
  readonly readRegisters: Native['readRegisters'];
  readonly registers: Native['vfRegisters'];
}

/** A function-level reset takes 100 ms (PCIe 6.0, 6.6.2). */
const RESET_POLL_MS = 20;

const NOBODY: Around = { leased: new Set() };

/** Functions whose counters stand at the offsets of the 82576's: 82576 and I350 VFs. */
const KNOWN_COUNTERS = new Set(['0x8086:0x10ca', '0x8086:0x1520']);

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

  constructor(config: SriovConfig, context: SriovContext) {
    this.#config = config;
    this.#context = context;
  }

  async plan({ leased, force = false }: Around = NOBODY): Promise<readonly PlannedStep[]> {
    const { sysfs, ip } = this.#context;
    const inUse: InUse = { leased, force };
    const actions: Action[] = await this.#planModule();
    const macs = new Map<string, string>();
    const left = new Set(leased);
    for (const config of await selectPfs(this.#config, sysfs)) {
      const pf = await observePf(config, sysfs, ip);
      actions.push(...planPf(pf, config, inUse));
      const present = pf.numVfs === config.vfs;
      if (present) {
        pf.vfs.forEach(checkIsolation);
      }
      const vfs = present ? pf.vfs : (await predictVfBdfs(sysfs, pf.bdf, config.vfs)).map((bdf, i) => futureVf(i, bdf));
      const each = vfs.map((vf): Action[] => {
        refuseSameMac(macs, vfMac(config.mac_prefix, pf.permanentMac, vf.index), vf.bdf);
        if (!isInUse(vf, inUse)) {
          return planVf(pf, vf, config);
        }
        return force ? planVf(pf, vf, config).map((action) => ({ ...action, disturbs: [vf.bdf] })) : [];
      });
      actions.push(...withUdev(each.flat()));
      pf.vfs.forEach(({ bdf }) => left.delete(bdf));
    }
    const steps = actions.map((action) => ({ what: describe(action), why: action.why, ...(action.disturbs && { disturbs: action.disturbs }) }));
    return left.size === 0 || !force ? steps : [...steps, forgetting([...left])];
  }

  async provision(around: Around): Promise<readonly Vf[]> {
    const done: Action[] = [];
    try {
      return await this.#provision({ leased: around.leased, force: around.force ?? false }, done);
    } catch (error) {
      await this.#undo(done);
      throw error;
    }
  }

  async #provision(inUse: InUse, done: Action[]): Promise<readonly Vf[]> {
    const { sysfs, ip } = this.#context;
    const pfs = await selectPfs(this.#config, sysfs);
    // Everything that can be refused is refused before anything is changed.
    for (const config of pfs) {
      planPf(await observePf(config, sysfs, ip), config, inUse);
    }
    await this.#applyAll(await this.#planModule(), done);
    const macs = new Map<string, string>();
    const vfs: Vf[] = [];
    for (const config of pfs) {
      const pf = await this.#provisionPf(config, inUse, done);
      for (const vf of pf.vfs) {
        const mac = vfMac(config.mac_prefix, pf.permanentMac, vf.index);
        refuseSameMac(macs, mac, vf.bdf);
        vfs.push({
          kind: 'sriov',
          name: vf.bdf,
          device: join(this.#context.devDir, vf.node?.name ?? ''),
          mac,
          mtu: config.mtu,
          pf: pf.name,
          numa: vf.numa,
          segment: config.segment ?? '',
          vlan: config.vlan ?? 0,
        });
      }
    }
    return vfs;
  }

  async #provisionPf(config: PfConfig, inUse: InUse, done: Action[]): Promise<PfState> {
    const { sysfs, ip } = this.#context;
    const observe = (): Promise<PfState> => observePf(config, sysfs, ip);
    const plan = (pf: PfState): readonly Action[] => {
      const own = pf.vfs.filter((vf) => inUse.force || !isInUse(vf, inUse));
      own.forEach(checkIsolation);
      return withUdev(own.flatMap((vf) => planVf(pf, vf, config)));
    };
    await this.#applyAll(planPf(await observe(), config, inUse), done);
    await this.#applyAll(plan(await observe()), done);
    // What was set is read back: a driver may take a setting and not keep it.
    const pf = await observe();
    pf.vfs.forEach(checkIsolation);
    const left = [...planPf(pf, config, inUse), ...plan(pf)];
    if (left.length > 0 || pf.vfs.length !== config.vfs) {
      const what = left.map(describe).join('; ') || `${config.vfs - pf.vfs.length} VFs are missing`;
      throw new VfringError('VFRING_ERR_NOT_SETTLED', { pf: pf.name, left: what });
    }
    return pf;
  }

  async #planModule(): Promise<Action[]> {
    const loaded = await moduleLoaded(this.#context.sysfs);
    return loaded ? [] : [{ do: 'load-module', why: 'it is not loaded' }];
  }

  /** @param done grows by each step before it is taken: one that fails may have had an effect */
  async #applyAll(actions: readonly Action[], done: Action[]): Promise<void> {
    for (const action of actions) {
      done.push(action);
      await apply(action, this.#context);
    }
  }

  /** Back to what was there, as far as that goes; the last step first. */
  async #undo(done: readonly Action[]): Promise<void> {
    for (const { undo } of [...done].reverse()) {
      if (undo === undefined) {
        continue;
      }
      try {
        await apply(undo, this.#context);
      } catch (error) {
        // A VF that is gone by now needs no undoing, for example.
        this.#context.log.warn('not undone', { what: describe(undo), cause: causeText(error) });
      }
    }
  }

  async health(vf: Vf): Promise<VfHealth> {
    const { sysfs, ops } = this.#context;
    const linkDown = await pfLinkDown(sysfs, vf.name);
    try {
      const node = await this.#node(vf);
      const owned = isOwn(await ops.stat(vf.device), ops);
      const device = await this.#deviceState(vf, node);
      return { device, owned, linkDown };
    } catch (error) {
      return { device: 'gone', owned: false, linkDown, detail: causeText(error) };
    }
  }

  ready(vf: Vf): Promise<VfHealth> {
    return this.health(vf);
  }

  async grant(vf: Vf, uid: number, dmaLimitBytes: number): Promise<void> {
    const { sysfs, ops } = this.#context;
    try {
      const node = await this.#node(vf);
      const state = await this.#deviceState(vf, node);
      if (state !== 'free') {
        throw new Error(`its state is ${state}`);
      }
      await sysfs.write(`${deviceDir(vf.name)}/${DRIVER}/${node.name}/dma_limit_bytes`, String(dmaLimitBytes));
      ops.setOwner(vf.device, { kind: 'char', major: node.major, minor: node.minor }, uid, ops.gid);
    } catch (error) {
      throw unhealthy(vf, error);
    }
  }

  async takeBack(vf: Vf): Promise<'free' | 'open'> {
    const { ops } = this.#context;
    try {
      const node = await this.#node(vf);
      ops.setOwner(vf.device, { kind: 'char', major: node.major, minor: node.minor }, ops.uid, ops.gid);
      const state = await this.#deviceState(vf, node);
      if (state === 'gone') {
        throw new Error('the device is gone');
      }
      return state;
    } catch (error) {
      throw unhealthy(vf, error);
    }
  }

  async keepOwner(vf: Vf, uid: number): Promise<NodeStat | undefined> {
    try {
      const { major, minor } = await this.#node(vf);
      return await keepOwner(this.#context.ops, vf.device, { kind: 'char', major, minor }, uid);
    } catch (error) {
      throw unhealthy(vf, error);
    }
  }

  async memory(vf: Vf): Promise<VfMemory> {
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

  async counters(vf: Vf): Promise<VfCounters> {
    const { sysfs, registers, readRegisters } = this.#context;
    const dir = deviceDir(vf.name);
    const id = `${await sysfs.read(`${dir}/vendor`)}:${await sysfs.read(`${dir}/device`)}`;
    if (!KNOWN_COUNTERS.has(id)) {
      throw new Error(`the counters of a function ${id} are not known`);
    }
    const { VFGPTC, VFGPRC, VFGOTC, VFGORC } = registers;
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
   * Reads while no reset is under way: uio_vf resets the function in open() and
   * in the last close(), and its registers mean nothing then (zeros, seen as a counter
   * that has wrapped). Both times the node is open without an owner's pid.
   */
  async #unlessReset<T>(vf: Vf, read: () => T): Promise<T> {
    const { sysfs, patienceMs } = this.#context;
    const node = await this.#node(vf);
    const dir = `${deviceDir(vf.name)}/${DRIVER}/${node.name}`;
    const owner = async (): Promise<string> => {
      const [state, pid, generation] = await Promise.all(['state', 'owner_pid', 'generation'].map((name) => sysfs.read(`${dir}/${name}`)));
      return state === 'open' && pid === '0' ? 'in reset' : `${state} ${pid} ${generation}`;
    };
    for (let waited = 0; waited <= patienceMs; waited += RESET_POLL_MS) {
      const before = await owner();
      const value = read();
      if (before !== 'in reset' && before === (await owner())) {
        return value;
      }
      await sleep(RESET_POLL_MS);
    }
    throw new Error('the device is being reset');
  }

  /** The VF's node, which must still be the one that was provisioned. */
  async #node(vf: Vf): Promise<UioNode> {
    const node = await uioNode(this.#context.sysfs, vf.name);
    if (node === undefined) {
      throw new Error(`it is not bound to ${DRIVER}`);
    }
    if (join(this.#context.devDir, node.name) !== vf.device) {
      throw new Error(`it was bound anew as ${node.name}`);
    }
    return node;
  }

  async #deviceState(vf: Vf, node: UioNode): Promise<'free' | 'open' | 'gone'> {
    const state = await this.#context.sysfs.read(`${deviceDir(vf.name)}/${DRIVER}/${node.name}/state`);
    return state === 'free' || state === 'open' ? state : 'gone';
  }
}

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
  const remedy = 'see vfring status and dmesg | grep uio_vf; vfringd binds the VF anew as soon as it can';
  return new VfringError('VFRING_ERR_VF_UNHEALTHY', { vf: vf.name, cause, remedy }, { cause: error });
}

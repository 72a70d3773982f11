// SPDX-License-Identifier: BSD-3-Clause
/**
 * Soft VFs: files that play a VF of an 82576, 82599 or X540. Neither hardware nor root is needed
 * when the daemon and its users share a uid.
 */
import { createHash } from 'node:crypto';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { SoftConfig } from '../../config/schema.js';
import { VfringError, causeText, errnoCode } from '../../errors.js';
import type { Vf, VfCounters } from '../../model/vf.js';
import { isOwn, keepOwner, type NodeOps, type NodeStat } from '../node-ops.js';
import type { Around, PlannedStep, Provider, VfHealth, VfMemory } from '../provider.js';
import type { SoftVfState, SoftVfTool } from './softvf-tool.js';

const NOBODY: Around = { leased: new Set() };
const GONE = { cause: 'its file is gone', remedy: 'vfringd makes it anew within 15 s' };
const FILE: { readonly kind: 'file' } = { kind: 'file' };

export class SoftProvider implements Provider {
  readonly kind = 'soft';
  readonly looksWhenGranting = true;
  readonly countersStandStill = true;
  readonly counterBits = 32;
  /** 32 bits of octets last 2 s at 2 GB/s. */
  readonly sampleEveryMs = 2000;

  readonly #config: SoftConfig;
  readonly #tool: SoftVfTool;
  readonly #ops: NodeOps;
  #segment = '';

  constructor(config: SoftConfig, tool: SoftVfTool, ops: NodeOps) {
    this.#config = config;
    this.#tool = tool;
    this.#ops = ops;
  }

  async plan({ leased, force = false }: Around = NOBODY): Promise<readonly PlannedStep[]> {
    const steps: PlannedStep[] = [];
    for (const vf of this.#wanted()) {
      const inUse = leased.has(vf.name);
      const why = inUse && !force ? undefined : await this.#unfit(vf);
      if (why !== undefined) {
        steps.push({ what: `create ${vf.device} (MAC ${vf.mac}, MTU ${vf.mtu}, model ${this.#config.model})`, why, touches: [vf.name], ...(inUse && { disturbs: [vf.name] }) });
      }
    }
    for (const name of await this.#surplus(force ? new Set() : leased)) {
      const why = `the configuration asks for ${this.#config.vfs} soft VFs`;
      steps.push({ what: `destroy ${join(this.#config.dir, name)}`, why, touches: [name], ...(leased.has(name) && { disturbs: [name] }) });
    }
    return steps;
  }

  async provision({ leased, sick }: Around): Promise<readonly Vf[]> {
    try {
      await mkdir(this.#config.dir, { recursive: true, mode: 0o755 });
    } catch (error) {
      const command = `mkdir ${this.#config.dir}`;
      throw new VfringError('VFRING_ERR_SOFTVF_FAILED', { command, cause: causeText(error) }, { cause: error });
    }
    const wanted = this.#wanted();
    const failed = new Map<string, unknown>();
    for (const vf of wanted.filter(({ name }) => !leased.has(name))) {
      try {
        if ((await this.#unfit(vf)) !== undefined) {
          this.#create(vf);
        }
      } catch (error) {
        failed.set(vf.name, error);
        if (sick === undefined || failed.size === wanted.length) {
          throw error;
        }
      }
    }
    failed.forEach((error, name) => sick?.(name, error));
    for (const name of await this.#surplus(leased)) {
      this.#tool.destroy(join(this.#config.dir, name));
    }
    const segment = this.#switchOf(wanted.filter(({ name }) => !leased.has(name)));
    return wanted.map((vf) => ({ ...vf, segment }));
  }

  async health(vf: Vf): Promise<VfHealth> {
    try {
      const { open } = this.#tool.show(vf.device);
      return { device: open ? 'open' : 'free', owned: isOwn(await this.#ops.stat(vf.device), this.#ops), linkDown: undefined };
    } catch (error) {
      return { device: 'gone', owned: false, linkDown: GONE, detail: causeText(error) };
    }
  }

  /** Without reading the file: who drives a soft VF holds a lock on its file (docs/soft-vf.md). */
  async ready(vf: Vf): Promise<VfHealth> {
    try {
      const file = await this.#ops.look(vf.device);
      return { device: file.locked ? 'open' : 'free', owned: isOwn(file, this.#ops), linkDown: undefined };
    } catch (error) {
      return { device: 'gone', owned: false, linkDown: GONE, detail: causeText(error) };
    }
  }

  async grant(vf: Vf, uid: number): Promise<void> {
    try {
      this.#ops.giveFile(vf.device, uid, this.#ops.gid);
    } catch (error) {
      throw unhealthy(vf, error, uid);
    }
  }

  /** Forced, it is the soft form of a function-level reset: a new file that nobody has open. */
  async takeBack(vf: Vf, force: boolean): Promise<'free' | 'open'> {
    try {
      if (!force && this.#tool.show(vf.device).open) {
        return 'open';
      }
      this.#create(vf);
    } catch (error) {
      throw unhealthy(vf, error);
    }
    return 'free';
  }

  /** It has seen its link go. */
  tell(): Promise<void> {
    return Promise.resolve();
  }

  async keepOwner(vf: Vf, uid: number): Promise<NodeStat | undefined> {
    try {
      return await keepOwner(this.#ops, vf.device, FILE, uid);
    } catch (error) {
      throw unhealthy(vf, error, uid);
    }
  }

  /** A soft VF's registers are never in reset. */
  quiet(): undefined {}

  /** A soft VF pins nothing. */
  memory(): Promise<VfMemory | null> {
    return Promise.resolve(null);
  }

  async counters(vf: Vf): Promise<VfCounters> {
    return this.#tool.show(vf.device).counters;
  }

  #create(vf: Vf): void {
    this.#tool.create(this.#config.dir, Number(vf.name.slice(2)), vf.mac, vf.mtu, this.#config.model);
  }

  /** Why a soft VF must be made anew; undefined when it is as configured. */
  async #unfit(vf: Vf): Promise<string | undefined> {
    try {
      await this.#ops.stat(vf.device);
    } catch (error) {
      if (errnoCode(error) === 'ENOENT') {
        return 'it is not there';
      }
      throw error;
    }
    let state: SoftVfState;
    try {
      state = this.#tool.show(vf.device);
    } catch (error) {
      return `it cannot be read: ${causeText(error)}`;
    }
    if (state.mac !== vf.mac || state.mtu !== vf.mtu || state.model !== this.#config.model) {
      return `it has MAC ${state.mac} and MTU ${state.mtu}, and is of model ${state.model}`;
    }
    return undefined;
  }

  /** Soft VFs in the folder beyond the configured number that nobody uses. */
  async #surplus(leased: ReadonlySet<string>): Promise<string[]> {
    const names = await readdir(this.#config.dir).catch((error: unknown) => {
      if (errnoCode(error) === 'ENOENT') {
        return [];
      }
      throw error;
    });
    return names.filter((name) => /^vf\d+$/.test(name) && Number(name.slice(2)) >= this.#config.vfs && !leased.has(name)).sort();
  }

  #wanted(): Vf[] {
    return Array.from({ length: this.#config.vfs }, (_unused, index) => ({
      kind: 'soft' as const,
      name: `vf${index}`,
      device: join(this.#config.dir, `vf${index}`),
      mac: softMac(this.#config.dir, index),
      mtu: this.#config.mtu,
      model: this.#config.model,
      pf: 'soft',
      numa: -1,
      segment: '',
      vlan: 0,
    }));
  }

  /** Name of the folder's switch, by a soft VF that is the daemon's own: what is leased is its user's to write into. */
  #switchOf(own: readonly Vf[]): string {
    for (const { device } of own) {
      try {
        this.#segment = this.#tool.show(device).segment;
        break;
      } catch {
        // Its state is told when it is looked at.
      }
    }
    return this.#segment;
  }
}

/** Locally administered, the same at every start, another one in another folder. */
export function softMac(dir: string, index: number): string {
  const [a, b] = createHash('sha256').update(dir).digest();
  return [0x02, 0x76, 0x66, a ?? 0, b ?? 0, index].map((byte) => byte.toString(16).padStart(2, '0')).join(':');
}

function unhealthy(vf: Vf, error: unknown, uid?: number): VfringError {
  const foreign = uid !== undefined && errnoCode(error) === 'EPERM';
  const remedy = foreign
    ? `run vfringd as root, or as the user with uid ${uid}: only then can it give files to that user`
    : 'check the folder of the soft VFs (free space, permissions), then start vfringd again';
  return new VfringError('VFRING_ERR_VF_UNHEALTHY', { vf: vf.name, cause: causeText(error), remedy }, { cause: error });
}

// SPDX-License-Identifier: BSD-3-Clause
/** The tool vfring-softvf: the only one that writes soft VF files. */
import { join } from 'node:path';
import * as z from 'zod';
import { VfringError, causeText, errnoCode } from '../../errors.js';
import { failureText, type Exec } from '../../exec.js';

const count = z.number().int().nonnegative();

const shown = z.object({
  index: count,
  mac: z.string(),
  mtu: count,
  state: z.enum(['free', 'open']),
  owner_pid: count,
  generation: count,
  counters: z.object({
    rx_frames: count,
    tx_frames: count,
    rx_bytes: count,
    tx_bytes: count,
    rx_dropped: count,
  }),
});

export type SoftVfState = z.output<typeof shown>;

export interface SoftVfTool {
  /** Makes DIR/vf<N> anew; who has the old one open sees its link go down for ever. */
  create(dir: string, index: number, mac: string, mtu: number): Promise<void>;
  show(file: string): Promise<SoftVfState>;
  destroy(file: string): Promise<void>;
}

/** @param libexec folder of the tool */
export function softVfTool(libexec: string, exec: Exec): SoftVfTool {
  const tool = join(libexec, 'vfring-softvf');

  async function run(args: readonly string[]): Promise<string> {
    const result = await exec(tool, args).catch((error: unknown) => {
      const cause = errnoCode(error) === 'ENOENT' ? 'there is no such file' : causeText(error);
      throw new VfringError('VFRING_ERR_NO_SOFTVF', { tool, cause }, { cause: error });
    });
    if (result.status !== 0) {
      const command = [tool, ...args].join(' ');
      throw new VfringError('VFRING_ERR_SOFTVF_FAILED', { command, cause: failureText(result) });
    }
    return result.stdout;
  }

  return {
    async create(dir, index, mac, mtu) {
      await run(['create', dir, '--index', String(index), '--mac', mac, '--mtu', String(mtu)]);
    },
    async show(file) {
      const text = await run(['show', file]);
      try {
        return shown.parse(JSON.parse(text));
      } catch (error) {
        const cause = `what it says is not understood: ${causeText(error)}`;
        throw new VfringError('VFRING_ERR_SOFTVF_FAILED', { command: `${tool} show ${file}`, cause }, { cause: error });
      }
    },
    async destroy(file) {
      await run(['destroy', file]);
    },
  };
}

// SPDX-License-Identifier: BSD-3-Clause
/** The PF's side of its VFs, through iproute2. Never through a shell. */
import * as z from 'zod';
import { VfringError, causeText, errnoCode } from '../../errors.js';
import { failureText, searchPath, type Exec } from '../../exec.js';
import { shellWord } from '../../shell.js';

/** Fields that a driver does not report are undefined. */
export interface VfAdmin {
  readonly mac: string | undefined;
  readonly spoofchk: boolean | undefined;
  readonly trust: boolean | undefined;
  /** 0: none. */
  readonly vlan: number | undefined;
  /** Cap of what the VF may send; 0: none. */
  readonly maxTxMbit: number | undefined;
}

export interface PfLink {
  /** As sysfs has it, whichever of its names was asked for. */
  readonly name: string;
  readonly mac: string;
  /** The address it was made with: the PF's identity. */
  readonly permanentMac: string;
  readonly mtu: number;
  readonly adminUp: boolean;
  /** By VF index. */
  readonly vfs: ReadonlyMap<number, VfAdmin>;
}

// "address" since iproute2 5.x, "mac" before it.
const vfInfo = z.object({
  vf: z.number(),
  address: z.string().optional(),
  mac: z.string().optional(),
  spoofchk: z.boolean().optional(),
  trust: z.boolean().optional(),
  vlan: z.number().optional(),
  vlan_list: z.array(z.object({ vlan: z.number().optional() })).optional(),
  rate: z.object({ max_tx: z.number().optional() }).optional(),
});

const linkShow = z.tuple([
  z.object({
    ifname: z.string().optional(),
    address: z.string(),
    permaddr: z.string().optional(),
    mtu: z.number(),
    flags: z.array(z.string()),
    vfinfo_list: z.array(vfInfo).optional(),
  }),
]);

export interface IpLink {
  show(pf: string): Promise<PfLink>;
  /** `ip link set dev PF …` */
  set(pf: string, args: readonly string[]): Promise<void>;
}

export function ipLink(exec: Exec): IpLink {
  async function ip(args: readonly string[]): Promise<string> {
    const result = await exec('ip', args).catch((error: unknown) => {
      if (errnoCode(error) === 'ENOENT') {
        throw new VfringError('VFRING_ERR_NO_IP', { path: searchPath() }, { cause: error });
      }
      throw ipFailed(args, error);
    });
    if (result.status !== 0) {
      throw ipFailed(args, failureText(result));
    }
    return result.stdout;
  }

  return {
    async show(pf) {
      const args = ['-json', 'link', 'show', 'dev', pf];
      const text = await ip(args);
      try {
        const [link] = linkShow.parse(JSON.parse(text));
        return {
          name: link.ifname ?? pf,
          mac: link.address,
          permanentMac: link.permaddr ?? link.address,
          mtu: link.mtu,
          adminUp: link.flags.includes('UP'),
          vfs: new Map(
            (link.vfinfo_list ?? []).map((vf) => [
              vf.vf,
              {
                mac: vf.address ?? vf.mac,
                spoofchk: vf.spoofchk,
                trust: vf.trust,
                vlan: vf.vlan ?? vf.vlan_list?.[0]?.vlan ?? (vf.vlan_list && 0),
                maxTxMbit: vf.rate?.max_tx,
              },
            ]),
          ),
        };
      } catch (error) {
        throw ipFailed(args, `what it says is not understood: ${causeText(error)}`);
      }
    },
    async set(pf, args) {
      await ip(['link', 'set', 'dev', pf, ...args]);
    },
  };
}

function ipFailed(args: readonly string[], cause: unknown): VfringError {
  return new VfringError('VFRING_ERR_IP_FAILED', { command: ['ip', ...args].map(shellWord).join(' '), cause: causeText(cause) });
}

// SPDX-License-Identifier: BSD-3-Clause
/**
 * Where VFs come from. The daemon knows this interface only; sriov (real VFs)
 * and soft (files) stand behind it, and one test suite runs against both.
 */

import type { NodeStat } from './node-ops.js';

export type VfKind = 'sriov' | 'soft';

/** A VF as it was provisioned. `name` is unique on the node and lasting. */
export interface Vf {
  readonly kind: VfKind;
  /** bdf of a real VF, "vf<N>" of a soft one. */
  readonly name: string;
  /** What a process opens. Of a real VF it changes when the VF is bound anew. */
  readonly device: string;
  readonly mac: string;
  /** Layer-2 payload in bytes. */
  readonly mtu: number;
  readonly pf: string;
  /** NUMA node, -1 if unknown. */
  readonly numa: number;
  /**
   * What the VF can reach, by name: VFs of one segment and VLAN reach each
   * other. Of a soft VF its switch's identity; of a real one what the
   * administrator says. Empty: nobody has said.
   */
  readonly segment: string;
  /** VLAN whose tag the card adds and takes away, 1 to 4094; 0: none. */
  readonly vlan: number;
}

/** Totals of the VF, as its registers show them: they wrap at 2^bits. */
export interface VfCounters {
  readonly txFrames: number;
  readonly rxFrames: number;
  readonly txBytes: number;
  readonly rxBytes: number;
}

/** Why a VF has no link, and what to do. */
export interface LinkDown {
  readonly cause: string;
  readonly remedy: string;
}

/** What a look at the VF shows now. */
export interface VfHealth {
  /** `gone`: not there, or not bound; it cannot be leased until it is provisioned anew. */
  readonly device: 'free' | 'open' | 'gone';
  /** The node belongs to the daemon alone. */
  readonly owned: boolean;
  /** Undefined: it has its link. */
  readonly linkDown: LinkDown | undefined;
  /** Says what is wrong, when something is. */
  readonly detail?: string;
}

/** Memory that the present opener of a VF has registered with it, in bytes. */
export interface VfMemory {
  readonly liveBytes: number;
  readonly peakBytes: number;
}

/** One thing that provisioning would do or did, for people. */
export interface PlannedStep {
  readonly what: string;
  readonly why: string;
  /** VFs in use, by name, that it would take away from under their processes. */
  readonly disturbs?: readonly string[] | undefined;
}

/** VFs under lease, by name. They are left alone, unless `force` says otherwise. */
export interface Around {
  readonly leased: ReadonlySet<string>;
  readonly force?: boolean;
}

export interface Provider {
  readonly kind: VfKind;
  /** Bits of a counter register: differences are taken modulo 2^bits. */
  readonly counterBits: number;
  /** grant() refuses whatever a look by ready() would tell against: none is needed before. */
  readonly looksWhenGranting: boolean;
  /** Counters of a VF that nobody drives stand still. Those of a real one do not: a reset of its PF, or a new MTU of it, clears them. */
  readonly countersStandStill: boolean;
  /** How often to read the counters during a lease, so that no wrap is missed. */
  readonly sampleEveryMs: number;

  /** What provision() would do now. Reads only. Throws where it would refuse. */
  plan(around?: Around): Promise<readonly PlannedStep[]>;

  /**
   * Makes the VFs as configured and returns them; on a provisioned node it
   * changes nothing. When it fails half-way, what it did is undone.
   */
  provision(around: Around): Promise<readonly Vf[]>;

  health(vf: Vf): Promise<VfHealth>;

  /** Health as quickly as it can be told, for a VF that was well when last looked at. */
  ready(vf: Vf): Promise<VfHealth>;

  /**
   * Hands the node over to `uid`, mode 0600, with the DMA limit set. On error
   * the node is the daemon's again. Throws VFRING_ERR_VF_UNHEALTHY, also when
   * the VF is not free.
   */
  grant(vf: Vf, uid: number, dmaLimitBytes: number): Promise<void>;

  /**
   * Takes the node back: from its return on no process can open it but the
   * daemon. `open`: a process (a forked child, say) still drives the VF; call
   * again until it is `free`. Throws VFRING_ERR_VF_UNHEALTHY.
   *
   * @param force the lease is over: a provider that can cut its users off does
   * so. Without it, as after a restart, whoever drives the VF may finish.
   */
  takeBack(vf: Vf, force: boolean): Promise<'free' | 'open'>;

  /**
   * Sees to it that the node of a VF under lease is that user's alone, mode
   * 0600. Returns what it was before if somebody had changed that. Throws
   * VFRING_ERR_VF_UNHEALTHY.
   */
  keepOwner(vf: Vf, uid: number): Promise<NodeStat | undefined>;

  /** Null where memory is not counted. Throws when it cannot be read. */
  memory(vf: Vf): Promise<VfMemory | null>;

  /** Throws when the counters cannot be read. */
  counters(vf: Vf): Promise<VfCounters>;
}

/** No frame is longer: the largest frame of an 82576 has 9.5 KiB, and no Ethernet's has more than this. */
const MAX_FRAME_BYTES = 65_536;

/**
 * What two readings have between them, with one wrap at most; or, if the
 * counters were reset in between, as by a reset of the PF or a new MTU of it,
 * what they have come to since. (What they had come to before that is lost.)
 *
 * Readings are seconds apart at most while the VF is driven. Half the range of
 * frames does not pass in that time (2^31 frames of 64 bytes are 144 s at
 * 10 Gb/s), so frames that seem to have come so far went back. Bytes may wrap,
 * but not without frames.
 */
export function countersBetween(before: VfCounters, after: VfCounters, bits: number): VfCounters {
  const modulus = 2 ** bits;
  const between = (key: keyof VfCounters): number => (((after[key] - before[key]) % modulus) + modulus) % modulus;
  const [txFrames, rxFrames, txBytes, rxBytes] = [between('txFrames'), between('rxFrames'), between('txBytes'), between('rxBytes')];
  const half = modulus / 2;
  // Half a range of bytes for what comes between the readings of two registers.
  const wentBack = (frames: number, bytes: number): boolean => frames >= half || bytes - half > frames * MAX_FRAME_BYTES;
  return wentBack(txFrames, txBytes) || wentBack(rxFrames, rxBytes) ? after : { txFrames, rxFrames, txBytes, rxBytes };
}

export function addCounters(a: VfCounters, b: VfCounters): VfCounters {
  return {
    txFrames: a.txFrames + b.txFrames,
    rxFrames: a.rxFrames + b.rxFrames,
    txBytes: a.txBytes + b.txBytes,
    rxBytes: a.rxBytes + b.rxBytes,
  };
}

export const NO_TRAFFIC: VfCounters = { txFrames: 0, rxFrames: 0, txBytes: 0, rxBytes: 0 };

// SPDX-License-Identifier: BSD-3-Clause
/** What a VF is, and what it counts: for ledger, providers and leases alike. */

export type VfKind = 'sriov' | 'soft';

/** A VF as it was provisioned. `name` is unique on the node and lasting. */
export interface Vf {
  readonly kind: VfKind;
  /** bdf of a real VF, "vf<N>" of a soft one. */
  readonly name: string;
  /** What a process opens, or the daemon for it (vfio). Of a real VF it changes when the VF is bound anew. */
  readonly device: string;
  readonly mac: string;
  /** Layer-2 payload in bytes. */
  readonly mtu: number;
  /** Of a real VF. Left out, by an earlier vfringd: uio_vf. */
  readonly backend?: 'uio_vf' | 'vfio';
  /** Of a soft VF: whose registers it has, "82576". */
  readonly model?: string;
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

// SPDX-License-Identifier: BSD-3-Clause
/**
 * Where VFs come from. The daemon knows this interface only; sriov (real VFs)
 * and soft (files) stand behind it, and one test suite runs against both.
 */
import type { Vf, VfCounters, VfKind } from '../model/vf.js';
import type { NodeStat } from './node-ops.js';

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
  /** VFs, in use or not, by name, that nobody may be given while it is done. */
  readonly touches?: readonly string[] | undefined;
}

/** VFs under lease, by name. They are left alone, unless `force` says otherwise. */
export interface Around {
  readonly leased: ReadonlySet<string>;
  readonly force?: boolean;
  /**
   * Told of each PF that is not there, or that cannot be set up, which is then
   * left alone: the others are served. Without, or where no PF can be set up,
   * that is an error of the whole.
   */
  readonly trouble?: (pf: string, error: unknown) => void;
  /**
   * Told of each VF that cannot be set up, which nobody must be given then: the
   * others of its PF are served. Without, or where none of them can be set up,
   * that is an error of the PF.
   */
  readonly sick?: (vf: string, error: unknown) => void;
}

/** What a process reaches VFs by that it does not open itself. */
export interface OpenedVfs {
  /** For it, in the order of docs/lease-protocol.md. */
  readonly descriptors: readonly number[];
  /** Closes those of the daemon; the process has its own by then, or none. */
  close(): void;
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
   * Makes the VFs as configured and returns them, sick ones too; may take long. On a provisioned node it
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
   * Opens those of the VFs, which were granted, that their process does not open itself: in one address space. Undefined: there are
   * none. Takes long. Throws VFRING_ERR_VF_UNHEALTHY, with nothing open. Left out: all are opened by their processes.
   */
  open?(vfs: readonly Vf[]): Promise<OpenedVfs | undefined>;

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
   * Lets a process know that still drives a VF, after takeBack() said `open`, that it is not its own any more, so that it
   * closes it. One that has other VFs goes on with those; one that does not listen may finish. Throws VFRING_ERR_VF_UNHEALTHY.
   */
  tell(vf: Vf): Promise<void>;

  /**
   * Sees to it that the node of a VF under lease is that user's alone, mode
   * 0600; one that is not has its DMA limit set, too, for it may be a new one. Returns what
   * it was before if somebody had changed that. Throws VFRING_ERR_VF_UNHEALTHY.
   */
  keepOwner(vf: Vf, uid: number, dmaLimitBytes: number): Promise<NodeStat | undefined>;

  /**
   * A VF under lease that was unbound and bound again since, as it is now: at another node, which is the daemon's alone. Undefined:
   * it was not, or is not back. Takes long. Throws VFRING_ERR_* when it is back and cannot be given to its process again. Left
   * out: a VF that comes back does so at its old place.
   */
  rebound?(vf: Vf): Promise<Vf | undefined>;

  /** Null where memory is not counted. Throws when it cannot be read. */
  memory(vf: Vf): Promise<VfMemory | null>;

  /** Resolves when the VF's registers can be read, or after some seconds: a reset of it is over. Undefined: they always can. */
  quiet(vf: Vf): Promise<void> | undefined;

  /** At once. Null where they are not counted. Throws when the counters cannot be read, as during a reset. */
  counters(vf: Vf): Promise<VfCounters | null>;
}

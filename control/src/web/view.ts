// SPDX-License-Identifier: BSD-3-Clause
/**
 * What the page is told. It imports nothing: the page's own code, which runs in
 * a browser, sees this file too. Times are ms since 1970 by the node's clock,
 * sizes bytes.
 */

export interface PageTraffic {
  readonly tx_bytes: number;
  readonly rx_bytes: number;
  readonly tx_frames: number;
  readonly rx_frames: number;
}

export interface PageVf {
  readonly name: string;
  readonly pf: string;
  /** -1: not known. */
  readonly numa: number;
  readonly mtu: number;
  /** Empty: it has no name. */
  readonly segment: string;
  /** 0: none. */
  readonly vlan: number;
  readonly state: 'free' | 'leased' | 'draining' | 'unhealthy';
  readonly link_up: boolean;
  readonly reason: string | null;
  readonly lease: {
    readonly id: string;
    readonly job: string;
    readonly uid: number;
    readonly pid: number;
    readonly rank: number;
    readonly live_bytes: number | null;
    readonly peak_bytes: number | null;
    readonly limit_bytes: number;
    /** Under this lease; null: its counters cannot be read. */
    readonly traffic: PageTraffic | null;
  } | null;
}

export interface PageJob {
  readonly id: string;
  readonly uid: number;
  readonly state: 'queued' | 'open' | 'ended';
  readonly how: string | null;
  readonly ranks: number | null;
  /** Reserved for it; null: it takes what is free. */
  readonly vfs: number | null;
  readonly hosts: readonly string[] | null;
  readonly created_at: number;
  readonly ended_at: number | null;
  readonly wait_until: number | null;
  /** Of its ended leases. */
  readonly totals: PageTraffic & {
    readonly leases: number;
    readonly peak_bytes: number;
    readonly retransmitted: number;
    readonly fallbacks: number;
    /** Leases whose process said the two before. */
    readonly reports: number;
  };
}

/** What has happened; what comes again soon is counted, not repeated. */
export interface PageEvent {
  readonly at: number;
  readonly level: 'info' | 'warn' | 'error';
  readonly text: string;
  readonly details: string;
  readonly count: number;
}

export interface PagePf {
  readonly name: string;
  readonly trouble: { readonly message: string; readonly remedy: string } | null;
}

/** The node as it was in some seconds of the last hour. */
export interface PageSample {
  readonly at: number;
  readonly leased: number;
  /** Draining or unhealthy. */
  readonly sick: number;
  readonly free: number;
  /** VFs that jobs wait for. */
  readonly queued: number;
  readonly registered_bytes: number;
  /** Bytes a second, by PF. */
  readonly pfs: Readonly<Record<string, { readonly tx: number; readonly rx: number }>>;
}

export interface PageHistory {
  readonly every_s: number;
  readonly most: number;
  /** Oldest first. */
  readonly samples: readonly PageSample[];
}

export interface PageState {
  readonly release: string;
  readonly host: string;
  readonly pid: number;
  readonly started_at: number;
  readonly provider: 'sriov' | 'soft';
  readonly reserved_vfs: number;
  readonly queued_vfs: number;
  readonly pfs: readonly PagePf[];
  readonly vfs: readonly PageVf[];
  /** Under way first, then the newest of those that have ended. */
  readonly jobs: readonly PageJob[];
  /** Since the daemon started. */
  readonly granted: number;
  readonly refused: number;
  /** Newest first. */
  readonly events: readonly PageEvent[];
  /** The newest of the history. */
  readonly sample: PageSample | null;
}

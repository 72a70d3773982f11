// SPDX-License-Identifier: BSD-3-Clause
/** Rows of the ledger's tables as records, and back. */
import type { Instant } from '../clock.js';
import type { LimitBytes } from '../libc.js';
import type { JobRecord, JobState, JobTotals, LeaseRecord, LeaseState } from './records.js';
import { NO_TRAFFIC, type Vf, type VfCounters } from '../model/vf.js';

/** What a column holds, as SQLite gives it. */
export type Value = number | string | null;
export type Row = Readonly<Record<string, Value>>;

const number = (value: Row[string] | undefined): number => Number(value);
const maybe = (value: Row[string] | undefined): number | undefined => (value === null || value === undefined ? undefined : Number(value));
const text = (value: Row[string] | undefined): string | undefined => (value === null || value === undefined ? undefined : String(value));

/** What has ended before there was the second clock has nothing to be timed. */
function instant(row: Row, wall: string, boot: string): Instant | undefined {
  const at = maybe(row[wall]);
  return at === undefined ? undefined : { wall: at, boot: number(row[boot]) };
}

export function toJob(row: Row): JobRecord {
  return {
    key: number(row['key']),
    uid: number(row['uid']),
    id: String(row['id']),
    ranks: maybe(row['ranks']),
    spread: text(row['spread']) as JobRecord['spread'],
    vfs: maybe(row['vfs']),
    memoryBytes: maybe(row['memory_bytes']),
    timeLimitS: maybe(row['time_limit_s']),
    oneRun: number(row['one_run']) === 1,
    made: number(row['made']) === 1,
    sharesMemory: number(row['shares_memory']) === 1,
    hosts: toNames(text(row['hosts'])),
    vfNames: toNames(text(row['vf_names'])),
    waitUntil: instant(row, 'wait_until', 'wait_boot'),
    state: String(row['state']) as JobState,
    createdAt: number(row['created_at']),
    openedAt: instant(row, 'opened_at', 'opened_boot'),
    endedAt: maybe(row['ended_at']),
    how: text(row['how']),
    totals: toTotals(row),
  };
}

/** Of a job, or of a user's day. */
export function toTotals(row: Row): JobTotals {
  return {
    leases: number(row['leases']),
    vfMs: number(row['vf_ms']),
    traffic: toCounters(row) ?? NO_TRAFFIC,
    uncounted: number(row['uncounted']),
    peakBytes: number(row['peak_bytes']),
    reports: number(row['reports']),
    retransmitted: number(row['retransmitted']),
    fallbacks: number(row['fallbacks']),
  };
}

export function toLease(row: Row, vfs: readonly Row[]): LeaseRecord {
  const soft = text(row['memlock_soft']);
  const hard = text(row['memlock_hard']);
  return {
    id: number(row['id']),
    jobKey: number(row['job']),
    uid: number(row['uid']),
    pid: number(row['pid']),
    startTicks: number(row['start_ticks']),
    rank: number(row['rank']),
    ranks: number(row['ranks']),
    state: String(row['state']) as LeaseState,
    how: text(row['how']),
    grantedAt: { wall: number(row['granted_at']), boot: number(row['granted_boot']) },
    endedAt: maybe(row['ended_at']),
    sampledAt: instant(row, 'sampled_at', 'sampled_boot'),
    dmaLimitBytes: number(row['dma_limit_bytes']),
    memlockBytes: maybe(row['memlock_bytes']) ?? null,
    memlockBefore: soft === undefined || hard === undefined ? undefined : { soft: toLimit(soft), hard: toLimit(hard) },
    vfs: vfs.map((vf) => ({
      vf: toVf(String(vf['vf'])),
      generation: number(vf['generation']),
      last: toCounters(vf, 'last_'),
      traffic: toCounters(vf),
      peakBytes: maybe(vf['peak_bytes']) ?? null,
      takenAt: instant(vf, 'taken_at', 'taken_boot'),
      takenHow: text(vf['taken_how']),
      report: vf['asides'] === null ? undefined : { retransmitted: number(vf['retransmitted']), asides: number(vf['asides']), why: text(vf['aside_why']), ...(vf['aside'] === 1 && { aside: true }) },
    })),
  };
}

const toNames = (names: string | undefined): readonly string[] | undefined => (names === undefined ? undefined : (JSON.parse(names) as string[]));

/** What an earlier release wrote has no segment and no VLAN. */
const toVf = (text: string): Vf => ({ segment: '', vlan: 0, ...(JSON.parse(text) as Omit<Vf, 'segment' | 'vlan'>) });

export function toCounters(row: Row, prefix: '' | 'last_' = ''): VfCounters | null {
  const frames = row[`${prefix}tx_frames`];
  if (frames === null || frames === undefined) {
    return null;
  }
  return {
    txFrames: number(frames),
    rxFrames: number(row[`${prefix}rx_frames`]),
    txBytes: number(row[`${prefix}tx_bytes`]),
    rxBytes: number(row[`${prefix}rx_bytes`]),
  };
}

/** In the order of the columns: tx_frames, tx_bytes, rx_frames, rx_bytes. Returns `values`. */
export function pushCounters(values: Value[], counters: VfCounters | null): Value[] {
  if (counters === null) {
    values.push(null, null, null, null);
  } else {
    values.push(counters.txFrames, counters.txBytes, counters.rxFrames, counters.rxBytes);
  }
  return values;
}

export function limitText(limit: LimitBytes | undefined): string | null {
  return limit === undefined ? null : String(limit);
}

function toLimit(limit: string): LimitBytes {
  return limit === 'unlimited' ? limit : Number(limit);
}

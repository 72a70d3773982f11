// SPDX-License-Identifier: BSD-3-Clause
/**
 * A recording: what vfring reads of a machine, as the emulated machine had it (control/tests/lab/record.ts
 * makes them, `npm run record` writes those of ../recordings anew).
 */

export type Scenario = 'no-vfs' | 'igbvf-7' | 'uio_vf-2' | 'no-iommu';

export interface Recording {
  readonly scenario: Scenario;
  /** `uname -r` */
  readonly release: string;
  /** By folder below /sys: files with their text, links as "-> NAME", the last name of their target. A folder without either is empty. */
  readonly sys: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** What `ip -json link show dev NAME` says of each PF. */
  readonly ip: Readonly<Record<string, unknown>>;
  /** Lines of files outside /sys that vfring looks for. */
  readonly files: Readonly<Record<string, string>>;
}

/** What differs from one boot to the next, and means nothing; the address of a VF's interface is a random one, and a link is up in its own time. */
const PASSING = new Set(['address', 'carrier', 'dev', 'generation', 'event_count', 'owner_pid']);

/**
 * A recording without that: two of one scenario must be equal in it, or vfring's tests
 * play a machine that there is no more.
 */
export function shapeOf({ scenario, sys, ip, files }: Recording): object {
  const attributes = (folder: Readonly<Record<string, string>>): object =>
    Object.fromEntries(Object.entries(folder).map(([name, text]) => [name, PASSING.has(name) ? typeof text : text]));
  return {
    scenario,
    sys: Object.fromEntries(Object.entries(sys).map(([folder, entries]) => [folder, attributes(entries)])),
    // The fields' names and types: the values are the driver's, and in sysfs too.
    ip: typesOf(ip),
    files: Object.keys(files),
  };
}

function typesOf(value: unknown): unknown {
  if (Array.isArray(value)) {
    return value.map(typesOf);
  }
  return typeof value === 'object' && value !== null ? Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, typesOf(inner)])) : typeof value;
}

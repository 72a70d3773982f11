// SPDX-License-Identifier: BSD-3-Clause
/** Hosts as mpirun's users name them: --host a:2,b:2 and hostfiles. */
import { readFile } from 'node:fs/promises';
import { VfringError, causeText } from '../errors.js';

export interface HostEntry {
  readonly name: string;
  /** Processes that it takes; undefined: not said. */
  readonly slots: number | undefined;
}

/** Nothing that a program could take for an option. Addresses of IPv6 stand in brackets. */
const ENTRY = /^(\[[0-9a-fA-F:.%]+\]|[A-Za-z0-9_][A-Za-z0-9._-]*)(?::(\d{1,6}|\*))?$/;

/** "a:2,b" as entries, each name once. Throws VFRING_ERR_USAGE. */
export function parseHosts(text: string): HostEntry[] {
  return merge(text.split(',').map((word) => entry(word.trim(), text)));
}

/** Throws VFRING_ERR_HOSTFILE. */
export async function readHostfile(file: string): Promise<HostEntry[]> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    throw new VfringError('VFRING_ERR_HOSTFILE', { file, cause: causeText(error) }, { cause: error });
  }
  return parseHostfile(text, file);
}

/** A line a host: "NAME slots=N", with "#" before what is for people. Throws VFRING_ERR_HOSTFILE. */
export function parseHostfile(text: string, file: string): HostEntry[] {
  const entries = text.split('\n').flatMap((line, i) => {
    const [word, ...settings] = line.replace(/#.*/, '').trim().split(/\s+/);
    if (word === undefined || word === '') {
      return [];
    }
    // user@host is for the launcher; ^host takes one out of an allocation.
    const match = ENTRY.exec(word.replace(/^[^@\s]+@/, ''));
    if (match === null && word.startsWith('^')) {
      return [];
    }
    if (match === null) {
      throw new VfringError('VFRING_ERR_HOSTFILE', { file, cause: `line ${i + 1}: ${word} is no name of a host` });
    }
    const slots = /\bslots\s*=\s*(\d+)/.exec(settings.join(' '))?.[1] ?? match[2];
    return [{ name: bare(match[1] ?? ''), slots: slots === undefined || slots === '*' ? undefined : Number(slots) }];
  });
  return merge(entries);
}

function entry(word: string, whole: string): HostEntry {
  const match = ENTRY.exec(word);
  if (match === null) {
    throw new VfringError('VFRING_ERR_USAGE', { what: `${word === '' ? 'an empty name' : word} in "${whole}" is no name of a host`, remedy: 'for example host1:2,host2:2' });
  }
  return { name: bare(match[1] ?? ''), slots: match[2] === undefined || match[2] === '*' ? undefined : Number(match[2]) };
}

const bare = (name: string): string => name.replace(/^\[|\]$/g, '');

/** A host that is named again has as many slots more: one for each time, where none are said. */
function merge(entries: readonly HostEntry[]): HostEntry[] {
  const found = new Map<string, HostEntry>();
  for (const { name, slots } of entries) {
    const before = found.get(name);
    found.set(name, before === undefined ? { name, slots } : { name, slots: (before.slots ?? 1) + (slots ?? 1) });
  }
  return [...found.values()];
}

/**
 * How many of `ranks` each host gets: its slots are filled in the order of the
 * list; what is left over, and all of them where no slots are said, is dealt out evenly.
 */
export function dealRanks(hosts: readonly HostEntry[], ranks: number): number[] {
  const dealt = hosts.map(() => 0);
  let left = ranks;
  hosts.forEach(({ slots = 0 }, i) => {
    dealt[i] = Math.min(slots, left);
    left -= dealt[i];
  });
  for (let i = 0; left > 0 && hosts.length > 0; i = (i + 1) % hosts.length, left--) {
    dealt[i] = (dealt[i] ?? 0) + 1;
  }
  return dealt;
}

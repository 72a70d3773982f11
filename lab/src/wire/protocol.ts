// SPDX-License-Identifier: BSD-3-Clause
/** What the lab and the process of its wires say to each other over node's channel between parent and child. */
import type { Impairment } from './impairment.js';
import type { Direction, PortCounters } from './port.js';

/** Command line of the process, as JSON: the wires' names, who is on them, and where it listens. */
export interface WireSetUp {
  /** Relative to its working folder; sockets in it are named as ports are. */
  folder: string;
  hosts: readonly string[];
  wires: readonly string[];
  seed: number;
}

export const portName = (host: string, wire: string): string => `${host}.${wire}`;

export type Question =
  | { ask: 'impair'; ports: readonly string[]; directions: readonly Direction[]; change: Partial<Impairment> }
  | { ask: 'lose'; ports: readonly string[]; directions: readonly Direction[]; count: number }
  | { ask: 'counters' };

export type Request = Question & { id: number };
/** The first message, without question, says that all sockets listen. */
export type Reply = { id: 0 } | { id: number; counters: Readonly<Record<string, PortCounters>> } | { id: number; error: string };

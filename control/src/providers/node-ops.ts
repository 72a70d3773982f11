// SPDX-License-Identifier: BSD-3-Clause
/** Owner and mode of a VF's node: real calls, passed in so that tests can stand in for them. */
import { lstatSync } from 'node:fs';
import { native } from '../native.js';

export interface NodeStat {
  readonly uid: number;
  /** Permission bits. */
  readonly mode: number;
}

/** What a node must be, so that nothing else is ever handed over. */
export type NodeKind = { readonly kind: 'file' } | { readonly kind: 'char'; readonly major: number; readonly minor: number };

export interface NodeOps {
  /** The daemon's own uid and gid: whom free nodes belong to. */
  readonly uid: number;
  readonly gid: number;
  /** Rejects with ENOENT when there is none. */
  stat(path: string): Promise<NodeStat>;
  /** As stat(), of a file, and whether somebody holds flock(2) on it. Rejects with `code`. */
  look(path: string): Promise<NodeStat & { readonly locked: boolean }>;
  /** Mode 0600. Throws with `code`; EINVAL: the path is not what `kind` says. */
  setOwner(path: string, kind: NodeKind, uid: number, gid: number): void;
  /**
   * Gives a file that is the daemon's alone to a user. Throws with `code`;
   * EBUSY: somebody holds flock(2) on it; EINVAL: it is not such a file.
   */
  giveFile(path: string, uid: number, gid: number): void;
}

const PRIVATE = 0o600;

export const nodeOps: NodeOps = {
  uid: process.getuid?.() ?? 0,
  gid: process.getgid?.() ?? 0,
  // Not through node's thread pool: /dev and /dev/shm answer at once, and a hop to a thread costs more.
  async stat(path) {
    const { uid, mode } = lstatSync(path);
    return { uid, mode: mode & 0o7777 };
  },
  look: async (path) => native().lookAtFile(path),
  setOwner(path, kind, uid, gid) {
    const [major, minor] = kind.kind === 'char' ? [kind.major, kind.minor] : [0, 0];
    native().setNodeOwner(path, kind.kind, major, minor, uid, gid, PRIVATE);
  },
  giveFile: (path, uid, gid) => native().giveFile(path, uid, gid),
};

/**
 * Gives the node to `uid` alone if it is not already; what it was then.
 *
 * @param prepare is called first where it was somebody else's
 */
export async function keepOwner(ops: NodeOps, path: string, kind: NodeKind, uid: number, prepare?: () => Promise<void>): Promise<NodeStat | undefined> {
  const stat = await ops.stat(path);
  if (stat.uid === uid && stat.mode === PRIVATE) {
    return undefined;
  }
  if (stat.uid !== uid) {
    await prepare?.();
  }
  ops.setOwner(path, kind, uid, ops.gid);
  return stat;
}

export function isOwn(stat: NodeStat, ops: NodeOps): boolean {
  return stat.uid === ops.uid && stat.mode === PRIVATE;
}

// SPDX-License-Identifier: BSD-3-Clause
/** What the daemon's thread and the thread of the page say to each other. */
import type { PageStatus } from '../api/views.js';
import type { Listen } from '../config/listen.js';

/** What the page asks the daemon for. There is one question of a kind under way at a time, however many readers there are. */
export type Topic = 'state' | 'history' | 'metrics';

/** What the thread begins with. */
export interface WorkerSetup {
  readonly listen: Listen;
  /** Names that a browser may call this server by, besides addresses, localhost and the host's own; undefined: any. */
  readonly hosts: readonly string[] | undefined;
  /** SHA-256 of the token in hexadecimal; undefined: none is needed. */
  readonly token: string | undefined;
  /** Group that may connect to a socket. */
  readonly gid: number | undefined;
  /** Folder with the page's files. */
  readonly assets: string;
}

export type Load = PageStatus['load'];

export type FromWorker =
  | { readonly kind: 'listening' }
  /** It ends after this. */
  | { readonly kind: 'failed'; readonly errno: string; readonly cause: string }
  | { readonly kind: 'ask'; readonly topic: Topic; readonly load: Load };

export type ToWorker =
  | { readonly kind: 'answer'; readonly topic: Topic; readonly text: string }
  /** The daemon could not answer. */
  | { readonly kind: 'no answer'; readonly topic: Topic; readonly cause: string }
  | { readonly kind: 'close' };

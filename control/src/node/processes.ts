// SPDX-License-Identifier: BSD-3-Clause
/** Who is at the other end of a socket, and when that process ends. */
import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { constants } from 'node:os';
import { VfringError, causeText, errnoCode } from '../errors.js';
import type { Native, PeerCred, ProcessWatch } from '../native.js';

/** A process that is held by its pidfd: its pid cannot be taken for another's. */
export interface WatchedProcess {
  readonly pid: number;
  /**
   * When it started, in clock ticks since boot: with the pid, this names it for
   * all time. UNREADABLE: it has ended, or this user may not know.
   */
  readonly startTicks: number;
  ended(): boolean;
  /** Calls back once, also when it has ended already. */
  onEnd(callback: () => void): void;
  /** Sends a signal to this very process. False: it has ended, or this user may not. */
  signal(signal: 'SIGTERM' | 'SIGKILL'): boolean;
  /** Ends the watch and frees the pidfd. */
  close(): void;
}

export const UNREADABLE = -1;

/** Who is at the other end of a connection, by the kernel's word. */
export interface Peer extends PeerCred {
  readonly socket: Socket;
}

export interface Processes {
  peerOf(socket: Socket): PeerCred;
  /** Sends the beginning of `text` with descriptors to whoever is at the other end. How many bytes went. Throws when it is gone. */
  sendOpened(socket: Socket, text: Buffer, descriptors: readonly number[]): number;
  /** Holds the process that sent a line. Throws VFRING_ERR_BAD_REQUEST when that is not possible. */
  hold(peer: Peer): WatchedProcess;
  /** Holds a process that an earlier daemon held; undefined when it has ended, whoever has its pid now. */
  adopt(pid: number, startTicks: number): WatchedProcess | undefined;
  close(): void;
}

export function realProcesses(addon: Native): Processes {
  const callbacks = new Map<number, () => void>();
  const watch = new addon.ProcessWatch((token) => callbacks.get(token)?.());
  return {
    peerOf: (socket) => addon.peerCred(descriptorOf(socket)),
    sendOpened: (socket, text, descriptors) => addon.sendDescriptors(descriptorOf(socket), text, descriptors),
    hold: (peer) => {
      const fd = openPidfd(addon, descriptorOf(peer.socket), peer);
      try {
        // Read while the process is held: if it lives after that, it is the one that was read.
        const ticks = ticksIfReadable(addon, peer.pid);
        if (addon.pidfdEnded(fd)) {
          throw cannotWatch(`the calling process ${peer.pid} has ended`);
        }
        return new Pidfd(addon, watch, callbacks, fd, peer.pid, ticks);
      } catch (error) {
        addon.closeFd(fd);
        throw error;
      }
    },
    adopt: (pid, startTicks) => {
      let fd: number;
      try {
        fd = addon.pidfdOpen(pid);
      } catch (error) {
        if (errnoCode(error) === 'ESRCH') {
          return undefined;
        }
        throw error;
      }
      // The pid was looked up first: what is read now is of the process that is held, or of none.
      if (addon.startTicks(pid) !== startTicks || addon.pidfdEnded(fd)) {
        addon.closeFd(fd);
        return undefined;
      }
      return new Pidfd(addon, watch, callbacks, fd, pid, startTicks);
    },
    close: () => watch.close(),
  };
}

class Pidfd implements WatchedProcess {
  readonly pid: number;
  readonly startTicks: number;
  readonly #addon: Native;
  readonly #watch: ProcessWatch;
  readonly #callbacks: Map<number, () => void>;
  #fd: number | undefined;
  #token: number | undefined;

  constructor(addon: Native, watch: ProcessWatch, callbacks: Map<number, () => void>, fd: number, pid: number, startTicks: number) {
    this.#addon = addon;
    this.#watch = watch;
    this.#callbacks = callbacks;
    this.#fd = fd;
    this.pid = pid;
    this.startTicks = startTicks;
  }

  ended(): boolean {
    return this.#fd === undefined || this.#addon.pidfdEnded(this.#fd);
  }

  onEnd(callback: () => void): void {
    if (this.#fd === undefined || this.#token !== undefined) {
      throw new Error('a process is watched once, before its handle is closed');
    }
    const token = this.#watch.add(this.#fd);
    this.#token = token;
    this.#callbacks.set(token, () => {
      this.#callbacks.delete(token);
      callback();
    });
  }

  signal(signal: 'SIGTERM' | 'SIGKILL'): boolean {
    try {
      if (this.#fd === undefined) {
        return false;
      }
      this.#addon.pidfdSendSignal(this.#fd, constants.signals[signal]);
      return true;
    } catch (error) {
      if (errnoCode(error) === 'ESRCH' || errnoCode(error) === 'EPERM') {
        return false;
      }
      throw error;
    }
  }

  close(): void {
    if (this.#token !== undefined) {
      this.#callbacks.delete(this.#token);
      this.#watch.remove(this.#token);
      this.#token = undefined;
    }
    if (this.#fd !== undefined) {
      this.#addon.closeFd(this.#fd);
      this.#fd = undefined;
    }
  }
}

/**
 * From Linux 6.5 the kernel hands out the pidfd of the process that connected.
 * Before, the pid is looked up, and could by now be another process's: then at
 * least its uid must be the peer's, so that nobody can be made to hold a lease
 * by another user.
 */
function openPidfd(addon: Native, fd: number, peer: PeerCred): number {
  if (peer.pid === 0) {
    throw new VfringError('VFRING_ERR_BAD_REQUEST', {
      what: 'vfringd cannot see the calling process: it runs in another pid namespace',
      remedy: 'start the job with the pid namespace of the node (containers: --pid=host)',
    });
  }
  try {
    const peerPidfd = addon.peerPidfd(fd);
    if (peerPidfd !== null) {
      return peerPidfd;
    }
    return pidfdByNumber(addon, peer);
  } catch (error) {
    throw cannotWatch(`the calling process ${peer.pid} cannot be watched: ${causeText(error)}`, error);
  }
}

function pidfdByNumber(addon: Native, { pid, uid }: PeerCred): number {
  const pidfd = addon.pidfdOpen(pid);
  try {
    if (effectiveUid(pid) !== uid || addon.pidfdEnded(pidfd)) {
      throw new Error(`process ${pid} is not the one that connected`);
    }
    return pidfd;
  } catch (error) {
    addon.closeFd(pidfd);
    throw error;
  }
}

function cannotWatch(what: string, cause?: unknown): VfringError {
  return new VfringError('VFRING_ERR_BAD_REQUEST', { what, remedy: 'ask again from a process that lives on: a lease ends with the process that took it' }, { cause });
}

function effectiveUid(pid: number): number | undefined {
  const ids = /^Uid:\s+\d+\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return ids?.[1] === undefined ? undefined : Number(ids[1]);
}

function ticksIfReadable(addon: Native, pid: number): number {
  try {
    return addon.startTicks(pid) ?? UNREADABLE;
  } catch {
    return UNREADABLE;
  }
}

/** Node keeps the descriptor of a socket to itself; SO_PEERCRED needs it. */
function descriptorOf(socket: Socket): number {
  const handle = (socket as unknown as { _handle?: { fd?: unknown } | null })._handle;
  if (typeof handle?.fd !== 'number' || handle.fd < 0) {
    throw new Error('the socket is closed');
  }
  return handle.fd;
}

// SPDX-License-Identifier: BSD-3-Clause
/**
 * Typed face of the addon in control/native. A failed system call throws an
 * Error with `code` ("EPERM"), `errno` and `syscall`.
 */
import { createRequire } from 'node:module';
import { VfringError, causeText } from './errors.js';
import { addonPath } from './paths.js';

export interface PeerCred {
  /** 0 when the peer lives in a pid namespace that this one cannot see. */
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

/** VFs of a family have the same registers. */
export type VfFamily = '82576' | '82599';

/** A soft VF, by its file. */
export interface SoftVfState {
  readonly mac: string;
  /** Layer-2 payload in bytes. */
  readonly mtu: number;
  /** Whose registers it has: "82576". */
  readonly model: string;
  /** Identity of its switch, which all soft VFs of the folder have. */
  readonly segment: string;
  /** Somebody drives it. */
  readonly open: boolean;
  /** Totals modulo 2^32. */
  readonly counters: { readonly txFrames: number; readonly rxFrames: number; readonly txBytes: number; readonly rxBytes: number };
}

export interface ProcessWatch {
  /** Watches a pidfd, which stays the caller's. Returns the token of the watch. */
  add(pidfd: number): number;
  /** Must be called before the pidfd is closed. False if there is no such watch. */
  remove(token: number): boolean;
  close(): void;
}

export interface Native {
  /** SO_PEERCRED: who connected (or listened), by the kernel's word. */
  peerCred(fd: number): PeerCred;
  /** SO_PEERPIDFD: a new pidfd of the peer; null before Linux 6.5. ESRCH/EINVAL: it is gone. */
  peerPidfd(fd: number): number | null;
  /** When the process started, in clock ticks since boot; null when there is no such process. */
  startTicks(pid: number): number | null;
  /** pidfd_open(2). ESRCH: no such process. */
  pidfdOpen(pid: number): number;
  /** True once every thread of the process has ended. */
  pidfdEnded(pidfd: number): boolean;
  /** pidfd_send_signal(2). ESRCH: it has ended. EPERM: it is another user's. */
  pidfdSendSignal(pidfd: number, signal: number): void;
  /** One datagram to the socket of sd_notify(3); `path` as NOTIFY_SOCKET has it. */
  sdNotify(path: string, text: string): void;
  closeFd(fd: number): void;
  /** Sends the beginning of `text` with descriptors (SCM_RIGHTS), which stay the caller's. How many bytes went; the rest is to follow. */
  sendDescriptors(socket: number, text: Buffer, descriptors: readonly number[]): number;
  /** Could the IOMMU group at `path` be opened now? Throws: EBUSY, somebody holds it; EPERM, a function of it has another driver; ENOENT. */
  vfioProbe(path: string): void;
  /**
   * Opens functions bound to vfio-pci, `names` by the paths of their groups: first the container, then each of them. Resets
   * them, which takes its time. Rejects with `code` and `index`, then none is open.
   */
  vfioOpen(groups: readonly string[], names: readonly string[]): Promise<readonly number[]>;
  /**
   * Changes owner and mode of a VF's node without opening the device, and
   * removes access control lists. `kind` "char" demands a character device
   * with this major and minor number, "file" a regular file with one link.
   * EINVAL: it is something else.
   */
  setNodeOwner(
    path: string,
    kind: 'char' | 'file',
    major: number,
    minor: number,
    uid: number,
    gid: number,
    mode: number,
  ): void;
  /** Gives a file that is this user's alone (mode 0600, one link) to another. EINVAL: it is something else. EBUSY: somebody holds flock(2) on it. */
  giveFile(path: string, uid: number, gid: number): void;
  /** Makes the soft VF DIR/vf<index> anew. The caller sees to it that MACs differ. ENOSPC and the like. */
  softVfCreate(dir: string, index: number, mac: string, mtu: number, model: string): void;
  /** EPROTO: the file is no soft VF. */
  softVfShow(path: string): SoftVfState;
  softVfDestroy(path: string): void;
  /** Whose the file is, its permission bits, and whether somebody holds flock(2) on it now. Follows no symlink. */
  lookAtFile(path: string): { readonly uid: number; readonly mode: number; readonly locked: boolean };
  /** 32-bit little-endian registers of a BAR (a resource<N> file of sysfs), read-only. */
  readRegisters(path: string, offsets: readonly number[]): number[];
  /** Offsets of a VF's counters by its family, in bytes from BAR 0, from btl/regs: 32 bits each, where there are more the lower ones. */
  readonly vfRegisters: Readonly<Record<VfFamily, {
    readonly VFGPRC: number;
    readonly VFGPTC: number;
    readonly VFGORC: number;
    readonly VFGOTC: number;
  }>>;
  readonly ProcessWatch: new (onEnd: (token: number) => void) => ProcessWatch;
  /** Calls back with the subsystem ("pci", "net", "uio_vf") of each change that the kernel announces; "overflow": some were lost. */
  readonly UeventWatch: new (onEvent: (subsystem: string) => void) => { close(): void };
}

let loaded: Native | undefined;

/** Loads the addon once. Throws VFRING_ERR_ADDON. */
export function native(): Native {
  if (loaded === undefined) {
    try {
      loaded = createRequire(import.meta.url)(addonPath()) as Native;
    } catch (error) {
      throw new VfringError('VFRING_ERR_ADDON', { cause: causeText(error) }, { cause: error });
    }
  }
  return loaded;
}

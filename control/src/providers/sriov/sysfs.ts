// SPDX-License-Identifier: BSD-3-Clause
/** Reads and writes below /sys; an interface, so that tests can play the kernel. */
import { constants } from 'node:fs';
import { readFile, readdir, readlink, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { VfringError, causeText, errnoCode } from '../../errors.js';

/** All paths are relative to /sys. */
export interface Sysfs {
  /** Where it is, for messages and for mmap of resource files. */
  readonly root: string;
  /** Trimmed content; undefined when the attribute is not there or has no value now. */
  read(path: string): Promise<string | undefined>;
  /** Throws VFRING_ERR_SYSFS. */
  write(path: string, value: string): Promise<void>;
  /** Names in a folder; empty when there is none. */
  list(path: string): Promise<string[]>;
  /** Last name of what a symbolic link points to; undefined when there is none. */
  link(path: string): Promise<string | undefined>;
}

/** EINVAL: how an attribute says "no value now" (carrier of an interface that is down). */
const ABSENT = new Set(['ENOENT', 'ENOTDIR', 'ENODEV', 'EINVAL', 'ENXIO']);

export function realSysfs(root = '/sys'): Sysfs {
  const orAbsent = async <T>(what: Promise<T>, path: string, absent: T): Promise<T> => {
    try {
      return await what;
    } catch (error) {
      if (ABSENT.has(errnoCode(error) ?? '')) {
        return absent;
      }
      throw sysfsError('read', join(root, path), error);
    }
  };
  return {
    root,
    async read(path) {
      return (await orAbsent<string | undefined>(readFile(join(root, path), 'utf8'), path, undefined))?.trim();
    },
    async write(path, value) {
      try {
        // No O_CREAT: an attribute that is not there must stay an error. Not for
        // reading either: sysfs refuses that of a write-only one, even to root.
        await writeFile(join(root, path), value, { flag: constants.O_WRONLY });
      } catch (error) {
        throw sysfsError(`write "${value.trim()}" to`, join(root, path), error);
      }
    },
    list: (path) => orAbsent(readdir(join(root, path)), path, []),
    async link(path) {
      const target = await orAbsent<string | undefined>(readlink(join(root, path)), path, undefined);
      return target === undefined ? undefined : basename(target);
    },
  };
}

function sysfsError(what: string, file: string, error: unknown): VfringError {
  return new VfringError('VFRING_ERR_SYSFS', { what, file, cause: causeText(error) }, { cause: error });
}

// SPDX-License-Identifier: BSD-3-Clause
/** The ledger's file: opened, checked, and brought to the version that this release writes. */
import { lstatSync, mkdirSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import Database from 'better-sqlite3';
import { VfringError, causeText, errnoCode, isVfringError } from '../errors.js';
import { MIGRATIONS } from './migrations.js';

export type Db = Database.Database;

/** For tests: a ledger that is gone with its process. */
export const IN_MEMORY = ':memory:';

const PRIVATE_UMASK = 0o077;
const BUSY_MS = 2000;

/**
 * Opens the file, and makes it when there is none. Throws VFRING_ERR_LEDGER:
 * not writable, damaged, of a later release, or used by another process.
 */
export function openDatabase(file: string, migrations: readonly string[] = MIGRATIONS): Db {
  // The files that SQLite makes beside it are the daemon's alone, too.
  const umask = process.umask(PRIVATE_UMASK);
  let db: Db | undefined;
  try {
    if (file !== IN_MEMORY) {
      claimFolder(dirname(file));
    }
    db = new Database(file, { timeout: BUSY_MS });
    // One daemon a ledger; said first, it also keeps the index of the log off shared memory.
    db.pragma('locking_mode = EXCLUSIVE');
    // A commit is in the file when it returns, so that kill -9 loses nothing. A
    // power cut may lose the last ones; no lease outlives one either.
    db.pragma('journal_mode = WAL');
    db.pragma('synchronous = NORMAL');
    // Two waits for the disk: not while somebody waits for a lease. See Ledger.tidy().
    db.pragma('wal_autocheckpoint = 0');
    db.pragma('foreign_keys = ON');
    db.pragma('cache_size = -1024');
    migrate(db, file, migrations);
    return db;
  } catch (error) {
    db?.close();
    throw isVfringError(error) ? error : ledgerError(file, error);
  } finally {
    process.umask(umask);
  }
}

/** Of a ledger before it was brought to a later version: for who goes back to the release that wrote it. */
export const backupOf = (file: string, version: number): string => `${file}.v${version}`;

function migrate(db: Db, file: string, migrations: readonly string[]): void {
  const version = Number(db.pragma('user_version', { simple: true }));
  if (version > migrations.length) {
    throw new VfringError('VFRING_ERR_LEDGER_LATER', { file, version, reads: migrations.length, backup: backupOf(file, migrations.length) });
  }
  if (version > 0 && version < migrations.length && file !== IN_MEMORY) {
    rmSync(backupOf(file, version), { force: true });
    db.prepare('VACUUM INTO ?').run(backupOf(file, version));
  }
  db.transaction(() => {
    for (const step of migrations.slice(version)) {
      db.exec(step);
    }
    db.pragma(`user_version = ${migrations.length}`);
    const damage = db.pragma('quick_check(1)', { simple: true });
    if (damage !== 'ok') {
      throw new Error(`it is damaged: ${String(damage)}`);
    }
  }).immediate();
}

/** What others can write to would not be the daemon's word. */
function claimFolder(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  const stat = lstatSync(folder);
  if (!stat.isDirectory()) {
    throw new Error(`${folder} is not a directory`);
  }
  if (stat.uid !== process.getuid?.() || (stat.mode & 0o022) !== 0) {
    throw new Error(`others than this user can write to ${folder}`);
  }
}

export function ledgerError(file: string, error: unknown): VfringError {
  // The file is not even looked at: better-sqlite3 has compiled code, which is for one release of node.
  if (errnoCode(error) === 'ERR_DLOPEN_FAILED') {
    return new VfringError('VFRING_ERR_NODE_RELEASE', { what: 'better-sqlite3', node: process.version, cause: causeText(error) }, { cause: error });
  }
  return new VfringError('VFRING_ERR_LEDGER', { file, cause: causeText(error) }, { cause: error });
}

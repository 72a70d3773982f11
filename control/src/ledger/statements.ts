// SPDX-License-Identifier: BSD-3-Clause
/** Statements of the ledger, each prepared once. */
import type Database from 'better-sqlite3';
import type { Db } from './database.js';
import type { Row, Value } from './rows.js';

type Statement = Database.Statement<[readonly Value[]]>;

export const insertInto = (table: string, columns: readonly string[]): string =>
  `INSERT INTO ${table} (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`;

/** All methods throw what SQLite does. */
export class Statements {
  readonly #db: Db;
  readonly #known = new Map<string, Statement>();

  constructor(db: Db) {
    this.#db = db;
  }

  prepare(sql: string): Statement {
    const known = this.#known.get(sql);
    if (known !== undefined) {
      return known;
    }
    const statement = this.#db.prepare<[readonly Value[]]>(sql);
    this.#known.set(sql, statement);
    return statement;
  }

  run(sql: string, params: readonly Value[]): { readonly lastInsertRowid: number | bigint; readonly changes: number } {
    return this.prepare(sql).run(params);
  }

  all(sql: string, params: readonly Value[] = []): Row[] {
    return this.prepare(sql).all(params) as Row[];
  }
}

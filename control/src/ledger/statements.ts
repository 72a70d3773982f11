// SPDX-License-Identifier: BSD-3-Clause
/** Statements of the ledger, each prepared once. */
import type Database from 'better-sqlite3';
import type { Db } from './database.js';
import type { Row, Value } from './rows.js';

type Statement = Database.Statement<[readonly Value[]]>;

/** An INSERT of many rows costs less than as many of one. Of so many rows, most first: as many as are leased together. */
const ROWS_AT_ONCE = [17, 4, 1];

export interface Insert {
  readonly columns: number;
  /** A statement for each of ROWS_AT_ONCE. */
  readonly sql: readonly string[];
}

export function insertInto(table: string, columns: readonly string[]): Insert {
  const row = `(${columns.map(() => '?').join(', ')})`;
  const sql = ROWS_AT_ONCE.map((rows) => `INSERT INTO ${table} (${columns.join(', ')}) VALUES ${Array.from({ length: rows }, () => row).join(', ')}`);
  return { columns: columns.length, sql };
}

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

  /** @param values of all rows, one after the other */
  insert({ columns, sql }: Insert, values: readonly Value[]): void {
    let at = 0;
    ROWS_AT_ONCE.forEach((rows, i) => {
      for (const size = rows * columns; values.length - at >= size; at += size) {
        this.run(sql[i] as string, values.length === size ? values : values.slice(at, at + size));
      }
    });
  }
}

// SPDX-License-Identifier: BSD-3-Clause
/** A table that its readers sort: by the heads of its columns, or on a phone, where rows are cards, by a list. */
import type { ComponentChildren, JSX } from 'preact';
import { useState } from 'preact/hooks';
import { byName } from './format.js';

export interface Column<T> {
  readonly id: string;
  readonly title: string;
  /** For readers who do not know what it is. */
  readonly hint?: string;
  readonly numeric?: boolean;
  readonly value: (row: T) => string | number;
  /** What is shown, where that is not the value itself. */
  readonly show?: (row: T) => ComponentChildren;
}

export interface Group<T> {
  readonly id: string;
  readonly head: ComponentChildren;
  readonly rows: readonly T[];
}

interface TableProps<T> {
  readonly caption: string;
  readonly columns: readonly Column<T>[];
  readonly groups: readonly Group<T>[];
  readonly rowId: (row: T) => string;
  readonly first: { readonly column: string; readonly down: boolean };
  /** What a row opens into; undefined: nothing. */
  readonly open?: (row: T) => ComponentChildren | undefined;
  readonly empty: string;
}

export function Table<T>({ caption, columns, groups, rowId, first, open, empty }: TableProps<T>): JSX.Element {
  const [sort, setSort] = useState(first);
  const [opened, setOpened] = useState<ReadonlySet<string>>(new Set());
  const by = columns.find(({ id }) => id === sort.column) ?? columns[0];
  const turn = (column: Column<T>): void =>
    setSort({ column: column.id, down: sort.column === column.id ? !sort.down : column.numeric === true });
  const toggle = (id: string): void => {
    const next = new Set(opened);
    next.delete(id) || next.add(id);
    setOpened(next);
  };
  const sorted = (rows: readonly T[]): T[] => (by === undefined ? [...rows] : [...rows].sort((a, b) => compare(by.value(a), by.value(b)) * (sort.down ? -1 : 1) || byName(rowId(a), rowId(b))));
  const width = columns.length + (open === undefined ? 0 : 1);

  return (
    <>
      <div class="sort-list">
        <label>Sort by{' '}
          <select value={sort.column} onChange={(event) => setSort({ ...sort, column: event.currentTarget.value })}>
            {columns.map(({ id, title }) => <option key={id} value={id}>{title}</option>)}
          </select>
        </label>
        <button type="button" onClick={() => setSort({ ...sort, down: !sort.down })} aria-label={sort.down ? 'Largest first; change to smallest first' : 'Smallest first; change to largest first'}>{sort.down ? '↓' : '↑'}</button>
      </div>
      <table>
        <caption class="unseen">{caption}</caption>
        <thead>
          <tr>
            {open && <th class="opener"><span class="unseen">Details</span></th>}
            {columns.map((column) => (
              <th key={column.id} scope="col" class={column.numeric ? 'numeric' : ''} aria-sort={sort.column !== column.id ? 'none' : sort.down ? 'descending' : 'ascending'}>
                <button type="button" onClick={() => turn(column)} title={column.hint}>
                  {column.title}<span class="arrow" aria-hidden="true">{sort.column !== column.id ? '' : sort.down ? '▼' : '▲'}</span>
                </button>
              </th>
            ))}
          </tr>
        </thead>
        {groups.map((group) => (
          <tbody key={group.id}>
            {group.head !== undefined && <tr class="group"><th scope="rowgroup" colSpan={width}>{group.head}</th></tr>}
            {sorted(group.rows).map((row) => {
              const id = rowId(row);
              const details = open?.(row);
              const isOpen = opened.has(id) && details !== undefined;
              return [
                <tr key={id} class={isOpen ? 'opened' : ''}>
                  {open && (
                    <td class="opener">
                      {details !== undefined && <button type="button" aria-expanded={isOpen} aria-label={`Details of ${id}`} onClick={() => toggle(id)}>{isOpen ? '▾' : '▸'}</button>}
                    </td>
                  )}
                  {columns.map((column, i) => {
                    const content = column.show === undefined ? column.value(row) : column.show(row);
                    const Cell = i === 0 ? 'th' : 'td';
                    return <Cell key={column.id} scope={i === 0 ? 'row' : undefined} class={column.numeric ? 'numeric' : ''} data-title={column.title}>{content}</Cell>;
                  })}
                </tr>,
                isOpen && <tr key={`${id} details`} class="details"><td colSpan={width}>{details}</td></tr>,
              ];
            })}
          </tbody>
        ))}
        {groups.every(({ rows }) => rows.length === 0) && <tbody><tr class="empty"><td colSpan={width}>{empty}</td></tr></tbody>}
      </table>
    </>
  );
}

const compare = (a: string | number, b: string | number): number => (typeof a === 'number' && typeof b === 'number' ? a - b : byName(String(a), String(b)));

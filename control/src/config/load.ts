// SPDX-License-Identifier: BSD-3-Clause
/** Reads a configuration; every problem is found at once, each with its place. */
import { readFile } from 'node:fs/promises';
import { LineCounter, isMap, isScalar, parseDocument, type Document, type Node } from 'yaml';
import type * as z from 'zod';
import { VfringError, causeText } from '../errors.js';
import { configSchema, type Config } from './schema.js';

/** One thing wrong with a configuration. */
export interface ConfigProblem {
  readonly file: string;
  /** 1-based. */
  readonly line: number;
  readonly column: number;
  /** "provider.sriov.pf[0].vfs"; empty for the file as a whole. */
  readonly field: string;
  readonly message: string;
}

export type ConfigResult =
  | { readonly ok: true; readonly config: Config }
  | { readonly ok: false; readonly problems: readonly ConfigProblem[] };

/** Throws VFRING_ERR_CONFIG_READ or VFRING_ERR_CONFIG with all problems. */
export async function loadConfig(file: string): Promise<Config> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    throw new VfringError('VFRING_ERR_CONFIG_READ', { file, cause: causeText(error) }, { cause: error });
  }
  const result = parseConfig(text, file);
  if (!result.ok) {
    const problems = result.problems.map(formatProblem).join('\n');
    throw new VfringError('VFRING_ERR_CONFIG', { problems, file });
  }
  return result.config;
}

export function formatProblem(problem: ConfigProblem): string {
  const field = problem.field === '' ? '' : `${problem.field}: `;
  return `${problem.file}:${problem.line}:${problem.column}: ${field}${problem.message}`;
}

/** Checks the text of a configuration. `file` is for messages only. */
export function parseConfig(text: string, file: string): ConfigResult {
  const lines = new LineCounter();
  // Aliases are no use here, and a few of them can blow up to gigabytes.
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, version: '1.2' });
  const at = (offset: number): { line: number; column: number } => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  if (document.errors.length > 0) {
    const problems = document.errors.map((error) => ({
      file,
      ...at(error.pos[0]),
      field: '',
      message: `not valid YAML: ${causeText(error)}; indent with spaces, one "key: value" a line`,
    }));
    return { ok: false, problems };
  }
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: 0 });
  } catch (error) {
    const message = `${causeText(error)}: write the value out instead of an alias (*name)`;
    return { ok: false, problems: [{ file, line: 1, column: 1, field: '', message }] };
  }
  const parsed = configSchema.safeParse(value);
  if (parsed.success) {
    return { ok: true, config: parsed.data };
  }
  const problems = parsed.error.issues.flatMap((issue) =>
    spread(issue, value).map(({ path, message }) => ({
      file,
      ...at(offsetOf(document, path)),
      field: fieldName(path),
      message,
    })),
  );
  return { ok: false, problems };
}

type Path = readonly PropertyKey[];

/** One problem a field: zod names all unknown keys of a map in one issue. */
function spread(issue: z.core.$ZodIssue, value: unknown): { path: Path; message: string }[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      path: [...issue.path, key],
      message: 'unknown field; docs/configuration.md lists the fields, check the spelling and the indentation',
    }));
  }
  if (issue.path.length > 0 && valueAt(value, issue.path) === undefined) {
    return [{ path: issue.path, message: `missing: ${issue.message}` }];
  }
  return [{ path: issue.path, message: issue.message }];
}

function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>((at, key) => (at as Record<PropertyKey, unknown> | null | undefined)?.[key], value);
}

function fieldName(path: Path): string {
  return path
    .map((part, i) => (typeof part === 'number' ? `[${part}]` : i === 0 ? String(part) : `.${String(part)}`))
    .join('');
}

/** Where a field stands; for a missing one, where the map stands that lacks it. */
function offsetOf(document: Document, path: Path): number {
  for (let length = path.length; length >= 0; length--) {
    const node = nodeAt(document, path.slice(0, length));
    const offset = node?.range?.[0];
    if (offset !== undefined) {
      return offset;
    }
  }
  return 0;
}

function nodeAt(document: Document, path: Path): Node | null | undefined {
  const parent = document.getIn(path.slice(0, -1), true);
  const last = path.at(-1);
  if (last !== undefined && isMap(parent)) {
    const pair = parent.items.find((item) => isScalar(item.key) && item.key.value === last);
    return pair?.key as Node | undefined;
  }
  return document.getIn(path, true) as Node | null | undefined;
}

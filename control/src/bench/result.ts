// SPDX-License-Identifier: BSD-3-Clause
/** What `vfring bench` writes and reads: raw rows of each launch, and under which conditions they came about. Figures are made of it anew each time. */
import { readFile } from 'node:fs/promises';
import * as z from 'zod';
import { VfringError, causeText } from '../errors.js';

/** Raised when a reader of the old one would misread the new one. */
export const RESULT_VERSION = 1;
const FORMAT = 'vfring-bench';

const load = z.tuple([z.number(), z.number(), z.number()]);

/** A row of a program, by its own names. null: the number of values does not tell it. */
const rowSchema = z.record(z.string(), z.union([z.number(), z.string(), z.null()]));

const launchSchema = z.object({
  /** From 1. What is of one round was measured one after the other. */
  round: z.int(),
  benchmark: z.string(),
  transport: z.string(),
  argv: z.array(z.string()),
  seconds: z.number(),
  /** Of the last minute, when it began. */
  load: z.number(),
  ok: z.boolean(),
  /** Why it is not. */
  failure: z.string().nullable(),
  /** What was measured; of a launch that failed, until then. */
  rows: z.array(rowSchema),
});

const transportSchema = z.object({
  name: z.string(),
  title: z.string(),
  /** What is to be known of it, such as VFs and MTU: name and value. */
  facts: z.array(z.tuple([z.string(), z.string()])),
});

export const resultSchema = z.object({
  format: z.literal(FORMAT),
  version: z.literal(RESULT_VERSION),
  /** Of vfring. */
  release: z.string(),
  /** running: it still runs, or was killed. */
  state: z.enum(['running', 'complete', 'interrupted', 'failed']),
  /** Why it is not complete. */
  why: z.string().nullable(),
  started_at: z.string(),
  ended_at: z.string().nullable(),
  command: z.array(z.string()),
  ranks: z.int(),
  launches_wanted: z.int(),
  quick: z.boolean(),
  /** Empty: this one. */
  hosts: z.array(z.string()),
  benchmarks: z.array(z.string()),
  transports: z.array(transportSchema),
  /** Transports that could not be measured. */
  skipped: z.array(z.object({ transport: z.string(), why: z.string(), remedy: z.string() })),
  conditions: z.array(z.tuple([z.string(), z.string()])),
  /** Averages over 1, 5 and 15 minutes. */
  load_before: load,
  load_after: load.nullable(),
  processors: z.int(),
  launches: z.array(launchSchema),
});

export type Row = z.output<typeof rowSchema>;
export type Launch = z.output<typeof launchSchema>;
export type TransportFacts = z.output<typeof transportSchema>;
export type Result = z.output<typeof resultSchema>;
export type Load = z.output<typeof load>;

/** What is the same for every result of this release. */
export const HEAD = { format: FORMAT, version: RESULT_VERSION } as const;

/** Throws VFRING_ERR_BENCH_RESULT. */
export async function readResult(file: string): Promise<Result> {
  const failed = (cause: string, error?: unknown): VfringError => new VfringError('VFRING_ERR_BENCH_RESULT', { file, cause }, { cause: error });
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    throw failed(causeText(error), error);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw failed(text.trim() === '' ? 'it is empty' : `it is no JSON: ${causeText(error)}`, error);
  }
  const head = z.object({ format: z.literal(FORMAT), version: z.number(), release: z.string() }).safeParse(value);
  if (!head.success) {
    throw failed('it was not written by vfring bench');
  }
  const { version, release } = head.data;
  if (version !== RESULT_VERSION) {
    throw failed(`release ${release} wrote it in version ${version} of the format, and this release reads version ${RESULT_VERSION}`);
  }
  const parsed = resultSchema.safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw failed(`${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'it is damaged'}`);
  }
  return parsed.data;
}

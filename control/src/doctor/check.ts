// SPDX-License-Identifier: BSD-3-Clause
/** What a check of the doctor is, and how all are run. */
import type { StatusView } from '../api/views.js';
import type { OneSidedTrouble } from '../mpi/open-mpi.js';
import type { Config } from '../config/schema.js';
import { causeText, isVfringError } from '../errors.js';
import type { Exec } from '../exec.js';
import type { LimitBytes } from '../libc.js';
import type { NodeStat } from '../providers/node-ops.js';
import type { Sysfs } from '../providers/sriov/sysfs.js';

/** ok: as it should be. warn: works, but not well. fail: must be mended. unknown: could not be looked at. */
export type Verdict = 'ok' | 'warn' | 'fail' | 'unknown';

export interface Finding {
  readonly verdict: Verdict;
  /** What was seen. */
  readonly cause: string;
  /** What to do; empty when there is nothing to do. */
  readonly remedy: string;
}

/** The machine, as far as checks look at it; tests play it. */
export interface Patient {
  readonly sysfs: Sysfs;
  /** Text of a file outside /sys; undefined when it is not there or may not be read. */
  readonly file: (path: string) => string | undefined;
  readonly exec: Exec;
  readonly release: string;
  readonly config: Config | undefined;
  /** Why there is no configuration. */
  readonly configTrouble: string | undefined;
  /** There is no file to read, or not for this user. */
  readonly configUnread: boolean;
  readonly status: StatusView | undefined;
  /** Why the daemon did not answer. */
  readonly statusTrouble: string | undefined;
  /** What to do about that, where it is known. */
  readonly statusRemedy: string | undefined;
  readonly memlock: () => LimitBytes;
  readonly stat: (path: string) => Promise<NodeStat>;
  /** Throws, with message and remedy, when Open MPI or the BTL is missing. Returns what was found, the BTL's release, and what its installation keeps from one-sided operations. */
  readonly openMpi: () => Promise<{ readonly found: string; readonly btl: string; readonly oneSided: OneSidedTrouble | undefined }>;
  readonly softTool: string;
}

export interface Check {
  readonly id: string;
  readonly title: string;
  /** Of which provider; both when it is left out. */
  readonly only?: 'sriov' | 'soft';
  readonly run: (patient: Patient) => Promise<readonly Finding[]> | readonly Finding[];
}

export interface Report extends Finding {
  readonly check: string;
  readonly title: string;
}

export const ok = (cause: string): Finding => ({ verdict: 'ok', cause, remedy: '' });
export const warn = (cause: string, remedy: string): Finding => ({ verdict: 'warn', cause, remedy });
export const fail = (cause: string, remedy: string): Finding => ({ verdict: 'fail', cause, remedy });
export const unknown = (cause: string, remedy = ''): Finding => ({ verdict: 'unknown', cause, remedy });

/** In order. A check that breaks down is itself a finding. */
export async function examine(checks: readonly Check[], patient: Patient): Promise<Report[]> {
  const { config, status } = patient;
  // What vfringd says counts where its configuration is another than the one that was looked at.
  const kind = config === undefined ? (status?.provider ?? 'sriov') : config.provider.soft === undefined ? 'sriov' : 'soft';
  const reports: Report[] = [];
  for (const { id, title, only, run } of checks) {
    if (only !== undefined && only !== kind) {
      continue;
    }
    let findings: readonly Finding[];
    try {
      findings = await run(patient);
    } catch (error) {
      findings = [isVfringError(error) ? fail(error.message, error.remedy) : unknown(`this could not be checked: ${causeText(error)}`, 'run vfring doctor as root')];
    }
    reports.push(...findings.map((finding) => ({ check: id, title, ...finding })));
  }
  return reports;
}

export function reportText(reports: readonly Report[]): string {
  const word: Record<Verdict, string> = { ok: 'ok     ', warn: 'WARN   ', fail: 'FAIL   ', unknown: 'unknown' };
  const lines = reports.map(({ verdict, title, cause, remedy }) => `${word[verdict]}  ${title}: ${cause}${remedy === '' ? '' : `\n         remedy: ${remedy}`}`);
  const count = (verdict: Verdict): number => reports.filter((report) => report.verdict === verdict).length;
  return [...lines, `${count('fail')} to mend, ${count('warn')} warnings, ${count('unknown')} not known, ${count('ok')} ok`].join('\n');
}

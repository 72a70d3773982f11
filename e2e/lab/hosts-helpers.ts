// SPDX-License-Identifier: BSD-3-Clause
/** What the tests on several hosts share. */

export const programs = '/usr/libexec/vfring';

export interface Launch {
  /** As mpirun's `--host` takes them. */
  readonly hosts: string;
  readonly ranks: number;
  readonly btl?: string;
  /** More MCA parameters. */
  readonly mca?: Readonly<Record<string, string>>;
  /** More options of mpirun. */
  readonly options?: readonly string[];
}

/** mpirun as the user types it; nothing but the BTLs named, vfring by default, may carry messages. */
export function mpirunOn({ hosts, ranks, btl = 'self,vfring', mca = {}, options = [] }: Launch, ...program: string[]): string[] {
  const parameters = Object.entries({ pml: 'ob1', btl, ...mca }).flatMap(([name, value]) => ['--mca', name, value]);
  return ['mpirun', '-n', String(ranks), '--host', hosts, ...options, ...parameters, ...program];
}

// SPDX-License-Identifier: BSD-3-Clause
/** Brings suites that vitest runs natively (control/tests) into a running guest, each program as one file. */
import { Readable } from 'node:stream';
import { build } from 'esbuild';
import { join } from 'node:path';
import type { Guest } from '../../lab/src/guest.js';
import { StepError, buildDir, root, step } from './steps.js';

/** Beside what is installed: the native addon and koffi are found from there. */
const GUEST_DIR = '/usr/lib/vfring/control/tests';

/** Returns the paths of the programs in the guest, by the names of their sources in control/tests/lab. */
export async function copySuitesTo(guest: Guest, names: readonly string[]): Promise<string[]> {
  const lab = join(root, 'control', 'tests', 'lab');
  const outdir = join(buildDir, 'suites');
  await step('bundle the suites', () => build({
    entryPoints: names.map((name) => join(lab, `${name}.ts`)),
    outdir,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    alias: { vitest: join(lab, 'vitest.ts') },
    external: ['koffi', 'better-sqlite3'],
    banner: { js: "import { createRequire as makeRequire } from 'node:module'; const require = makeRequire(import.meta.url);" },
    logLevel: 'warning',
  }));
  const { execa } = await import('execa');
  const { stdout: tar } = await execa('tar', ['-c', '-C', outdir, ...names.map((name) => `${name}.mjs`)], { encoding: 'buffer' });
  const result = await guest.exec({
    argv: ['sh', '-c', `mkdir -p ${GUEST_DIR} && tar -x -C ${GUEST_DIR}`],
    stdin: Readable.from([Buffer.from(tar)]),
  });
  if (result.status !== 0) {
    throw new StepError(`the suites could not be copied into the guest: ${result.stderr}`);
  }
  return names.map((name) => `${GUEST_DIR}/${name}.mjs`);
}

// SPDX-License-Identifier: BSD-3-Clause
/**
 * The native build: everything compiled for this machine and installed under
 * build/prefix, from where demo and tests run it. Soft VFs take the place of
 * hardware; nothing outside build/ is touched.
 */
import { existsSync, mkdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { delimiter, join } from 'node:path';
import { execa } from 'execa';
import { ensurePackages } from './packages.js';
import { StepError, buildDir, logged, root, step } from './steps.js';

export const prefix = join(buildDir, 'prefix');
export const mcaDir = join(prefix, 'lib', 'openmpi');
export const programs = join(prefix, 'libexec', 'vfring');
const jobs = `-j${availableParallelism()}`;

/** Configures once and runs make with `target` in build/NAME. */
async function make(name: string, configureArgs: readonly string[], targets: readonly string[]): Promise<string> {
  const dir = join(buildDir, name);
  mkdirSync(dir, { recursive: true });
  if (!existsSync(join(root, 'configure'))) {
    await step('autoreconf', () => logged('autogen', './autogen.sh', [], { cwd: root }));
  }
  if (!existsSync(join(dir, 'config.status'))) {
    await step(`configure (${name})`, () => logged(`configure-${name}`, join(root, 'configure'), configureArgs, { cwd: dir }));
  }
  await step(`make ${targets.join(' ')} (${name})`, () => logged(`make-${name}`, 'make', [jobs, ...targets], { cwd: dir }));
  return dir;
}

/** Builds and installs BTL, tools, MPI tests, daemon and CLI under build/prefix. */
export async function buildNative(): Promise<void> {
  await ensurePackages();
  await make('native', [`--prefix=${prefix}`, `--with-mca-dir=${mcaDir}`], ['install']);
  await step('install control (vfringd, vfring)', () =>
    logged('install-control', process.execPath, [
      '--import', 'tsx', join(root, 'control', 'install', 'install.ts'), '--destdir', '/', '--prefix', prefix,
    ], { cwd: root }));
}

/** `make check` in build/NAME; its output, whether it passes or not. */
export async function makeCheck(name: 'native' | 'sanitizers'): Promise<{ ok: boolean; output: string }> {
  const args = name === 'native'
    ? [`--prefix=${prefix}`, `--with-mca-dir=${mcaDir}`]
    : ['--disable-mpi', '--enable-sanitizers'];
  const dir = await make(name, args, ['all']);
  const result = await step(`make check (${name})`, () =>
    execa('make', [jobs, '-k', 'check', 'VERBOSE=1'], { cwd: dir, reject: false, stdin: 'ignore', all: true }));
  return { ok: result.exitCode === 0, output: result.all ?? '' };
}

/** Environment in which `vfring` and `mpirun --mca btl self,vfring` just work. */
export async function nativeEnv(runDir: string): Promise<NodeJS.ProcessEnv> {
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    PATH: [join(prefix, 'bin'), join(prefix, 'sbin'), programs, process.env['PATH'] ?? ''].join(delimiter),
    VFRING_RUN_DIR: runDir,
    // Our component folder, then Open MPI's own; see control/src/mpi/open-mpi.ts for the name.
    OMPI_MCA_opal_mca_base_component_path: [mcaDir, await openMpiPath('pkglibdir')].join(':'),
  };
  if (process.getuid?.() === 0) {
    // Open MPI refuses root unless told twice; this environment is for tests and demo only.
    env['OMPI_ALLOW_RUN_AS_ROOT'] = '1';
    env['OMPI_ALLOW_RUN_AS_ROOT_CONFIRM'] = '1';
  }
  return env;
}

/** One of the folders that ompi_info knows. */
export async function openMpiPath(name: string): Promise<string> {
  const { stdout, exitCode } = await execa('ompi_info', ['--parsable', '--path', name], { reject: false });
  const path = /^path:[^:]*:(.*)$/m.exec(stdout ?? '')?.[1];
  if (exitCode !== 0 || path === undefined) {
    throw new StepError('ompi_info does not run: apt-get install openmpi-bin');
  }
  return path;
}

/** Open MPI's version on this machine, for messages. */
export async function openMpiVersion(): Promise<string> {
  const { stdout, exitCode } = await execa('mpirun', ['--version'], { reject: false });
  if (exitCode !== 0) {
    throw new StepError('mpirun does not run: apt-get install openmpi-bin');
  }
  return (stdout ?? '').split('\n')[0] ?? '';
}

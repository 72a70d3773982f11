// SPDX-License-Identifier: BSD-3-Clause
/** Debian packages that the native build and its tests need. */
import { execa } from 'execa';
import { StepError, logged, step } from './steps.js';

const NATIVE_PACKAGES = [
  'autoconf', 'automake', 'g++', 'gcc', 'libc6-dev', 'libjansson-dev', 'libopenmpi-dev', 'libtool', 'make',
  'openmpi-bin', 'pkg-config', 'strace', 'netpipe-openmpi', 'hpcc',
  // Programs of others for the end-to-end tests.
  'lammps', 'python3-mpi4py', 'python3-numpy', 'scalapack-mpi-test', 'valgrind',
  // For the tests of the wire protocol: model checker, fuzzer, dissector.
  'spin', 'clang', 'libclang-rt-dev', 'tshark',
  // Shells whose completion is tested.
  'fish', 'zsh',
] as const;

async function missing(names: readonly string[]): Promise<string[]> {
  const { stdout } = await execa('dpkg-query', ['-W', '-f=${Package} ${Status}\n', ...names], { reject: false });
  const installed = new Set(
    (stdout ?? '').split('\n').filter((line) => line.endsWith(' install ok installed')).map((line) => line.split(' ')[0]),
  );
  return names.filter((name) => !installed.has(name));
}

/** Command and arguments to run something as root; empty when we are root. */
export async function asRoot(): Promise<readonly string[]> {
  if (process.getuid?.() === 0) {
    return [];
  }
  const { exitCode } = await execa('sudo', ['-n', 'true'], { reject: false });
  if (exitCode !== 0 && !process.stdin.isTTY) {
    throw new StepError('this step needs root: run it as root, or as a user who may use sudo without a password');
  }
  return ['sudo'];
}

/** Installs what is missing; does nothing, and needs no root, when nothing is. */
export async function ensurePackages(names: readonly string[] = NATIVE_PACKAGES): Promise<void> {
  const wanted = await missing(names);
  if (wanted.length === 0) {
    return;
  }
  const [file, ...args] = [...(await asRoot()), 'env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get'];
  await step(`install Debian packages: ${wanted.join(' ')}`, async () => {
    const install = [...args, 'install', '-y', '--no-install-recommends', ...wanted];
    try {
      await logged('apt-install', file as string, install);
    } catch {
      // The package lists may be missing or old: fetch them once.
      await logged('apt-update', file as string, [...args, 'update']);
      await logged('apt-install', file as string, install);
    }
  });
}

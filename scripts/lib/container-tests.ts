// SPDX-License-Identifier: BSD-3-Clause
/** MPI in containers of rootless podman, over soft VFs. */
import { join } from 'node:path';
import { execa } from 'execa';
import { openMpiPath, prefix } from '../../tools/native.js';
import { asRoot, ensurePackages } from '../../tools/packages.js';
import { root } from '../../tools/steps.js';
import { tallyOfLines, type Tally } from './tally.js';

/** The script wants to be the first process of namespaces of its own. */
const NAMESPACES = ['unshare', '--mount', '--propagation', 'private', '--pid', '--fork', '--kill-child', '--mount-proc'];

export async function containerTests(): Promise<Tally> {
  await ensurePackages(['podman', 'crun', 'uidmap', 'catatonit', 'jq', 'python3-mpi4py']);
  const [file, ...args] = [...(await asRoot()), ...NAMESPACES, 'sh', join(root, 'e2e', 'containers', 'rootless.sh'), 'soft', prefix, await openMpiPath('pkglibdir')];
  const result = await execa(file as string, args, { reject: false, stdin: 'ignore', stdout: ['pipe', 'inherit'], stderr: 'inherit' });
  return tallyOfLines(result.stdout, result.exitCode === 0);
}

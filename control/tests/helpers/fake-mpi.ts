// SPDX-License-Identifier: BSD-3-Clause
/** An Open MPI that only looks like one. */
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export function script(path: string, body: string): void {
  writeFileSync(path, `#!/bin/sh\n${body}\n`);
  chmodSync(path, 0o755);
}

/** A folder with an mpirun that notes its arguments and then does `body`. */
export function fakeOpenMpi(dir: string, body: string, version = '5.0.7', btlIn: 'components' | 'prefix' | 'nowhere' = 'components', info = '') {
  const bin = join(dir, 'bin');
  const components = join(dir, 'components');
  const prefix = join(dir, 'prefix');
  [bin, components, join(prefix, 'lib', 'openmpi')].forEach((folder) => mkdirSync(folder, { recursive: true }));
  script(
    join(bin, 'mpirun'),
    `if [ "$1" = --version ]; then echo "mpirun (Open MPI) ${version}"; exit 0; fi
printf '%s\\n' "$@" > ${dir}/arguments
env > ${dir}/environment
${body}`,
  );
  script(join(bin, 'ompi_info'), `echo path:pkglibdir:${components}
printf '%b\\n' '${info}'`);
  if (btlIn !== 'nowhere') {
    writeFileSync(join(btlIn === 'components' ? components : join(prefix, 'lib', 'openmpi'), 'mca_btl_vfring.so'), '');
  }
  return { mpirun: join(bin, 'mpirun'), components, prefix };
}

// SPDX-License-Identifier: BSD-3-Clause
/** The part of the catalogue of errors (errors.ts) that vfring bench has. */
import { EXIT } from './exit.js';

export const BENCH_ERRORS = {
  VFRING_ERR_BENCH_TRANSPORT: {
    exit: EXIT.UNAVAILABLE,
    message: '{transport} cannot be measured: {cause}',
    remedy: '{remedy}',
  },
  VFRING_ERR_BENCH_PROGRAM: {
    exit: EXIT.UNAVAILABLE,
    message: 'the program {program} that measures is not in {folder}',
    remedy: 'install the programs: make install in the source folder, with an MPI compiler (mpicc)',
  },
  VFRING_ERR_BENCH_FAILED: {
    exit: EXIT.OS,
    message: '{failed} of {all} launches failed; the first, {which}: {cause}',
    remedy: 'run it by hand: vfring bench --verbose shows the command of each launch; what was measured is kept',
  },
  VFRING_ERR_BENCH_OUTPUT: {
    exit: EXIT.CANT_CREATE,
    message: 'cannot write {file}: {cause}',
    remedy: '{remedy}',
  },
  VFRING_ERR_BENCH_RESULT: {
    exit: EXIT.DATA,
    message: '{file} is no result that can be read: {cause}',
    remedy: 'name a file that this release of vfring bench has written, with the ending .json',
  },
} as const;

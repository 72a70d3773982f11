// SPDX-License-Identifier: BSD-3-Clause
/**
 * Imported first by both programs: node opens its debugger at SIGUSR1, on a
 * port that every user of the machine may connect to, unless somebody listens
 * for the signal. SIGUSR2 would end the program. Neither means anything here;
 * `vfring run` hands both on to mpirun.
 */
for (const signal of ['SIGUSR1', 'SIGUSR2'] as const) {
  process.on(signal, () => {});
}

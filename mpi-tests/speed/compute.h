/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Work that does not call MPI, to see what goes on meanwhile.
 */
#ifndef MPI_TESTS_COMPUTE_H
#define MPI_TESTS_COMPUTE_H

#include <stdint.h>

/** Rounds of work that take about @p us microseconds; the first call measures how fast they are. */
uint64_t mt_compute_rounds(double us);

/** Works. It is a number of rounds, not a time: who is taken off the processor works no less. */
void mt_compute(uint64_t rounds);

#endif /* MPI_TESTS_COMPUTE_H */

/* SPDX-License-Identifier: BSD-3-Clause */
#include "compute.h"

#include <mpi.h>

#define CALIBRATION_ROUNDS 20000u
#define CALIBRATIONS 20

static volatile double result; /* so that nobody leaves the work out */

void mt_compute(uint64_t rounds)
{
    double x = result;

    for (uint64_t i = 0; i < rounds; i++) {
        x = x * 0.999 + 0.5; /* each round waits for the one before */
    }
    result = x;
}

uint64_t mt_compute_rounds(double us)
{
    static double rounds_a_us;

    /* The fastest of several is the one that nothing disturbed. */
    for (int i = 0; rounds_a_us == 0 || (i > 0 && i < CALIBRATIONS); i++) {
        const double begin = MPI_Wtime();
        double rate;

        mt_compute(CALIBRATION_ROUNDS);
        rate = CALIBRATION_ROUNDS / ((MPI_Wtime() - begin) * 1e6);
        rounds_a_us = rate > rounds_a_us ? rate : rounds_a_us;
    }
    return (uint64_t) (us * rounds_a_us) + 1;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* How a process waits: btl_vfring_wait. */
#include "mpi_check.h"

#include <string.h>
#include <time.h>

enum { TAG = 7, ROUNDS = 200 };

static double processor_s(void)
{
    struct timespec ts;

    (void) clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (double) ts.tv_sec + (double) ts.tv_nsec * 1e-9;
}

/*
 * Rank 1 waits until it has slept, which it tells rank 0, who sleeps meanwhile as well: this
 * hangs if they do not. With "spin" nobody sleeps, ever.
 */
void wait_asleep(const char *how)
{
    unsigned long long sleeps = read_pvar("btl_vfring_sleeps"); /* Open MPI counts from the first look */
    const int spin = !strcmp(how, "spin");
    char byte = 0;

    MPI_Barrier(MPI_COMM_WORLD);
    for (int i = 0; i < ROUNDS; i++) {
        if (rank == 1) {
            MPI_Request request;
            int there = 0;

            MPI_Irecv(&byte, 1, MPI_BYTE, 0, TAG, MPI_COMM_WORLD, &request);
            for (long polls = 0; spin ? polls < 1000 : read_pvar("btl_vfring_sleeps") == sleeps; polls++) {
                MPI_Test(&request, &there, MPI_STATUS_IGNORE);
                bad |= there; /* nobody has sent it yet */
            }
            sleeps = read_pvar("btl_vfring_sleeps");
            MPI_Send(&byte, 1, MPI_BYTE, 0, TAG, MPI_COMM_WORLD);
            MPI_Wait(&request, MPI_STATUS_IGNORE);
        } else if (rank == 0) {
            MPI_Recv(&byte, 1, MPI_BYTE, 1, TAG, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
            MPI_Send(&byte, 1, MPI_BYTE, 1, TAG, MPI_COMM_WORLD);
        }
    }
    bad |= spin && read_pvar("btl_vfring_sleeps") != 0;
}

/* Who computes between its looks for a message is not put to sleep. */
void wait_computes(void)
{
    unsigned long long sleeps;
    MPI_Request request;
    char byte = 0;
    int there = 0;

    (void) read_pvar("btl_vfring_sleeps");
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank == 1) {
        MPI_Irecv(&byte, 1, MPI_BYTE, 0, TAG, MPI_COMM_WORLD, &request);
        for (int i = 0; i < 20; i++) { /* what came before counts for the first look yet */
            MPI_Test(&request, &there, MPI_STATUS_IGNORE);
        }
        sleeps = 0;
        for (int i = 0; i < 400; i++) {
            const double start_s = processor_s();

            while (processor_s() - start_s < 100e-6) {
                /* computes */
            }
            if (i == 16) {
                sleeps = read_pvar("btl_vfring_sleeps");
            }
            MPI_Test(&request, &there, MPI_STATUS_IGNORE);
        }
        bad |= read_pvar("btl_vfring_sleeps") != sleeps || there;
        MPI_Send(&byte, 1, MPI_BYTE, 0, TAG, MPI_COMM_WORLD);
        MPI_Wait(&request, MPI_STATUS_IGNORE);
    } else if (rank == 0) {
        MPI_Recv(&byte, 1, MPI_BYTE, 1, TAG, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        MPI_Send(&byte, 1, MPI_BYTE, 1, TAG, MPI_COMM_WORLD);
    }
}

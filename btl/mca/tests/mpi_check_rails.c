/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages for as long as somebody outside likes, who kills rails meanwhile and makes them work again. */
#include "mpi_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TAG = 9, LARGE = 300000 };

static const int sizes[] = {8, 8, 8, 500, 1400, 10000, 60000, LARGE};

static void paint(unsigned char *data, int bytes, int round, int from)
{
    for (int i = 0; i < bytes; i++) {
        data[i] = (unsigned char) (i * 31 + round * 7 + from);
    }
}

/* All sizes, both ways at once between neighbours, with other contents each time. */
static void talk(int round)
{
    static unsigned char out[LARGE], in[LARGE], want[LARGE];
    const int next = (rank + 1) % size, before = (rank + size - 1) % size;

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        paint(out, sizes[i], round, rank);
        paint(want, sizes[i], round, before);
        memset(in, 0, (size_t) sizes[i]);
        MPI_Sendrecv(out, sizes[i], MPI_BYTE, next, TAG, in, sizes[i], MPI_BYTE, before, TAG, MPI_COMM_WORLD,
                     MPI_STATUS_IGNORE);
        bad |= memcmp(in, want, (size_t) sizes[i]) != 0;
    }
}

/* What a tool sees of each rail: both are there, and are counted apart. */
static void check_variables(void)
{
    unsigned long long works[3], links[3];

    bad |= read_pvar("btl_vfring_rails") != 2;
    read_rails("btl_vfring_rail_works", works, 3);
    read_rails("btl_vfring_rail_link_downs", links, 3);
    bad |= works[0] != 1 || works[1] != 1 || works[2] != 0 || links[0] || links[1];
}

void rails(const char *until)
{
    int over = 0;

    check_variables();
    for (int round = 0; !over; round++) {
        talk(round);
        over = rank == 0 && access(until, F_OK) == 0;
        MPI_Bcast(&over, 1, MPI_INT, 0, MPI_COMM_WORLD);
    }
}

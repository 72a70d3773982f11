/* SPDX-License-Identifier: BSD-3-Clause */
#include "everywhere.h"

struct everywhere at;

void everywhere(void (*body)(void))
{
    enum { WORLD, REVERSED, HALF, NUM_COMMS };
    static const char *const names[NUM_COMMS] = {"world", "reversed", "odd or even"};
    MPI_Comm comms[NUM_COMMS] = {MPI_COMM_WORLD};

    MT_MPI(MPI_Comm_split(MPI_COMM_WORLD, 0, -mt.rank, &comms[REVERSED]));
    MT_MPI(MPI_Comm_split(MPI_COMM_WORLD, mt.rank % 2, 0, &comms[HALF]));
    if (mt.ranks > MAX_RANKS) {
        mt_fail("at most %d ranks", MAX_RANKS);
    }
    for (int i = 0; i < 2 * NUM_COMMS; i++) {
        at.comm = comms[i / 2];
        at.name = names[i / 2];
        at.nonblocking = i % 2 == 1;
        at.round++;
        MT_MPI(MPI_Comm_rank(at.comm, &at.rank));
        MT_MPI(MPI_Comm_size(at.comm, &at.size));
        body();
    }
    MT_MPI(MPI_Comm_free(&comms[REVERSED]));
    MT_MPI(MPI_Comm_free(&comms[HALF]));
}

static char what_text[128];

const char *what(const char *operation)
{
    snprintf(what_text, sizeof(what_text), "%s%s on %s", at.nonblocking ? "nonblocking " : "",
             operation, at.name);
    return what_text;
}

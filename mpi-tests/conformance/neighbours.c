/* SPDX-License-Identifier: BSD-3-Clause */
#include "neighbours.h"

/* Below 32768, which any MPI takes, and above what the tests use. */
enum { TAG_UP = 32000, TAG_DOWN };

int above(void)
{
    return (mt.rank + 1) % mt.ranks;
}

int below(void)
{
    return (mt.rank + mt.ranks - 1) % mt.ranks;
}

uint64_t neighbour_key(int sender, unsigned number)
{
    return mt_key(mt.options.seed + 3, (uint64_t) sender, 0, number);
}

void check_from_below(struct mt_buffer *in, const MPI_Status *status, size_t bytes,
                      unsigned number, const char *what)
{
    mt_expect_bytes(status, bytes, what);
    mt_expect_number(status->MPI_SOURCE, below(), "source in the status", number);
    mt_expect(in->data, bytes, neighbour_key(below(), number), what, below(), number);
    mt_expect_rest(in, bytes, what, number);
}

void neighbours_handshake(void)
{
    MT_MPI(MPI_Sendrecv(NULL, 0, MPI_BYTE, above(), TAG_UP, NULL, 0, MPI_BYTE, below(), TAG_UP,
                        MPI_COMM_WORLD, MPI_STATUS_IGNORE));
    MT_MPI(MPI_Sendrecv(NULL, 0, MPI_BYTE, below(), TAG_DOWN, NULL, 0, MPI_BYTE, above(), TAG_DOWN,
                        MPI_COMM_WORLD, MPI_STATUS_IGNORE));
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Parts of mpi_check: very many operations at a time, and receives that are too short. */
#include "mpi_check.h"

#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PLACES 64

static char byte_of(int number, size_t at)
{
    return (char) (number * 31 + (int) (at * 7) + (int) (at >> 8));
}

static void fill_places(char *to, size_t bytes)
{
    for (int place = 0; place < PLACES; place++) {
        for (size_t i = 0; i < bytes; i++) {
            to[(size_t) place * bytes + i] = byte_of(place, i);
        }
    }
}

static void check_places(const char *got, size_t bytes, int num)
{
    for (int place = 0; place < PLACES && place < num; place++) {
        for (size_t i = 0; i < bytes; i++) {
            bad |= got[(size_t) place * bytes + i] != byte_of(place, i);
        }
    }
}

/* Rank 0 begins @p num sends to rank 1 before it waits for any; with @p late rank 1 receives them one by one. */
static void many_sends(char *out, char *in, size_t bytes, int num, int late)
{
    MPI_Request *requests = malloc((size_t) num * sizeof(*requests));
    int begun = 0;

    for (int i = 0; i < num && rank < 2 && !(rank == 1 && late); i++) {
        const size_t at = (size_t) (i % PLACES) * bytes;

        if (rank == 0) {
            MPI_Isend(out + at, (int) bytes, MPI_BYTE, 1, 1, MPI_COMM_WORLD, &requests[i]);
        } else {
            MPI_Irecv(in + at, (int) bytes, MPI_BYTE, 0, 1, MPI_COMM_WORLD, &requests[i]);
        }
        begun++;
    }
    if (rank == 1 && late) {
        (void) usleep(200000);
        for (int i = 0; i < num; i++) {
            MPI_Recv(in + (size_t) (i % PLACES) * bytes, (int) bytes, MPI_BYTE, 0, 1, MPI_COMM_WORLD,
                     MPI_STATUS_IGNORE);
        }
    }
    MPI_Waitall(begun, requests, MPI_STATUSES_IGNORE);
    free(requests);
    if (rank == 1) {
        check_places(in, bytes, num);
    }
}

/* Rank 0 begins @p num gets from, or puts to, rank 1's window in one epoch. */
static void many_onesided(char *out, char *in, size_t bytes, int num, int put)
{
    char *const ours = put ? in : out; /* the window */
    MPI_Win window;

    MPI_Win_create(ours, (MPI_Aint) (PLACES * bytes), 1, MPI_INFO_NULL, MPI_COMM_WORLD, &window);
    MPI_Win_fence(0, window);
    for (int i = 0; i < num && rank == 0; i++) {
        const size_t at = (size_t) (i % PLACES) * bytes;

        if (put) {
            MPI_Put(out + at, (int) bytes, MPI_BYTE, 1, (MPI_Aint) at, (int) bytes, MPI_BYTE, window);
        } else {
            MPI_Get(in + at, (int) bytes, MPI_BYTE, 1, (MPI_Aint) at, (int) bytes, MPI_BYTE, window);
        }
    }
    MPI_Win_fence(0, window);
    if (rank == (put ? 1 : 0)) {
        check_places(in, bytes, num);
    }
    MPI_Win_free(&window);
}

void many(const char *kind, int num, size_t bytes)
{
    char *out = malloc(PLACES * bytes), *in = calloc(PLACES, bytes);
    const double start = MPI_Wtime();

    fill_places(out, bytes);
    MPI_Barrier(MPI_COMM_WORLD);
    if (!strcmp(kind, "sends") || !strcmp(kind, "late")) {
        many_sends(out, in, bytes, num, !strcmp(kind, "late"));
    } else if (!strcmp(kind, "gets") || !strcmp(kind, "puts")) {
        many_onesided(out, in, bytes, num, !strcmp(kind, "puts"));
    } else {
        bad = 1;
    }
    MPI_Barrier(MPI_COMM_WORLD);
    bad |= read_pvar("btl_vfring_reg_peak_bytes") > (4u << 20); /* btl_vfring_rcache_bytes */
    if (rank == 0) {
        printf("%d %s of %zu bytes: %.3f s\n", num, kind, bytes, MPI_Wtime() - start);
    }
    free(out);
    free(in);
}

/* --- receives that are too short --------------------------------------------------------- */

enum { SHORT_MOST = 3000000, GUARD = 65536 };

/* @p gap: the receive has gaps, so that a convertor has to unpack. */
static void short_receive(char *out, char *in, int bytes, int room, int unexpected, int gap)
{
    const int to = (rank + 1) % size, from = (rank + size - 1) % size;
    MPI_Datatype type = MPI_BYTE;
    MPI_Request send, receive;
    const int stride = gap ? 2 : 1;
    int rc;

    if (gap) {
        MPI_Type_create_resized(MPI_BYTE, 0, 2, &type);
        MPI_Type_commit(&type);
    }
    memset(in, 0x55, (size_t) room * (size_t) stride + GUARD);
    if (unexpected) {
        MPI_Isend(out, bytes, MPI_BYTE, to, 7, MPI_COMM_WORLD, &send);
        MPI_Barrier(MPI_COMM_WORLD);
    }
    MPI_Irecv(in, room, type, from, 7, MPI_COMM_WORLD, &receive);
    if (!unexpected) {
        MPI_Barrier(MPI_COMM_WORLD);
        MPI_Isend(out, bytes, MPI_BYTE, to, 7, MPI_COMM_WORLD, &send);
    }
    rc = MPI_Wait(&receive, MPI_STATUS_IGNORE);
    if (rc != MPI_SUCCESS) {
        MPI_Error_class(rc, &rc);
    }
    if (rc != MPI_ERR_TRUNCATE) {
        printf("rank %d: %d bytes into %d: error class %d\n", rank, bytes, room, rc);
        bad = 1;
    }
    MPI_Wait(&send, MPI_STATUS_IGNORE);
    for (int i = room * stride; i < room * stride + GUARD; i++) {
        if (in[i] != 0x55) {
            printf("rank %d: %d bytes into %d: wrote past the end\n", rank, bytes, room);
            bad = 1;
            break;
        }
    }
    if (gap) {
        MPI_Type_free(&type);
    }
}

/*
 * A receive that is shorter than its message is an error of the receive, and
 * leaves what lies behind it alone, whatever way the message takes; and what
 * comes next is right.
 */
void short_receives(void)
{
    static const int sizes[] = {2, 1000, 1459, 16000, 16384, 16385, 20000, 32768, 40000, 65536, 65537,
                                131072, 300000, 1048576, SHORT_MOST};
    char *out = malloc(SHORT_MOST), *in = malloc(2 * SHORT_MOST + GUARD);

    memset(out, 7, SHORT_MOST);
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        const int rooms[] = {0, 1, sizes[i] / 2, sizes[i] - 1};

        for (int k = 0; k < 4; k++) {
            short_receive(out, in, sizes[i], rooms[k], k % 2, (int) i % 3 == 0);
        }
    }
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_ARE_FATAL);
    free(out);
    free(in);
    (void) exchange(NULL);
}

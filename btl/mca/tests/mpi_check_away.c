/* SPDX-License-Identifier: BSD-3-Clause */
/* Peers that are away: stopped, held, asleep outside of MPI. */
#include "mpi_check.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Without MPI, so that nothing is acknowledged, until @p file is there. */
static void sleep_until(const char *file)
{
    while (access(file, F_OK)) {
        (void) usleep(2000);
    }
}

/* --- a peer that does not answer ------------------------------------------------------ */

/* Rank 1 stops for good, while rank 0 waits for it. */
void freeze(void)
{
    char byte = 0;

    exchange(NULL);
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank == 1) {
        (void) raise(SIGSTOP);
    }
    if (rank == 0) {
        MPI_Send(&byte, 1, MPI_BYTE, 1, 6, MPI_COMM_WORLD);
        MPI_Recv(&byte, 1, MPI_BYTE, 1, 6, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    } else {
        MPI_Recv(&byte, 1, MPI_BYTE, 0, 6, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        MPI_Send(&byte, 1, MPI_BYTE, 0, 6, MPI_COMM_WORLD);
    }
}

/*
 * Rank 1 writes its process id to @p file and is stopped: by itself, or, while
 * it computes, by somebody else, who also lets it go on. Messages of all kinds
 * wait for it meanwhile, and it has sent some itself.
 */
void stopped(const char *file, int by_itself)
{
    enum { NUM = 300, LARGE = 40 };
    MPI_Request requests[2 * NUM];
    char *in[NUM], *out[NUM];

    exchange(NULL);
    for (int i = 0; i < NUM; i++) {
        const size_t bytes = i % LARGE ? (size_t) some_size(i) : 1 << 20;

        in[i] = malloc(bytes + 1);
        out[i] = malloc(bytes + 1);
        fill(out[i], bytes, (unsigned) (rank * NUM + i));
        MPI_Irecv(in[i], (int) bytes, MPI_BYTE, !rank, i, MPI_COMM_WORLD, &requests[i]);
        MPI_Isend(out[i], (int) bytes, MPI_BYTE, !rank, i, MPI_COMM_WORLD, &requests[NUM + i]);
    }
    if (rank == 1) {
        FILE *to = fopen(file, "w");

        if (!to || fprintf(to, "%d\n", (int) getpid()) < 0 || fclose(to)) {
            bad = 1;
        } else if (by_itself) {
            (void) raise(SIGSTOP);
        } else {
            char over[512];

            (void) snprintf(over, sizeof(over), "%s.over", file);
            sleep_until(over);
        }
    }
    MPI_Waitall(2 * NUM, requests, MPI_STATUSES_IGNORE);
    for (int i = 0; i < NUM; i++) {
        const size_t bytes = i % LARGE ? (size_t) some_size(i) : 1 << 20;

        bad |= differs(in[i], bytes, (unsigned) (!rank * NUM + i));
        free(in[i]);
        free(out[i]);
    }
    exchange(NULL);
}

/* --- peers that sleep, and others that do not ------------------------------------------- */

enum { SMALL_MESSAGES = 2000, MIDDLE = 40, MIDDLE_BYTES = 15000, LARGE_BYTES = 4 << 20 };

static void sleeper(const char *file, char *large)
{
    MPI_Request requests[2];
    char *in = malloc(MIDDLE_BYTES), *out = malloc(LARGE_BYTES);
    int number, flag;

    /* Bytes of a large message are on their way when this process falls asleep, and it has asked for none. */
    fill(out, LARGE_BYTES, (unsigned) rank);
    MPI_Irecv(large, LARGE_BYTES, MPI_BYTE, 0, 1, MPI_COMM_WORLD, &requests[0]);
    MPI_Isend(out, LARGE_BYTES, MPI_BYTE, 0, 5, MPI_COMM_WORLD, &requests[1]);
    MPI_Recv(&number, 1, MPI_INT, 0, 2, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    MPI_Test(&requests[0], &flag, MPI_STATUS_IGNORE);
    MPI_Ssend(&number, 1, MPI_INT, 0, 2, MPI_COMM_WORLD); /* has left when that is over */
    sleep_until(file);
    for (int i = 0; i < SMALL_MESSAGES; i++) {
        long long wanted = i, got;

        MPI_Recv(&got, 8, MPI_BYTE, 0, 3, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        bad |= got != wanted;
    }
    for (int i = 0; i < MIDDLE; i++) {
        MPI_Recv(in, MIDDLE_BYTES, MPI_BYTE, 0, 4, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        bad |= differs(in, MIDDLE_BYTES, (unsigned) (rank + i));
    }
    MPI_Waitall(2, requests, MPI_STATUSES_IGNORE);
    bad |= differs(large, LARGE_BYTES, 0);
    free(in);
    free(out);
}

/*
 * Rank 0 has messages of every kind for ranks that sleep, and then talks to the
 * last one, which is awake. They wake up when that is over: if what is queued for
 * them held up the others, nobody would ever go on.
 */
void sleepers(const char *file)
{
    const int awake = size - 1;
    char *large = malloc(LARGE_BYTES), *in = malloc(LARGE_BYTES), *back = malloc(LARGE_BYTES);
    static MPI_Request requests[64][2 + MIDDLE];
    char *middle[MIDDLE];

    (void) read_pvar("btl_vfring_tx_queued");
    if (rank != 0 && rank != awake) {
        sleeper(file, in);
    }
    fill(large, LARGE_BYTES, 0);
    for (int to = 1; to < awake && rank == 0; to++) {
        MPI_Irecv(back, LARGE_BYTES, MPI_BYTE, to, 5, MPI_COMM_WORLD, &requests[to][0]);
        MPI_Isend(large, LARGE_BYTES, MPI_BYTE, to, 1, MPI_COMM_WORLD, &requests[to][1]);
        MPI_Send(&to, 1, MPI_INT, to, 2, MPI_COMM_WORLD);
        MPI_Recv(in, 1, MPI_INT, to, 2, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        for (long long i = 0; i < SMALL_MESSAGES; i++) {
            MPI_Send(&i, 8, MPI_BYTE, to, 3, MPI_COMM_WORLD);
        }
        for (int i = 0; i < MIDDLE; i++) {
            middle[i] = malloc(MIDDLE_BYTES);
            fill(middle[i], MIDDLE_BYTES, (unsigned) (to + i));
            MPI_Isend(middle[i], MIDDLE_BYTES, MPI_BYTE, to, 4, MPI_COMM_WORLD, &requests[to][2 + i]);
        }
    }
    for (int i = 0; i < 200 && (rank == 0 || rank == awake); i++) {
        const int bytes = i % 50 == 49 ? LARGE_BYTES : i % 10 == 9 ? MIDDLE_BYTES : 8;

        for (int turn = 0; turn < 2; turn++) {
            if ((rank == 0) == (turn == 0)) {
                MPI_Send(large, bytes, MPI_BYTE, awake - rank, 6, MPI_COMM_WORLD);
            } else {
                MPI_Recv(in, bytes, MPI_BYTE, awake - rank, 6, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
                bad |= differs(in, (size_t) bytes, 0);
            }
        }
    }
    if (rank == awake) {
        FILE *f = fopen(file, "w");

        bad |= !f || fclose(f);
    }
    /* More than there are slots did wait. */
    bad |= rank == 0 && read_pvar("btl_vfring_tx_queued") < SMALL_MESSAGES / 2;
    for (int to = 1; to < awake && rank == 0; to++) {
        MPI_Waitall(2 + MIDDLE, requests[to], MPI_STATUSES_IGNORE);
    }
    free(large);
    free(in);
    free(back);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Collectives by size: time of the slowest rank, blocking and nonblocking; of the
 * nonblocking ones also which part of it is hidden behind computing.
 *
 * The size is what each rank brings: for allgather and alltoall, to each other
 * rank. Reductions add numbers of 4 bytes. Rank 0 is root.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "series.h"

static const struct mt_program program = {
    .name = "colltimes",
    .doc = "Collectives by size, blocking and nonblocking: time of the slowest rank, and how much of it computing hides."
           "\vOverlap is the part of the time that is hidden behind a computation of the same length.",
    .known = MT_SERIES_OPTIONS,
    .least_bytes = 1,
    .size_bits = 2,
    .defaults = {.min_bytes = 4, .max_bytes = 1024 * 1024, .seed = 1},
};

#define ROOT 0

enum collective { ALLREDUCE, REDUCE, BCAST, ALLTOALL, ALLTOALLV, ALLGATHER, BARRIER };

static struct mt_buffer out;
static struct mt_buffer in;
static int *counts;  /* of alltoallv, in bytes; the same for all */
static int *offsets;
static MPI_Request request;
static bool late;           /* we come late to the barrier */
static double moments[2];   /* when we entered it, and left */
static char *hosts;         /* of all ranks */

static void set_up(size_t largest, unsigned per_run)
{
    (void) per_run;
    if (largest > INT_MAX / (size_t) mt.ranks) {
        mt_fail("blocks of %zu bytes for %d ranks are more than MPI can address by int: choose a smaller --max",
                largest, mt.ranks);
    }
    out = mt_buffer_new(largest * (size_t) mt.ranks);
    in = mt_buffer_new(largest * (size_t) mt.ranks);
    counts = mt_calloc((size_t) mt.ranks, sizeof(counts[0]));
    offsets = mt_calloc((size_t) mt.ranks, sizeof(offsets[0]));
    hosts = mt_calloc((size_t) mt.ranks, sizeof(mt.host));
    MT_MPI(MPI_Allgather(mt.host, sizeof(mt.host), MPI_CHAR, hosts, sizeof(mt.host), MPI_CHAR, MPI_COMM_WORLD));
}

static void clean_up(void)
{
    mt_buffer_free(&out);
    mt_buffer_free(&in);
    free(counts);
    free(offsets);
    free(hosts);
}

static bool reduces(const struct mt_operation *op)
{
    return op->what == ALLREDUCE || op->what == REDUCE;
}

/** Of the block that one rank sends to another. */
static uint64_t key_of(uint64_t number, size_t bytes, int from, int to)
{
    return mt_key(mt.options.seed, number, bytes, (uint64_t) from * (uint64_t) mt.ranks + (uint64_t) to);
}

/** A rank's numbers: whole ones and small, so that their sum is exact in whatever order. */
static float number_of(uint64_t key, size_t index)
{
    return (float) (mt_key(key, index, 0, 0) & 0xff);
}

/** The bytes that arrive at this rank. */
static size_t arriving(const struct mt_operation *op, size_t bytes)
{
    switch ((enum collective) op->what) {
    case ALLTOALL:
    case ALLTOALLV:
    case ALLGATHER:
        return bytes * (size_t) mt.ranks;
    case REDUCE:
        return mt.rank == ROOT ? bytes : 0;
    case BARRIER:
        return 0;
    default:
        return bytes;
    }
}

static void prepare(const struct mt_operation *op, size_t bytes, uint64_t number)
{
    const int own = mt.rank;

    late = op->what == BARRIER && number < MT_FIRST_MEASURED && own == (int) (number % (uint64_t) mt.ranks);
    mt_buffer_poison(&in, in.bytes);
    for (int rank = 0; rank < mt.ranks; rank++) {
        counts[rank] = (int) bytes;
        offsets[rank] = rank * (int) bytes;
    }
    if (reduces(op)) {
        for (size_t i = 0; i < bytes / sizeof(float); i++) {
            ((float *) (void *) out.data)[i] = number_of(key_of(number, bytes, own, 0), i);
        }
    } else if (op->what == ALLTOALL || op->what == ALLTOALLV) {
        for (int to = 0; to < mt.ranks; to++) {
            mt_pattern_fill(out.data + (size_t) offsets[to], bytes, key_of(number, bytes, own, to));
        }
    } else if (op->what == BCAST && own == ROOT) {
        mt_pattern_fill(in.data, bytes, key_of(number, bytes, ROOT, 0)); /* sent from where others receive */
    } else {
        mt_pattern_fill(out.data, bytes, key_of(number, bytes, own, 0));
    }
}

/** The same clock for all ranks of a host. */
static double now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double) ts.tv_sec + (double) ts.tv_nsec * 1e-9;
}

static void enter(void)
{
    if (late) {
        nanosleep(&(struct timespec) {.tv_nsec = 5000000}, NULL);
    }
    moments[0] = now();
}

static void run(const struct mt_operation *op, size_t bytes)
{
    const int count = (int) bytes;
    const int numbers = count / (int) sizeof(float);
    const MPI_Comm all = MPI_COMM_WORLD;

    switch ((enum collective) op->what) {
    case ALLREDUCE:
        MT_MPI(MPI_Allreduce(out.data, in.data, numbers, MPI_FLOAT, MPI_SUM, all));
        break;
    case REDUCE:
        MT_MPI(MPI_Reduce(out.data, in.data, numbers, MPI_FLOAT, MPI_SUM, ROOT, all));
        break;
    case BCAST:
        MT_MPI(MPI_Bcast(in.data, count, MPI_BYTE, ROOT, all));
        break;
    case ALLTOALL:
        MT_MPI(MPI_Alltoall(out.data, count, MPI_BYTE, in.data, count, MPI_BYTE, all));
        break;
    case ALLTOALLV:
        MT_MPI(MPI_Alltoallv(out.data, counts, offsets, MPI_BYTE, in.data, counts, offsets, MPI_BYTE, all));
        break;
    case ALLGATHER:
        MT_MPI(MPI_Allgather(out.data, count, MPI_BYTE, in.data, count, MPI_BYTE, all));
        break;
    case BARRIER:
        enter();
        MT_MPI(MPI_Barrier(all));
        moments[1] = now();
        break;
    }
}

static void start(const struct mt_operation *op, size_t bytes)
{
    const int count = (int) bytes;
    const int numbers = count / (int) sizeof(float);
    const MPI_Comm all = MPI_COMM_WORLD;

    switch ((enum collective) op->what) {
    case ALLREDUCE:
        MT_MPI(MPI_Iallreduce(out.data, in.data, numbers, MPI_FLOAT, MPI_SUM, all, &request));
        break;
    case REDUCE:
        MT_MPI(MPI_Ireduce(out.data, in.data, numbers, MPI_FLOAT, MPI_SUM, ROOT, all, &request));
        break;
    case BCAST:
        MT_MPI(MPI_Ibcast(in.data, count, MPI_BYTE, ROOT, all, &request));
        break;
    case ALLTOALL:
        MT_MPI(MPI_Ialltoall(out.data, count, MPI_BYTE, in.data, count, MPI_BYTE, all, &request));
        break;
    case ALLTOALLV:
        MT_MPI(MPI_Ialltoallv(out.data, counts, offsets, MPI_BYTE, in.data, counts, offsets, MPI_BYTE, all,
                              &request));
        break;
    case ALLGATHER:
        MT_MPI(MPI_Iallgather(out.data, count, MPI_BYTE, in.data, count, MPI_BYTE, all, &request));
        break;
    case BARRIER:
        enter();
        MT_MPI(MPI_Ibarrier(all, &request));
        break;
    }
}

static void wait_for(const struct mt_operation *op, size_t bytes)
{
    (void) bytes;
    MT_MPI(MPI_Wait(&request, MPI_STATUS_IGNORE));
    if (op->what == BARRIER) {
        moments[1] = now();
    }
}

static void check_sums(const struct mt_operation *op, size_t bytes, uint64_t number)
{
    const float *found = (const float *) (const void *) in.data;

    for (size_t i = 0; i < bytes / sizeof(float); i++) {
        float sum = 0;

        for (int rank = 0; rank < mt.ranks; rank++) {
            sum += number_of(key_of(number, bytes, rank, 0), i);
        }
        if (found[i] != sum) {
            mt_fail("%s, %zu bytes, iteration %u: number %zu is %g, the sum is %g", op->name, bytes,
                    (unsigned) number, i, (double) found[i], (double) sum);
        }
    }
}

/* Nobody leaves before everybody has entered: moments of one host can be compared. */
static void check_barrier(const struct mt_operation *op, unsigned iteration)
{
    double *all = mt_calloc(2 * (size_t) mt.ranks, sizeof(all[0]));

    MT_MPI(MPI_Allgather(moments, 2, MPI_DOUBLE, all, 2, MPI_DOUBLE, MPI_COMM_WORLD));
    for (int other = 0; other < mt.ranks; other++) {
        if (strcmp(hosts + (size_t) other * sizeof(mt.host), mt.host) == 0 && all[2 * other] > moments[1]) {
            mt_fail("%s, iteration %u: left it before rank %d had entered", op->name, iteration, other);
        }
    }
    free(all);
}

static void check(const struct mt_operation *op, size_t bytes, uint64_t number, unsigned runs)
{
    const unsigned iteration = (unsigned) number;

    (void) runs;
    switch ((enum collective) op->what) {
    case ALLREDUCE:
    case REDUCE:
        if (op->what == ALLREDUCE || mt.rank == ROOT) {
            check_sums(op, bytes, number);
        }
        break;
    case BCAST:
        mt_expect(in.data, bytes, key_of(number, bytes, ROOT, 0), op->name, ROOT, iteration);
        break;
    case ALLTOALL:
    case ALLTOALLV:
    case ALLGATHER:
        for (int from = 0; from < mt.ranks; from++) {
            mt_expect(in.data + (size_t) offsets[from], bytes,
                      key_of(number, bytes, from, op->what == ALLGATHER ? 0 : mt.rank), op->name, from, iteration);
        }
        break;
    case BARRIER:
        check_barrier(op, iteration);
        break;
    }
    mt_expect_rest(&in, arriving(op, bytes), op->name, iteration);
}

#define BLOCKING(word, collective, unit)                                                                    \
    {.name = word, .prepare = prepare, .run = run, .check = check, .per_run = 1, .unit_bytes = unit,        \
     .no_data = collective == BARRIER, .what = collective}
#define NONBLOCKING(word, collective, unit)                                                                 \
    {.name = word, .prepare = prepare, .start = start, .wait = wait_for, .check = check, .per_run = 1,      \
     .unit_bytes = unit, .no_data = collective == BARRIER, .what = collective}

static const struct mt_operation operations[] = {
    BLOCKING("barrier", BARRIER, 0),
    BLOCKING("bcast", BCAST, 0),
    BLOCKING("reduce", REDUCE, sizeof(float)),
    BLOCKING("allreduce", ALLREDUCE, sizeof(float)),
    BLOCKING("allgather", ALLGATHER, 0),
    BLOCKING("alltoall", ALLTOALL, 0),
    BLOCKING("alltoallv", ALLTOALLV, 0),
    NONBLOCKING("ibarrier", BARRIER, 0),
    NONBLOCKING("ibcast", BCAST, 0),
    NONBLOCKING("ireduce", REDUCE, sizeof(float)),
    NONBLOCKING("iallreduce", ALLREDUCE, sizeof(float)),
    NONBLOCKING("iallgather", ALLGATHER, 0),
    NONBLOCKING("ialltoall", ALLTOALL, 0),
    NONBLOCKING("ialltoallv", ALLTOALLV, 0),
};

int main(int argc, char **argv)
{
    static const struct mt_series all = {
        .operations = operations,
        .count = sizeof(operations) / sizeof(operations[0]),
        .set_up = set_up,
        .clean_up = clean_up,
    };

    return mt_series_main(argc, argv, &program, &all);
}

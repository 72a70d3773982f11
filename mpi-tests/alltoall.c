/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Everybody to everybody: MPI_Alltoall(), MPI_Alltoallv() with a length of its
 * own for each pair, and the same by hand: two messages for each pair with
 * MPI_Isend() and MPI_Irecv(), sent in a random order of receivers. Each byte
 * of each block is compared.
 */
#include "common.h"

#include <limits.h>
#include <stdlib.h>

static const struct mt_program program = {
    .name = "alltoall",
    .doc = "MPI_Alltoall, MPI_Alltoallv and messages between all pairs, every byte checked."
           "\vThe time is that of the slowest rank.",
    .known = MT_OPT_SIZES | MT_OPT_SAMPLES,
    .defaults = {.max_bytes = 64 * 1024, .samples = 5, .seed = 1},
};

static const struct mt_column columns[] = {
    {"bytes", 0},     {"operation", MT_TEXT}, {"samples", 0},
    {"median_us", 3}, {"min_us", 3},          {"max_us", 3},
};
#define NUM_COLUMNS (sizeof(columns) / sizeof(columns[0]))

#define MESSAGES_A_PAIR 2

struct operation {
    const char *name;
    bool uneven;     /* each pair has a length of its own */
    int blocks;      /* a pair */
    void (*run)(void);
};

static struct mt_buffer send_buffer;
static struct mt_buffer recv_buffer;

/* By block: rank * MESSAGES_A_PAIR + message, or by rank. In bytes. */
static int *send_counts;
static int *send_offsets;
static int *recv_counts;
static int *recv_offsets;
static MPI_Request *requests;
static int *order; /* of receivers */

static void run_alltoall(void)
{
    MT_MPI(MPI_Alltoall(send_buffer.data, send_counts[0], MPI_BYTE, recv_buffer.data,
                        recv_counts[0], MPI_BYTE, MPI_COMM_WORLD));
}

static void run_alltoallv(void)
{
    MT_MPI(MPI_Alltoallv(send_buffer.data, send_counts, send_offsets, MPI_BYTE, recv_buffer.data,
                         recv_counts, recv_offsets, MPI_BYTE, MPI_COMM_WORLD));
}

/** The two messages of a pair have one tag: MPI must keep their order. */
static void run_pairs(void)
{
    int count = 0;

    for (int block = 0; block < mt.ranks * MESSAGES_A_PAIR; block++) {
        MT_MPI(MPI_Irecv(recv_buffer.data + recv_offsets[block], recv_counts[block], MPI_BYTE,
                         block / MESSAGES_A_PAIR, 1, MPI_COMM_WORLD, &requests[count++]));
    }
    for (int i = 0; i < mt.ranks; i++) {
        for (int message = 0; message < MESSAGES_A_PAIR; message++) {
            const int block = order[i] * MESSAGES_A_PAIR + message;

            MT_MPI(MPI_Isend(send_buffer.data + send_offsets[block], send_counts[block], MPI_BYTE,
                             order[i], 1, MPI_COMM_WORLD, &requests[count++]));
        }
    }
    MT_MPI(MPI_Waitall(count, requests, MPI_STATUSES_IGNORE));
}

static const struct operation operations[] = {
    {"alltoall", false, 1, run_alltoall},
    {"alltoallv", true, 1, run_alltoallv},
    {"pairs", true, MESSAGES_A_PAIR, run_pairs},
};
#define NUM_OPERATIONS (sizeof(operations) / sizeof(operations[0]))

/** The key of one block, the same at both ends. */
static uint64_t block_key(unsigned sample, size_t bytes, int from, int to, int message)
{
    const uint64_t pair = (uint64_t) from * (uint64_t) mt.ranks + (uint64_t) to;
    return mt_key(mt.options.seed + (uint64_t) message, sample, bytes, pair);
}

static int block_bytes(const struct operation *op, unsigned sample, size_t bytes, int from, int to,
                       int message)
{
    uint64_t state = ~block_key(sample, bytes, from, to, message);
    return (int) (op->uneven ? mt_random_upto(&state, bytes) : bytes);
}

/** Fisher and Yates. */
static void shuffle_order(unsigned sample, size_t bytes)
{
    uint64_t state = mt_key(mt.options.seed, sample, bytes, (uint64_t) mt.rank);

    for (int i = 0; i < mt.ranks; i++) {
        const int j = (int) mt_random_upto(&state, (uint64_t) i);

        order[i] = order[j];
        order[j] = i;
    }
}

/** Lays the blocks out, fills those to send. Returns the bytes to be received. */
static size_t prepare(const struct operation *op, unsigned sample, size_t bytes)
{
    int sent = 0;
    int received = 0;

    for (int block = 0; block < mt.ranks * op->blocks; block++) {
        const int peer = block / op->blocks;
        const int message = block % op->blocks;

        send_counts[block] = block_bytes(op, sample, bytes, mt.rank, peer, message);
        send_offsets[block] = sent;
        mt_pattern_fill(send_buffer.data + sent, (size_t) send_counts[block],
                        block_key(sample, bytes, mt.rank, peer, message));
        sent += send_counts[block];
        recv_counts[block] = block_bytes(op, sample, bytes, peer, mt.rank, message);
        recv_offsets[block] = received;
        received += recv_counts[block];
    }
    mt_buffer_poison(&recv_buffer, (size_t) received);
    shuffle_order(sample, bytes);
    return (size_t) received;
}

static void check(const struct operation *op, unsigned sample, size_t bytes, size_t received)
{
    for (int block = 0; block < mt.ranks * op->blocks; block++) {
        const int peer = block / op->blocks;

        mt_expect(recv_buffer.data + recv_offsets[block], (size_t) recv_counts[block],
                  block_key(sample, bytes, peer, mt.rank, block % op->blocks), op->name, peer,
                  sample);
    }
    mt_expect_guards(&recv_buffer, received, op->name, sample);
}

static void test(const struct operation *op, size_t bytes)
{
    const unsigned num_samples = mt.options.samples;
    double *samples = mt_calloc(num_samples, sizeof(samples[0]));
    double *slowest = mt_calloc(num_samples, sizeof(slowest[0]));

    for (unsigned i = 0; i < num_samples; i++) {
        const size_t received = prepare(op, i, bytes);
        double begin;

        MT_MPI(MPI_Barrier(MPI_COMM_WORLD));
        begin = MPI_Wtime();
        op->run();
        samples[i] = (MPI_Wtime() - begin) * 1e6;
        check(op, i, bytes, received);
    }
    MT_MPI(MPI_Reduce(samples, slowest, (int) num_samples, MPI_DOUBLE, MPI_MAX, 0, MPI_COMM_WORLD));
    if (mt.rank == 0) {
        const struct mt_stats stats = mt_stats(slowest, num_samples);
        const union mt_value row[NUM_COLUMNS] = {
            {.number = (double) bytes}, {.text = op->name},    {.number = num_samples},
            {.number = stats.median},   {.number = stats.min}, {.number = stats.max},
        };
        mt_report_row(&mt.report, row);
    }
    free(samples);
    free(slowest);
}

static void allocate(size_t largest)
{
    const size_t blocks = (size_t) mt.ranks * MESSAGES_A_PAIR;

    if (largest > INT_MAX / blocks) {
        mt_fail("blocks of %zu bytes for %d ranks are more than MPI can address by int: choose a"
                " smaller --max",
                largest, mt.ranks);
    }
    send_buffer = mt_buffer_new(blocks * largest);
    recv_buffer = mt_buffer_new(blocks * largest);
    send_counts = mt_calloc(blocks, sizeof(int));
    send_offsets = mt_calloc(blocks, sizeof(int));
    recv_counts = mt_calloc(blocks, sizeof(int));
    recv_offsets = mt_calloc(blocks, sizeof(int));
    requests = mt_calloc(2 * blocks, sizeof(requests[0]));
    order = mt_calloc((size_t) mt.ranks, sizeof(int));
}

static void release(void)
{
    mt_buffer_free(&send_buffer);
    mt_buffer_free(&recv_buffer);
    free(send_counts);
    free(send_offsets);
    free(recv_counts);
    free(recv_offsets);
    free(requests);
    free(order);
}

int main(int argc, char **argv)
{
    size_t *sizes;
    size_t num_sizes;
    size_t largest = 0;

    if (!mt_start(argc, argv, &program)) {
        return mt_exit_status;
    }
    sizes = mt_sizes(&mt.options, &num_sizes);
    for (size_t i = 0; i < num_sizes; i++) {
        largest = sizes[i] > largest ? sizes[i] : largest;
    }
    allocate(largest);
    if (mt.rank == 0) {
        mt_report_columns(&mt.report, columns, NUM_COLUMNS);
    }
    for (size_t i = 0; i < num_sizes; i++) {
        for (size_t j = 0; j < NUM_OPERATIONS; j++) {
            test(&operations[j], sizes[i]);
        }
    }
    release();
    free(sizes);
    return mt_finish("%zu sizes, %zu operations, every byte checked", num_sizes, NUM_OPERATIONS);
}

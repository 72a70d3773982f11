/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Ping-pong between pairs of ranks: half the round-trip time by message size.
 *
 * The first messages of a program cost more: connections are made, and rings and
 * buffers are touched for the first time. They are played before the first size and not measured.
 *
 * For each size there are two phases. In the checked one every message has
 * contents of its own and all its bytes are compared, in both directions, for
 * receives that are posted before the message and for messages that come
 * before their receive; buffers move through all alignments. In the timed one
 * the round trips follow each other without a pause; each message is stamped
 * with its number, and the last one of a sample is compared as a whole (with
 * --check-all: each one). Behind them come round trips that are timed one by one, for
 * the percentiles: each has the clock's own cost in it.
 */
#include "common.h"

#include <stdlib.h>

enum { TAG_DATA = 1, TAG_GO };

/** Round trips before the first measurement: more than a transport has slots in its rings. */
#define FIRST_ROUND_TRIPS 600

static const struct mt_program program = {
    .name = "pingpong",
    .doc = "Half round-trip time by message size, every byte checked."
           "\vWith more than two ranks, rank r plays with rank r + N/2, all pairs at the same"
           " time; the figures are over all pairs. MB are 10^6 bytes.",
    .known = MT_OPT_SIZES | MT_OPT_SAMPLES | MT_OPT_ITERS | MT_OPT_CHECK | MT_OPT_UNTIL,
    .defaults = {.max_bytes = 4 * 1024 * 1024, .samples = 11, .seed = 1},
};

static const struct mt_column columns[] = {
    {"bytes", 0},  {"iters", 0},    {"median_us", 3}, {"min_us", 3},
    {"max_us", 3}, {"p50_us", 3},   {"p99_us", 3},    {"p999_us", 3},
    {"mb_per_s", 2}, {"checked", 0},
};
#define NUM_COLUMNS (sizeof(columns) / sizeof(columns[0]))

static struct mt_buffer send_buffer;
static struct mt_buffer recv_buffer;
static int partner;

static unsigned iters_for(size_t bytes)
{
    unsigned iters = bytes <= 8192 ? 1000 : bytes <= 65536 ? 200 : bytes <= 1024 * 1024 ? 30 : 10;

    if (mt.options.iters != 0) {
        return mt.options.iters;
    }
    return mt.options.quick ? (iters + 9) / 10 : iters;
}

static void send_empty(int tag)
{
    MT_MPI(MPI_Send(NULL, 0, MPI_BYTE, partner, tag, MPI_COMM_WORLD));
}

static void recv_empty(int tag)
{
    MT_MPI(MPI_Recv(NULL, 0, MPI_BYTE, partner, tag, MPI_COMM_WORLD, MPI_STATUS_IGNORE));
}

/** One checked message to the partner. */
static void send_checked(size_t bytes, bool preposted, unsigned iteration)
{
    MPI_Request request;

    mt_buffer_shift(&send_buffer, iteration * 5);
    mt_buffer_fill(&send_buffer, bytes,
                   mt_key(mt.options.seed, bytes, iteration, (uint64_t) mt.rank));
    if (preposted) {
        recv_empty(TAG_GO);
    }
    MT_MPI(MPI_Isend(send_buffer.data, (int) bytes, MPI_BYTE, partner, TAG_DATA, MPI_COMM_WORLD,
                     &request));
    if (!preposted) {
        /* Messages of a pair keep their order, so behind this one the data is known over there. */
        send_empty(TAG_GO);
    }
    MT_MPI(MPI_Wait(&request, MPI_STATUS_IGNORE));
}

static void recv_checked(size_t bytes, bool preposted, unsigned iteration)
{
    MPI_Request request;
    MPI_Status status;
    const char *what = preposted ? "preposted receive" : "unexpected message";

    mt_buffer_shift(&recv_buffer, iteration * 7);
    mt_buffer_poison(&recv_buffer, bytes);
    if (!preposted) {
        recv_empty(TAG_GO);
    }
    MT_MPI(MPI_Irecv(recv_buffer.data, (int) bytes, MPI_BYTE, partner, TAG_DATA, MPI_COMM_WORLD,
                     &request));
    if (preposted) {
        send_empty(TAG_GO);
    }
    MT_MPI(MPI_Wait(&request, &status));
    mt_expect_bytes(&status, bytes, what);
    mt_expect(recv_buffer.data, bytes,
              mt_key(mt.options.seed, bytes, iteration, (uint64_t) partner), what, partner,
              iteration);
    mt_expect_guards(&recv_buffer, bytes, what, iteration);
}

/** Returns the number of messages compared as a whole, both directions. */
static unsigned checked_phase(size_t bytes)
{
    const unsigned iterations = mt.options.quick ? 2 : 8;

    for (unsigned i = 0; i < 2 * iterations; i++) {
        const bool preposted = i % 2 == 0;

        if (mt_begins()) {
            send_checked(bytes, preposted, i);
            recv_checked(bytes, preposted, i);
        } else {
            recv_checked(bytes, preposted, i);
            send_checked(bytes, preposted, i);
        }
    }
    return 2 * 2 * iterations;
}

/* Numbers of the timed phase are apart from the iterations of the checked one. */
static uint64_t timed_key(size_t bytes, uint64_t number, int sender)
{
    return mt_key(~mt.options.seed, bytes, number, (uint64_t) sender);
}

static void recv_stamped(size_t bytes, unsigned number)
{
    if (mt.options.check_all) {
        mt_buffer_poison(&recv_buffer, bytes);
    }
    MT_MPI(MPI_Recv(recv_buffer.data, (int) bytes, MPI_BYTE, partner, TAG_DATA, MPI_COMM_WORLD,
                    MPI_STATUS_IGNORE));
    if (mt.options.check_all) {
        mt_expect(recv_buffer.data, bytes, timed_key(bytes, number, partner), "timed round trips",
                  partner, number);
        mt_expect_guards(&recv_buffer, bytes, "timed round trips", number);
    } else if (!mt_stamp_is(recv_buffer.data, bytes, number)) {
        mt_fail("timed round trips, %zu bytes: message %u begins with wrong bytes (it is another"
                " message, or damaged)",
                bytes, number);
    }
}

static void send_stamped(size_t bytes, unsigned number)
{
    if (mt.options.check_all) {
        mt_buffer_fill(&send_buffer, bytes, timed_key(bytes, number, mt.rank));
    } else {
        mt_stamp(send_buffer.data, bytes, number);
    }
    MT_MPI(MPI_Send(send_buffer.data, (int) bytes, MPI_BYTE, partner, TAG_DATA, MPI_COMM_WORLD));
}

/** @p count round trips; numbers tell their messages apart, and the sides. */
static void round_trips(size_t bytes, unsigned first, unsigned count)
{
    for (unsigned i = first; i < first + count; i++) {
        if (mt_begins()) {
            send_stamped(bytes, 2 * i);
            recv_stamped(bytes, 2 * i + 1);
        } else {
            recv_stamped(bytes, 2 * i);
            send_stamped(bytes, 2 * i + 1);
        }
    }
}

static void warm_up(void)
{
    if (partner >= 0) {
        mt_buffer_fill(&send_buffer, 0, 0);
        round_trips(0, 0, FIRST_ROUND_TRIPS);
    }
}

/** One sample: half a round trip in microseconds. */
static double timed_sample(size_t bytes, unsigned iters, unsigned sample)
{
    const unsigned warm_up = iters / 10 + 1;
    const size_t stamp_bytes = bytes < 8 ? bytes : 8;
    const uint64_t expected = timed_key(bytes, ~(uint64_t) sample, partner);
    double begin;
    double seconds;

    mt_buffer_fill(&send_buffer, bytes, timed_key(bytes, ~(uint64_t) sample, mt.rank));
    mt_buffer_poison(&recv_buffer, bytes);
    round_trips(bytes, 0, warm_up);
    begin = MPI_Wtime();
    round_trips(bytes, warm_up, iters);
    seconds = MPI_Wtime() - begin;

    if (!mt.options.check_all) {
        /* The stamp was looked at; the rest must be the pattern. */
        mt_pattern_fill(recv_buffer.data, stamp_bytes, expected);
        mt_expect(recv_buffer.data, bytes, expected, "timed round trips", partner, sample);
        mt_expect_guards(&recv_buffer, bytes, "timed round trips", sample);
    }
    return seconds / iters / 2 * 1e6;
}

/** Round trips that are timed one by one. */
static unsigned singles_for(size_t bytes)
{
    const unsigned count = bytes <= 65536 ? 1000 : 100;

    if (mt.options.iters != 0) {
        return mt.options.iters;
    }
    return mt.options.quick ? count / 10 : count;
}

/** Half of each round trip in microseconds. */
static void single_round_trips(size_t bytes, unsigned count, double *us)
{
    mt_buffer_fill(&send_buffer, bytes, timed_key(bytes, 0, mt.rank));
    for (unsigned i = 0; i < count; i++) {
        const double begin = MPI_Wtime();

        round_trips(bytes, i, 1);
        us[i] = (MPI_Wtime() - begin) / 2 * 1e6;
    }
}

/** All pairs' values, at rank 0, and how many they are; the caller frees. */
static double *gather(const double *values, unsigned count, size_t *total)
{
    double *all = mt_calloc((size_t) mt.ranks * count, sizeof(all[0]));

    MT_MPI(MPI_Gather(values, (int) count, MPI_DOUBLE, all, (int) count, MPI_DOUBLE, 0, MPI_COMM_WORLD));
    /* those that begin are the first half, so theirs come first */
    *total = (size_t) (mt.ranks / 2) * count;
    return all;
}

static unsigned test_size(size_t bytes)
{
    const unsigned iters = iters_for(bytes);
    const unsigned num_samples = mt.options.samples;
    const unsigned num_singles = singles_for(bytes);
    double *samples = mt_calloc(num_samples, sizeof(samples[0]));
    double *singles = mt_calloc(num_singles, sizeof(singles[0]));
    unsigned checked = 0;
    double *all_samples;
    double *all_singles;
    size_t count_samples;
    size_t count_singles;

    MT_MPI(MPI_Barrier(MPI_COMM_WORLD));
    if (partner >= 0) {
        checked = checked_phase(bytes);
        mt_buffer_shift(&send_buffer, 0);
        mt_buffer_shift(&recv_buffer, 0);
        for (unsigned i = 0; i < num_samples; i++) {
            samples[i] = timed_sample(bytes, iters, i);
        }
        single_round_trips(bytes, num_singles, singles);
        checked += 2 * num_samples * (mt.options.check_all ? iters + iters / 10 + 1 : 1);
    }
    all_samples = gather(samples, num_samples, &count_samples);
    all_singles = gather(singles, num_singles, &count_singles);
    if (mt.rank == 0) {
        const struct mt_stats stats = mt_stats(all_samples, count_samples);
        const struct mt_distribution each = mt_distribution(all_singles, count_singles);
        const union mt_value row[NUM_COLUMNS] = {
            {.number = (double) bytes},
            {.number = iters},
            {.number = stats.median},
            {.number = stats.min},
            {.number = stats.max},
            {.number = each.p50},
            {.number = each.p99},
            {.number = each.p999},
            {.number = (double) bytes / stats.median},
            {.number = checked * (double) (mt.ranks / 2)},
        };
        mt_report_row(&mt.report, row);
    }
    free(all_samples);
    free(all_singles);
    free(singles);
    free(samples);
    return checked;
}

int main(int argc, char **argv)
{
    size_t *sizes;
    size_t num_sizes;
    size_t largest = 0;
    unsigned long checked = 0;

    if (!mt_start(argc, argv, &program)) {
        return mt_exit_status;
    }
    partner = mt_partner(mt.rank, mt.ranks);
    sizes = mt_sizes(&mt.options, &num_sizes);
    for (size_t i = 0; i < num_sizes; i++) {
        largest = sizes[i] > largest ? sizes[i] : largest;
    }
    send_buffer = mt_buffer_new(largest);
    recv_buffer = mt_buffer_new(largest);
    if (mt.rank == 0) {
        mt_report_columns(&mt.report, columns, NUM_COLUMNS);
    }
    warm_up();
    do {
        for (size_t i = 0; i < num_sizes; i++) {
            checked += test_size(sizes[i]);
        }
    } while (mt_again());
    mt_buffer_free(&send_buffer);
    mt_buffer_free(&recv_buffer);
    free(sizes);
    return mt_finish("%zu sizes, %lu messages of a pair compared byte by byte", num_sizes, checked);
}

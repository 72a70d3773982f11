/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Bandwidth and message rate between pairs of ranks: the first of a pair keeps
 * a window of messages outstanding, the second answers a whole window with one
 * byte. With --pattern both-ways the second sends as many at the same time; with
 * --pattern unexpected it asks for none before the whole window has come.
 *
 * Every message has a buffer of its own on both sides and is stamped with its
 * number. The last window of a sample is not timed: its contents are new and
 * all its bytes are compared. With --check-all so is every window, timed or not. Behind the samples come windows that are
 * timed one by one, for the percentiles.
 */
#include "common.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

enum { TAG_DATA = 1, TAG_ACK, TAG_LAST };

/** Messages before the first measurement: more than a transport has slots in its rings. See pingpong.c. */
#define FIRST_MESSAGES 600

static const struct mt_program program = {
    .name = "bandwidth",
    .doc = "Bandwidth and message rate by message size, with a window of messages outstanding."
           "\vWith more than two ranks, rank r sends to rank r + N/2, all pairs at the same time;"
           " the figures are sums over the pairs. MB are 10^6 bytes.",
    .known = MT_OPT_SIZES | MT_OPT_SAMPLES | MT_OPT_ITERS | MT_OPT_WINDOW | MT_OPT_CHECK | MT_OPT_PATTERN,
    .defaults = {.max_bytes = 1024 * 1024, .samples = 11, .window = 64, .seed = 1, .pattern = "one-way"},
};

static const struct mt_column columns[] = {
    {"bytes", 0},        {"window", 0},       {"windows", 0},   {"mb_per_s", 2},
    {"min_mb_per_s", 2}, {"max_mb_per_s", 2}, {"msg_per_s", 0}, {"p50_us", 3},
    {"p99_us", 3},       {"p999_us", 3},      {"checked", 0},
};
#define NUM_COLUMNS (sizeof(columns) / sizeof(columns[0]))

/** How a window goes. */
static const struct pattern {
    const char *name;
    bool both_ways;
    bool unexpected; /* the receiver waits for the last message, and asks for the others then */
} patterns[] = {
    {"one-way", false, false},
    {"both-ways", true, false},
    {"unexpected", false, true},
};
#define NUM_PATTERNS (sizeof(patterns) / sizeof(patterns[0]))

static const struct pattern *pattern;
static struct mt_buffer *out; /* one a message of the window, on the side that sends */
static struct mt_buffer *in;  /* the same on the side that receives */
static MPI_Request *requests; /* of both */
static int partner;

static bool sends(void)
{
    return mt_begins() || pattern->both_ways;
}

static bool receives(void)
{
    return !mt_begins() || pattern->both_ways;
}

static unsigned windows_for(size_t bytes)
{
    unsigned count = bytes <= 4096 ? 100 : bytes <= 65536 ? 20 : bytes <= 1024 * 1024 ? 5 : 2;

    if (mt.options.iters != 0) {
        return mt.options.iters;
    }
    return mt.options.quick ? (count + 9) / 10 : count;
}

/** What ends a window, unless both ends see that by themselves. */
static void answer(size_t bytes)
{
    uint8_t ack = 1;

    if (!mt_begins()) {
        MT_MPI(MPI_Send(&ack, 1, MPI_BYTE, partner, TAG_ACK, MPI_COMM_WORLD));
        return;
    }
    ack = 0;
    MT_MPI(MPI_Recv(&ack, 1, MPI_BYTE, partner, TAG_ACK, MPI_COMM_WORLD, MPI_STATUS_IGNORE));
    if (ack != 1) {
        mt_fail("%zu bytes: the answer to a window is 0x%02x, expected 0x01", bytes, ack);
    }
}

static void run_window(size_t bytes)
{
    int count = 0;

    if (pattern->unexpected && receives()) {
        /* Messages of a pair keep their order, so all others are known here by now. */
        MT_MPI(MPI_Recv(NULL, 0, MPI_BYTE, partner, TAG_LAST, MPI_COMM_WORLD, MPI_STATUS_IGNORE));
    }
    for (unsigned i = 0; receives() && i < mt.options.window; i++) {
        MT_MPI(MPI_Irecv(in[i].data, (int) bytes, MPI_BYTE, partner, TAG_DATA, MPI_COMM_WORLD,
                         &requests[count++]));
    }
    for (unsigned i = 0; sends() && i < mt.options.window; i++) {
        MT_MPI(MPI_Isend(out[i].data, (int) bytes, MPI_BYTE, partner, TAG_DATA, MPI_COMM_WORLD,
                         &requests[count++]));
    }
    if (pattern->unexpected && sends()) {
        MT_MPI(MPI_Send(NULL, 0, MPI_BYTE, partner, TAG_LAST, MPI_COMM_WORLD));
    }
    MT_MPI(MPI_Waitall(count, requests, MPI_STATUSES_IGNORE));
}

static uint64_t window_key(size_t bytes, uint64_t number, unsigned message, int sender)
{
    return mt_key(mt.options.seed + (uint64_t) sender, bytes, number, message);
}

/** A window whose every byte is new and compared; @p number tells it from others. */
static void checked_window(size_t bytes, uint64_t number)
{
    for (unsigned i = 0; i < mt.options.window; i++) {
        if (sends()) {
            mt_buffer_fill(&out[i], bytes, window_key(bytes, number, i, mt.rank));
        }
        if (receives()) {
            mt_buffer_poison(&in[i], bytes);
        }
    }
    run_window(bytes);
    for (unsigned i = 0; receives() && i < mt.options.window; i++) {
        mt_expect(in[i].data, bytes, window_key(bytes, number, i, partner), "message of a window", partner, i);
        mt_expect_guards(&in[i], bytes, "message of a window", i);
    }
    answer(bytes);
}

static void stamped_window(size_t bytes, uint64_t number)
{
    const uint64_t first = number * mt.options.window;

    for (unsigned i = 0; sends() && i < mt.options.window; i++) {
        mt_stamp(out[i].data, bytes, first + i);
    }
    run_window(bytes);
    for (unsigned i = 0; receives() && i < mt.options.window; i++) {
        if (!mt_stamp_is(in[i].data, bytes, first + i)) {
            mt_fail("%zu bytes, window %llu: message %u of %u begins with wrong bytes (it is"
                    " another message, or damaged)",
                    bytes, (unsigned long long) number, i, mt.options.window);
        }
    }
    answer(bytes);
}

static void windows(size_t bytes, uint64_t first, unsigned count)
{
    for (uint64_t number = first; number < first + count; number++) {
        if (mt.options.check_all) {
            checked_window(bytes, number);
        } else {
            stamped_window(bytes, number);
        }
    }
}

/** Returns messages a second, 0 on the receiving side. */
static double timed_sample(size_t bytes, unsigned num_windows, unsigned sample)
{
    const unsigned warm_up = num_windows / 10 + 1;
    double begin;
    double seconds;

    windows(bytes, 0, warm_up);
    begin = MPI_Wtime();
    windows(bytes, warm_up, num_windows);
    seconds = MPI_Wtime() - begin;
    checked_window(bytes, ~(uint64_t) sample);
    return mt_begins() ? (double) num_windows * mt.options.window * (pattern->both_ways ? 2 : 1) / seconds : 0;
}

/** Windows that are timed one by one. */
static unsigned singles_for(size_t bytes)
{
    const unsigned count = bytes <= 4096 ? 1000 : bytes <= 65536 ? 100 : 10;

    if (mt.options.iters != 0) {
        return mt.options.iters;
    }
    return mt.options.quick ? count / 10 : count;
}

/** The time of each window in microseconds, of all pairs, at rank 0. */
static struct mt_distribution single_windows(size_t bytes)
{
    const unsigned count = singles_for(bytes);
    const size_t pairs = (size_t) (mt.ranks / 2);
    double *us = mt_calloc(count, sizeof(us[0]));
    double *all = mt_calloc((size_t) mt.ranks * count, sizeof(all[0]));
    struct mt_distribution times = {0};

    for (unsigned i = 0; partner >= 0 && i < count; i++) {
        const double begin = MPI_Wtime();

        windows(bytes, i, 1);
        us[i] = (MPI_Wtime() - begin) * 1e6;
    }
    MT_MPI(MPI_Gather(us, (int) count, MPI_DOUBLE, all, (int) count, MPI_DOUBLE, 0, MPI_COMM_WORLD));
    if (mt.rank == 0) {
        times = mt_distribution(all, pairs * count); /* those that begin are the first half */
    }
    free(us);
    free(all);
    return times;
}

static void warm_up(void)
{
    for (unsigned sent = 0; partner >= 0 && sent < FIRST_MESSAGES; sent++) {
        if (mt_begins()) {
            MT_MPI(MPI_Send(NULL, 0, MPI_BYTE, partner, TAG_DATA, MPI_COMM_WORLD));
        } else {
            MT_MPI(MPI_Recv(NULL, 0, MPI_BYTE, partner, TAG_DATA, MPI_COMM_WORLD,
                            MPI_STATUS_IGNORE));
        }
    }
}

static void test_size(size_t bytes)
{
    const unsigned num_windows = windows_for(bytes);
    const unsigned num_samples = mt.options.samples;
    double *samples = mt_calloc(num_samples, sizeof(samples[0]));
    double *sums = mt_calloc(num_samples, sizeof(sums[0]));
    struct mt_distribution each;

    MT_MPI(MPI_Barrier(MPI_COMM_WORLD));
    for (unsigned i = 0; partner >= 0 && i < num_samples; i++) {
        samples[i] = timed_sample(bytes, num_windows, i);
    }
    each = single_windows(bytes);
    MT_MPI(MPI_Reduce(samples, sums, (int) num_samples, MPI_DOUBLE, MPI_SUM, 0, MPI_COMM_WORLD));
    if (mt.rank == 0) {
        const struct mt_stats rate = mt_stats(sums, num_samples);
        const double mb = (double) bytes / 1e6;
        const unsigned checked_windows =
            num_samples * (mt.options.check_all ? num_windows + num_windows / 10 + 2 : 1);
        const double checked =
            (double) mt.options.window * checked_windows * (mt.ranks / 2) * (pattern->both_ways ? 2 : 1);
        const union mt_value row[NUM_COLUMNS] = {
            {.number = (double) bytes},
            {.number = mt.options.window},
            {.number = num_windows},
            {.number = rate.median * mb},
            {.number = rate.min * mb},
            {.number = rate.max * mb},
            {.number = rate.median},
            {.number = each.p50},
            {.number = each.p99},
            {.number = each.p999},
            {.number = checked},
        };
        mt_report_row(&mt.report, row);
    }
    free(samples);
    free(sums);
}

/** One buffer a message of the window. */
static struct mt_buffer *buffers_new(size_t bytes)
{
    struct mt_buffer *buffers = mt_calloc(mt.options.window, sizeof(buffers[0]));

    for (unsigned i = 0; i < mt.options.window; i++) {
        buffers[i] = mt_buffer_new(bytes);
    }
    return buffers;
}

static void buffers_free(struct mt_buffer *buffers)
{
    for (unsigned i = 0; buffers != NULL && i < mt.options.window; i++) {
        mt_buffer_free(&buffers[i]);
    }
    free(buffers);
}

/** False after a message if there is none of the name. */
static bool choose_pattern(void)
{
    for (size_t i = 0; i < NUM_PATTERNS; i++) {
        if (strcmp(patterns[i].name, mt.options.pattern) == 0) {
            pattern = &patterns[i];
            return true;
        }
    }
    if (mt.rank == 0) {
        fprintf(stderr, "bandwidth: --pattern=%s: one of one-way, both-ways, unexpected is needed\n",
                mt.options.pattern);
    }
    return false;
}

int main(int argc, char **argv)
{
    size_t *sizes;
    size_t num_sizes;
    size_t largest = 0;

    if (!mt_start(argc, argv, &program)) {
        return mt_exit_status;
    }
    if (!choose_pattern()) {
        return mt_quit(EX_USAGE);
    }
    partner = mt_partner(mt.rank, mt.ranks);
    sizes = mt_sizes(&mt.options, &num_sizes);
    for (size_t i = 0; i < num_sizes; i++) {
        largest = sizes[i] > largest ? sizes[i] : largest;
    }
    requests = mt_calloc(2 * (size_t) mt.options.window, sizeof(requests[0]));
    out = sends() ? buffers_new(largest) : NULL;
    in = receives() ? buffers_new(largest) : NULL;
    if (mt.rank == 0) {
        mt_report_columns(&mt.report, columns, NUM_COLUMNS);
    }
    warm_up();
    for (size_t i = 0; i < num_sizes; i++) {
        test_size(sizes[i]);
    }
    buffers_free(out);
    buffers_free(in);
    free(requests);
    free(sizes);
    return mt_finish("%zu sizes, %s compared byte by byte", num_sizes,
                     mt.options.check_all ? "all windows" : "the last window of each sample");
}

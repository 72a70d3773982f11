/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Bandwidth and message rate between pairs of ranks: the first of a pair keeps
 * a window of messages outstanding, the second answers a whole window with one
 * byte.
 *
 * Every message has a buffer of its own on both sides and is stamped with its
 * number. The last window of a sample is not timed: its contents are new and
 * all its bytes are compared. With --check-all so is every window, timed or not.
 */
#include "common.h"

#include <stdlib.h>

enum { TAG_DATA = 1, TAG_ACK };

/** Messages before the first measurement: more than a transport has slots in its rings. See pingpong.c. */
#define FIRST_MESSAGES 600

static const struct mt_program program = {
    .name = "bandwidth",
    .doc = "Bandwidth and message rate by message size, with a window of messages outstanding."
           "\vWith more than two ranks, rank r sends to rank r + N/2, all pairs at the same time;"
           " the figures are sums over the pairs. MB are 10^6 bytes.",
    .known = MT_OPT_SIZES | MT_OPT_SAMPLES | MT_OPT_ITERS | MT_OPT_WINDOW | MT_OPT_CHECK,
    .defaults = {.max_bytes = 1024 * 1024, .samples = 11, .window = 64, .seed = 1},
};

static const struct mt_column columns[] = {
    {"bytes", 0},        {"window", 0},       {"windows", 0},   {"mb_per_s", 2},
    {"min_mb_per_s", 2}, {"max_mb_per_s", 2}, {"msg_per_s", 0}, {"checked", 0},
};
#define NUM_COLUMNS (sizeof(columns) / sizeof(columns[0]))

static struct mt_buffer *slots; /* one a message of the window */
static MPI_Request *requests;
static int partner;

static unsigned windows_for(size_t bytes)
{
    unsigned count = bytes <= 4096 ? 100 : bytes <= 65536 ? 20 : bytes <= 1024 * 1024 ? 5 : 2;

    if (mt.options.iters != 0) {
        return mt.options.iters;
    }
    return mt.options.quick ? (count + 9) / 10 : count;
}

static void send_window(size_t bytes)
{
    uint8_t ack = 0;

    for (unsigned i = 0; i < mt.options.window; i++) {
        MT_MPI(MPI_Isend(slots[i].data, (int) bytes, MPI_BYTE, partner, TAG_DATA, MPI_COMM_WORLD,
                         &requests[i]));
    }
    MT_MPI(MPI_Waitall((int) mt.options.window, requests, MPI_STATUSES_IGNORE));
    MT_MPI(MPI_Recv(&ack, 1, MPI_BYTE, partner, TAG_ACK, MPI_COMM_WORLD, MPI_STATUS_IGNORE));
    if (ack != 1) {
        mt_fail("%zu bytes: the answer to a window is 0x%02x, expected 0x01", bytes, ack);
    }
}

static void recv_window(size_t bytes)
{
    for (unsigned i = 0; i < mt.options.window; i++) {
        MT_MPI(MPI_Irecv(slots[i].data, (int) bytes, MPI_BYTE, partner, TAG_DATA, MPI_COMM_WORLD,
                         &requests[i]));
    }
    MT_MPI(MPI_Waitall((int) mt.options.window, requests, MPI_STATUSES_IGNORE));
}

static void send_ack(void)
{
    uint8_t ack = 1;
    MT_MPI(MPI_Send(&ack, 1, MPI_BYTE, partner, TAG_ACK, MPI_COMM_WORLD));
}

/** A window whose every byte is new and compared; @p number tells it from others. */
static void checked_window(size_t bytes, uint64_t number)
{
    const int sender = mt_begins() ? mt.rank : partner;

    for (unsigned i = 0; i < mt.options.window; i++) {
        if (mt_begins()) {
            mt_buffer_fill(&slots[i], bytes,
                           mt_key(mt.options.seed + (uint64_t) sender, bytes, number, i));
        } else {
            mt_buffer_poison(&slots[i], bytes);
        }
    }
    if (mt_begins()) {
        send_window(bytes);
        return;
    }
    recv_window(bytes);
    for (unsigned i = 0; i < mt.options.window; i++) {
        mt_expect(slots[i].data, bytes,
                  mt_key(mt.options.seed + (uint64_t) sender, bytes, number, i),
                  "message of a window", sender, i);
        mt_expect_guards(&slots[i], bytes, "message of a window", i);
    }
    send_ack();
}

static void stamped_window(size_t bytes, uint64_t number)
{
    if (mt_begins()) {
        for (unsigned i = 0; i < mt.options.window; i++) {
            mt_stamp(slots[i].data, bytes, number * mt.options.window + i);
        }
        send_window(bytes);
        return;
    }
    recv_window(bytes);
    for (unsigned i = 0; i < mt.options.window; i++) {
        if (!mt_stamp_is(slots[i].data, bytes, number * mt.options.window + i)) {
            mt_fail("%zu bytes, window %llu: message %u of %u begins with wrong bytes (it is"
                    " another message, or damaged)",
                    bytes, (unsigned long long) number, i, mt.options.window);
        }
    }
    send_ack();
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
    return mt_begins() ? (double) num_windows * mt.options.window / seconds : 0;
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

    MT_MPI(MPI_Barrier(MPI_COMM_WORLD));
    for (unsigned i = 0; partner >= 0 && i < num_samples; i++) {
        samples[i] = timed_sample(bytes, num_windows, i);
    }
    MT_MPI(MPI_Reduce(samples, sums, (int) num_samples, MPI_DOUBLE, MPI_SUM, 0, MPI_COMM_WORLD));
    if (mt.rank == 0) {
        const struct mt_stats rate = mt_stats(sums, num_samples);
        const double mb = (double) bytes / 1e6;
        const unsigned checked_windows =
            num_samples * (mt.options.check_all ? num_windows + num_windows / 10 + 2 : 1);
        const double checked = (double) mt.options.window * checked_windows * (mt.ranks / 2);
        const union mt_value row[NUM_COLUMNS] = {
            {.number = (double) bytes}, {.number = mt.options.window}, {.number = num_windows},
            {.number = rate.median * mb}, {.number = rate.min * mb},   {.number = rate.max * mb},
            {.number = rate.median},    {.number = checked},
        };
        mt_report_row(&mt.report, row);
    }
    free(samples);
    free(sums);
}

int main(int argc, char **argv)
{
    size_t *sizes;
    size_t num_sizes;
    size_t largest = 0;

    if (!mt_start(argc, argv, &program)) {
        return mt_exit_status;
    }
    partner = mt_partner(mt.rank, mt.ranks);
    sizes = mt_sizes(&mt.options, &num_sizes);
    for (size_t i = 0; i < num_sizes; i++) {
        largest = sizes[i] > largest ? sizes[i] : largest;
    }
    slots = mt_calloc(mt.options.window, sizeof(slots[0]));
    requests = mt_calloc(mt.options.window, sizeof(requests[0]));
    for (unsigned i = 0; i < mt.options.window; i++) {
        slots[i] = mt_buffer_new(largest);
    }
    if (mt.rank == 0) {
        mt_report_columns(&mt.report, columns, NUM_COLUMNS);
    }
    warm_up();
    for (size_t i = 0; i < num_sizes; i++) {
        test_size(sizes[i]);
    }
    for (unsigned i = 0; i < mt.options.window; i++) {
        mt_buffer_free(&slots[i]);
    }
    free(slots);
    free(requests);
    free(sizes);
    return mt_finish("%zu sizes, %s compared byte by byte", num_sizes,
                     mt.options.check_all ? "all windows" : "the last window of each sample");
}

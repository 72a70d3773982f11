/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Which message goes to which receive: wildcards, order, tags, communicators,
 * and messages that come in numbers before anybody asks for them.
 */
#include "neighbours.h"

#include <stdlib.h>
#include <string.h>

static const struct mt_program program = {
    .name = "matching",
    .doc = "Which message goes to which receive, every byte checked.",
    .known = MT_CASES_OPTIONS,
    .defaults = MT_CASES_DEFAULTS,
};

enum { TAG = 21, TAG_GO };

static uint64_t key(int sender, int receiver, unsigned number)
{
    return mt_key(mt.options.seed + 2, (uint64_t) sender, (uint64_t) receiver, number);
}

/* Length of a message; the same at both ends. One in five is long, the others are short. */
static size_t length_of(int sender, int receiver, unsigned number)
{
    uint64_t state = ~key(sender, receiver, number);

    return (size_t) mt_random_upto(&state, number % 5 == 4 ? 100000 : 600);
}
#define MOST_BYTES 100000

/* Messages on their way out, each with a buffer of its own. */
struct sends {
    struct mt_buffer *buffers;
    MPI_Request *requests;
    int count;
};

static struct sends sends_new(int most)
{
    return (struct sends) {.buffers = mt_calloc((size_t) most, sizeof(struct mt_buffer)),
                           .requests = mt_calloc((size_t) most, sizeof(MPI_Request))};
}

static void sends_add(struct sends *sends, int receiver, unsigned number, size_t bytes, int tag,
                      MPI_Comm comm)
{
    struct mt_buffer *buffer = &sends->buffers[sends->count];

    *buffer = mt_buffer_new(bytes);
    mt_buffer_fill(buffer, bytes, key(mt.rank, receiver, number));
    MT_MPI(MPI_Isend(buffer->data, (int) bytes, MPI_BYTE, receiver, tag, comm,
                     &sends->requests[sends->count++]));
}

static void sends_wait(struct sends *sends)
{
    MT_MPI(MPI_Waitall(sends->count, sends->requests, MPI_STATUSES_IGNORE));
    for (int i = 0; i < sends->count; i++) {
        mt_buffer_free(&sends->buffers[i]);
    }
    free(sends->buffers);
    free(sends->requests);
}

static void check(struct mt_buffer *in, const MPI_Status *status, int sender, unsigned number,
                  size_t bytes, const char *what)
{
    mt_expect_bytes(status, bytes, what);
    mt_expect_number(status->MPI_SOURCE, sender, "source in the status", number);
    mt_expect(in->data, bytes, key(sender, mt.rank, number), what, sender, number);
    mt_expect_rest(in, bytes, what, number);
}

static void recv_and_check(struct mt_buffer *in, int source, int tag, MPI_Comm comm, int sender,
                           unsigned number, size_t bytes, const char *what)
{
    MPI_Status status;

    mt_buffer_poison(in, in->bytes);
    MT_MPI(MPI_Recv(in->data, (int) in->bytes, MPI_BYTE, source, tag, comm, &status));
    check(in, &status, sender, number, bytes, what);
}

/* Messages from all to all, received with wildcards: each once, and in order from each sender. */
static void wildcards(int tag_of_recv, bool tags_differ, const char *what)
{
    const unsigned each = mt_count(200, 20);
    struct sends sends = sends_new((int) each * mt.ranks);
    struct mt_buffer in = mt_buffer_new(MOST_BYTES);
    unsigned *next = mt_calloc((size_t) mt.ranks, sizeof(next[0]));

    for (unsigned number = 0; number < each; number++) {
        for (int receiver = 0; receiver < mt.ranks; receiver++) {
            if (receiver != mt.rank) {
                sends_add(&sends, receiver, number, length_of(mt.rank, receiver, number),
                          tags_differ ? TAG + (int) (number % 7) : TAG, MPI_COMM_WORLD);
            }
        }
    }
    for (unsigned i = 0; i < each * (unsigned) (mt.ranks - 1); i++) {
        MPI_Status status;
        unsigned number;
        int sender;

        mt_buffer_poison(&in, in.bytes);
        MT_MPI(MPI_Recv(in.data, MOST_BYTES, MPI_BYTE, MPI_ANY_SOURCE, tag_of_recv,
                        MPI_COMM_WORLD, &status));
        sender = status.MPI_SOURCE;
        number = next[sender]++;
        mt_expect_number(status.MPI_TAG, tags_differ ? TAG + (int) (number % 7) : TAG,
                         "tag in the status", number);
        check(&in, &status, sender, number, length_of(sender, mt.rank, number), what);
    }
    for (int sender = 0; sender < mt.ranks; sender++) {
        mt_expect_number(next[sender], sender == mt.rank ? 0 : each, "messages from a sender", 0);
    }
    sends_wait(&sends);
    mt_buffer_free(&in);
    free(next);
}

static void any_source(void)
{
    wildcards(TAG, false, "received from any source");
}

static void any_source_any_tag(void)
{
    wildcards(MPI_ANY_TAG, true, "received from any source with any tag");
}

/* Every message has a tag of its own, and they are received in a random order. */
static void tags_out_of_order(void)
{
    const unsigned count = mt_count(300, 30);
    struct sends sends = sends_new((int) count);
    struct mt_buffer in = mt_buffer_new(MOST_BYTES);
    unsigned *order = mt_calloc(count, sizeof(order[0]));
    uint64_t state = mt_key(mt.options.seed, 5, 0, 0);

    for (unsigned i = 0; i < count; i++) {
        const unsigned at = (unsigned) mt_random_upto(&state, i);

        order[i] = order[at];
        order[at] = i;
        sends_add(&sends, above(), i, length_of(mt.rank, above(), i), TAG + (int) i,
                  MPI_COMM_WORLD);
    }
    for (unsigned i = 0; i < count; i++) {
        recv_and_check(&in, below(), TAG + (int) order[i], MPI_COMM_WORLD, below(), order[i],
                       length_of(below(), mt.rank, order[i]), "received out of order");
    }
    sends_wait(&sends);
    mt_buffer_free(&in);
    free(order);
}

/* Short messages behind long ones of the same tag, received by posted receives. */
static void no_overtaking(void)
{
    enum { COUNT = 40 };
    struct sends sends = sends_new(COUNT);
    struct mt_buffer in[COUNT];
    MPI_Request requests[COUNT];
    MPI_Status statuses[COUNT];

    for (unsigned i = 0; i < COUNT; i++) {
        in[i] = mt_buffer_new(MOST_BYTES);
        MT_MPI(MPI_Irecv(in[i].data, MOST_BYTES, MPI_BYTE, below(), TAG, MPI_COMM_WORLD,
                         &requests[i]));
    }
    for (unsigned i = 0; i < COUNT; i++) {
        const size_t bytes = i % 2 == 0 ? MOST_BYTES - i : i;

        sends_add(&sends, above(), i, bytes, TAG, MPI_COMM_WORLD);
    }
    MT_MPI(MPI_Waitall(COUNT, requests, statuses));
    for (unsigned i = 0; i < COUNT; i++) {
        check(&in[i], &statuses[i], below(), i, i % 2 == 0 ? MOST_BYTES - i : i,
              "one of a series");
        mt_buffer_free(&in[i]);
    }
    sends_wait(&sends);
}

/* The receive posted first gets the first message that it matches, wildcard or not. */
static void posted_order(void)
{
    enum { COUNT = 30 };
    struct sends sends = sends_new(COUNT);
    struct mt_buffer in[COUNT];
    MPI_Request requests[COUNT];
    MPI_Status statuses[COUNT];

    for (unsigned i = 0; i < COUNT; i++) {
        /* All take from the one sender who sends this tag to us. */
        in[i] = mt_buffer_new(MOST_BYTES);
        MT_MPI(MPI_Irecv(in[i].data, MOST_BYTES, MPI_BYTE, i % 3 == 0 ? MPI_ANY_SOURCE : below(),
                         i % 3 == 1 ? MPI_ANY_TAG : TAG, MPI_COMM_WORLD, &requests[i]));
    }
    MT_MPI(MPI_Barrier(MPI_COMM_WORLD));
    for (unsigned i = 0; i < COUNT; i++) {
        sends_add(&sends, above(), i, length_of(mt.rank, above(), i), TAG, MPI_COMM_WORLD);
    }
    MT_MPI(MPI_Waitall(COUNT, requests, statuses));
    for (unsigned i = 0; i < COUNT; i++) {
        check(&in[i], &statuses[i], below(), i, length_of(below(), mt.rank, i),
              "posted in order");
        mt_buffer_free(&in[i]);
    }
    sends_wait(&sends);
}

/* The same source, tag and order on several communicators: each has messages of its own. */
static void communicators(void)
{
    enum { COMMS = 5 };
    const unsigned each = mt_count(30, 5);
    struct sends sends = sends_new(COMMS * (int) each);
    struct mt_buffer in = mt_buffer_new(MOST_BYTES);
    MPI_Comm comms[COMMS];

    for (int c = 0; c < COMMS; c++) {
        MT_MPI(MPI_Comm_dup(MPI_COMM_WORLD, &comms[c]));
    }
    for (unsigned i = 0; i < each; i++) {
        for (int c = 0; c < COMMS; c++) {
            sends_add(&sends, above(), i * COMMS + (unsigned) c,
                      length_of(mt.rank, above(), i * COMMS + (unsigned) c), TAG, comms[c]);
        }
    }
    for (int c = COMMS - 1; c >= 0; c--) {
        for (unsigned i = 0; i < each; i++) {
            const unsigned number = i * COMMS + (unsigned) c;

            recv_and_check(&in, MPI_ANY_SOURCE, MPI_ANY_TAG, comms[c], below(), number,
                           length_of(below(), mt.rank, number), "on a communicator");
        }
    }
    sends_wait(&sends);
    for (int c = 0; c < COMMS; c++) {
        MT_MPI(MPI_Comm_free(&comms[c]));
    }
    mt_buffer_free(&in);
}

/* Everybody sends to rank 0, which looks only when all has been sent. */
static void flood(unsigned each, size_t most, const char *what)
{
    struct sends sends = sends_new((int) each);
    struct mt_buffer in = mt_buffer_new(most);

    if (mt.rank != 0) {
        for (unsigned i = 0; i < each; i++) {
            sends_add(&sends, 0, i, most - i % 8 * (most / 16), TAG, MPI_COMM_WORLD);
        }
        MT_MPI(MPI_Send(NULL, 0, MPI_BYTE, 0, TAG_GO, MPI_COMM_WORLD));
    } else {
        for (int sender = 1; sender < mt.ranks; sender++) {
            MT_MPI(MPI_Recv(NULL, 0, MPI_BYTE, sender, TAG_GO, MPI_COMM_WORLD,
                            MPI_STATUS_IGNORE));
        }
        for (int sender = mt.ranks - 1; sender > 0; sender--) {
            for (unsigned i = 0; i < each; i++) {
                recv_and_check(&in, sender, TAG, MPI_COMM_WORLD, sender, i,
                               most - i % 8 * (most / 16), what);
            }
        }
    }
    sends_wait(&sends);
    mt_buffer_free(&in);
}

static void flood_of_short(void)
{
    flood(mt_count(10000, 500), 64, "one of a flood of short messages");
}

static void flood_of_medium(void)
{
    flood(mt_count(1500, 100), 4000, "one of a flood of medium messages");
}

static void flood_of_long(void)
{
    flood(mt_count(100, 8), 200000, "one of a flood of long messages");
}

/* All flood all, and nobody receives before having sent everything. */
static void flood_both_ways(void)
{
    const unsigned each = mt_count(2000, 100);
    struct sends sends = sends_new((int) each * mt.ranks);
    struct mt_buffer in = mt_buffer_new(1024);

    for (unsigned i = 0; i < each; i++) {
        for (int receiver = 0; receiver < mt.ranks; receiver++) {
            if (receiver != mt.rank) {
                sends_add(&sends, receiver, i, i % 1024, TAG, MPI_COMM_WORLD);
            }
        }
    }
    for (int sender = 0; sender < mt.ranks; sender++) {
        for (unsigned i = 0; sender != mt.rank && i < each; i++) {
            recv_and_check(&in, sender, TAG, MPI_COMM_WORLD, sender, i, i % 1024,
                           "one of a flood from everybody");
        }
    }
    sends_wait(&sends);
    mt_buffer_free(&in);
}

static void largest_tag(void)
{
    struct sends sends = sends_new(2);
    struct mt_buffer in = mt_buffer_new(MOST_BYTES);
    int *upper;
    int found;

    MT_MPI(MPI_Comm_get_attr(MPI_COMM_WORLD, MPI_TAG_UB, &upper, &found));
    mt_expect_number(found && *upper >= 32767, 1, "MPI_TAG_UB is at least 32767", 0);
    sends_add(&sends, above(), 0, 1000, 0, MPI_COMM_WORLD);
    sends_add(&sends, above(), 1, 70000, *upper, MPI_COMM_WORLD);
    recv_and_check(&in, below(), *upper, MPI_COMM_WORLD, below(), 1, 70000, "largest tag");
    recv_and_check(&in, below(), 0, MPI_COMM_WORLD, below(), 0, 1000, "tag 0");
    sends_wait(&sends);
    mt_buffer_free(&in);
}

static void self_and_nobody(void)
{
    struct sends sends = sends_new(3);
    struct mt_buffer in = mt_buffer_new(MOST_BYTES);
    MPI_Status status;

    for (unsigned i = 0; i < 3; i++) {
        sends_add(&sends, mt.rank, i, i * 30000, TAG, MPI_COMM_WORLD);
    }
    for (unsigned i = 0; i < 3; i++) {
        recv_and_check(&in, mt.rank, TAG, MPI_COMM_WORLD, mt.rank, i, i * 30000, "to ourselves");
    }
    sends_wait(&sends);
    MT_MPI(MPI_Send(in.data, 10, MPI_BYTE, MPI_PROC_NULL, TAG, MPI_COMM_WORLD));
    mt_buffer_poison(&in, 10);
    MT_MPI(MPI_Recv(in.data, 10, MPI_BYTE, MPI_PROC_NULL, TAG, MPI_COMM_WORLD, &status));
    mt_expect_bytes(&status, 0, "from MPI_PROC_NULL");
    mt_expect_number(status.MPI_SOURCE, MPI_PROC_NULL, "source", 0);
    mt_buffer_free(&in);
}

static const struct mt_case cases[] = {
    {"any_source_gets_each_message_once_and_in_order", any_source, 0},
    {"any_tag_keeps_the_order_of_each_sender", any_source_any_tag, 0},
    {"tags_are_received_in_any_order", tags_out_of_order, 0},
    {"short_messages_do_not_overtake_long_ones", no_overtaking, 0},
    {"first_posted_receive_matches_first", posted_order, 0},
    {"communicators_do_not_mix", communicators, 0},
    {"unexpected_flood_of_short_messages_is_kept", flood_of_short, 0},
    {"unexpected_flood_of_medium_messages_is_kept", flood_of_medium, 0},
    {"unexpected_flood_of_long_messages_is_kept", flood_of_long, 0},
    {"floods_both_ways_do_not_block", flood_both_ways, 0},
    {"largest_tag_is_a_tag", largest_tag, 0},
    {"self_and_nobody_are_partners", self_and_nobody, 0},
};

int main(int argc, char **argv)
{
    return mt_cases_main(argc, argv, &program, cases, sizeof(cases) / sizeof(cases[0]));
}

/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Point-to-point messages of every size around every boundary at which a
 * transport changes its way (eager limit, one frame, rendezvous), in every send
 * mode, expected and unexpected, aligned and not. Pairs of ranks, both ways.
 */
#include "cases.h"

#include <stdlib.h>
#include <string.h>

static const struct mt_program program = {
    .name = "sizes",
    .doc = "Messages of all sizes across each boundary of the transport, every byte checked.",
    .known = MT_CASES_OPTIONS,
    .defaults = MT_CASES_DEFAULTS,
};

enum { TAG_DATA = 1, TAG_READY, TAG_LATER };

static int peer(void)
{
    return mt_partner(mt.rank, mt.ranks);
}

static uint64_t key(int sender, size_t bytes, unsigned iteration)
{
    return mt_key(mt.options.seed, (uint64_t) sender, bytes, iteration);
}

typedef int send_fn(const void *, int, MPI_Datatype, int, int, MPI_Comm);

static void recv_empty(int tag)
{
    MT_MPI(MPI_Recv(NULL, 0, MPI_BYTE, peer(), tag, MPI_COMM_WORLD, MPI_STATUS_IGNORE));
}

static void send_empty(int tag)
{
    MT_MPI(MPI_Send(NULL, 0, MPI_BYTE, peer(), tag, MPI_COMM_WORLD));
}

static void check(struct mt_buffer *in, size_t bytes, unsigned iteration, MPI_Status *status,
                  const char *what)
{
    mt_expect_bytes(status, bytes, what);
    mt_expect_number(status->MPI_SOURCE, peer(), "source in the status", iteration);
    mt_expect_number(status->MPI_TAG, TAG_DATA, "tag in the status", iteration);
    mt_expect(in->data, bytes, key(peer(), bytes, iteration), what, peer(), iteration);
    mt_expect_guards(in, bytes, what, iteration);
}

/* One message: the receive is posted, and known to the sender, before it is sent. */
static void one_expected(struct mt_buffer *buffer, size_t bytes, unsigned iteration, bool sends,
                         send_fn *send, const char *what)
{
    MPI_Request request;
    MPI_Status status;

    if (sends) {
        mt_buffer_fill(buffer, bytes, key(mt.rank, bytes, iteration));
        recv_empty(TAG_READY);
        MT_MPI(send(buffer->data, (int) bytes, MPI_BYTE, peer(), TAG_DATA, MPI_COMM_WORLD));
        return;
    }
    mt_buffer_poison(buffer, bytes);
    MT_MPI(MPI_Irecv(buffer->data, (int) bytes, MPI_BYTE, peer(), TAG_DATA, MPI_COMM_WORLD,
                     &request));
    send_empty(TAG_READY);
    MT_MPI(MPI_Wait(&request, &status));
    check(buffer, bytes, iteration, &status, what);
}

/* One message that has arrived (its envelope, at least) before the receive is posted. */
static void one_unexpected(struct mt_buffer *buffer, size_t bytes, unsigned iteration, bool sends,
                           const char *what)
{
    MPI_Request request;
    MPI_Status status;

    if (sends) {
        mt_buffer_fill(buffer, bytes, key(mt.rank, bytes, iteration));
        MT_MPI(MPI_Isend(buffer->data, (int) bytes, MPI_BYTE, peer(), TAG_DATA, MPI_COMM_WORLD,
                         &request));
        send_empty(TAG_LATER);
        MT_MPI(MPI_Wait(&request, MPI_STATUS_IGNORE));
        return;
    }
    mt_buffer_poison(buffer, bytes);
    recv_empty(TAG_LATER);
    MT_MPI(MPI_Recv(buffer->data, (int) bytes, MPI_BYTE, peer(), TAG_DATA, MPI_COMM_WORLD,
                    &status));
    check(buffer, bytes, iteration, &status, what);
}

/* Every size, one way and the other; buffers at a changing offset from alignment. */
static void all_sizes(bool headers, send_fn *send, const char *what)
{
    size_t count;
    size_t *sizes = mt_boundary_sizes(headers, &count);
    struct mt_buffer buffer = mt_buffer_new(mt_largest_boundary());
    const size_t step = mt.options.quick && headers ? 9 : 1;

    for (size_t i = 0; i < count && peer() >= 0; i += step) {
        for (int turn = 0; turn < 2; turn++) {
            const bool sends = mt_begins() == (turn == 0);

            mt_buffer_shift(&buffer, (unsigned) i + (sends ? 0 : 3));
            if (send != NULL) {
                one_expected(&buffer, sizes[i], (unsigned) i, sends, send, what);
            } else {
                one_unexpected(&buffer, sizes[i], (unsigned) i, sends, what);
            }
        }
    }
    mt_buffer_free(&buffer);
    free(sizes);
}

static void posted_receive(void)
{
    all_sizes(true, MPI_Send, "expected message");
}

static void unexpected_message(void)
{
    all_sizes(true, NULL, "unexpected message");
}

static void synchronous_send(void)
{
    all_sizes(false, MPI_Ssend, "synchronous message");
}

static void ready_send(void)
{
    all_sizes(false, MPI_Rsend, "ready message");
}

static void buffered_send(void)
{
    const int bytes = (int) mt_largest_boundary() + MPI_BSEND_OVERHEAD;
    void *space = mt_calloc(1, (size_t) bytes);
    void *detached;
    int size;

    MT_MPI(MPI_Buffer_attach(space, bytes));
    all_sizes(false, MPI_Bsend, "buffered message");
    MT_MPI(MPI_Buffer_detach(&detached, &size)); /* waits until all is on its way */
    mt_expect_number(size, bytes, "size of the detached buffer", 0);
    free(space);
}

static void both_ways_at_once(void)
{
    size_t count;
    size_t *sizes = mt_boundary_sizes(true, &count);
    struct mt_buffer in = mt_buffer_new(mt_largest_boundary());
    struct mt_buffer out = mt_buffer_new(mt_largest_boundary());

    for (size_t i = 0; i < count && peer() >= 0; i += mt_count(1, 9)) {
        const size_t bytes = sizes[i];
        MPI_Status status;

        mt_buffer_fill(&out, bytes, key(mt.rank, bytes, (unsigned) i));
        mt_buffer_poison(&in, bytes);
        MT_MPI(MPI_Sendrecv(out.data, (int) bytes, MPI_BYTE, peer(), TAG_DATA, in.data,
                            (int) bytes, MPI_BYTE, peer(), TAG_DATA, MPI_COMM_WORLD, &status));
        check(&in, bytes, (unsigned) i, &status, "exchanged message");
        mt_expect(out.data, bytes, key(mt.rank, bytes, (unsigned) i), "send buffer", mt.rank, 0);
    }
    mt_buffer_free(&in);
    mt_buffer_free(&out);
    free(sizes);
}

/* Many messages of all sizes under way at a time: ways of different kinds overtake inside. */
static void mixed_sizes_under_way(void)
{
    enum { IN_FLIGHT = 24 };
    const unsigned rounds = mt_count(12, 2);
    size_t count;
    size_t *sizes = mt_boundary_sizes(true, &count);
    struct mt_buffer in[IN_FLIGHT];
    struct mt_buffer out[IN_FLIGHT];
    uint64_t state = mt_key(mt.options.seed, 77, 0, 0); /* the same numbers at both ends */

    for (int i = 0; i < IN_FLIGHT; i++) {
        in[i] = mt_buffer_new(mt_largest_boundary());
        out[i] = mt_buffer_new(mt_largest_boundary());
    }
    for (unsigned round = 0; round < rounds && peer() >= 0; round++) {
        MPI_Request requests[2 * IN_FLIGHT];
        MPI_Status statuses[2 * IN_FLIGHT];
        size_t bytes[IN_FLIGHT];

        for (int i = 0; i < IN_FLIGHT; i++) {
            bytes[i] = sizes[mt_random_upto(&state, count - 1)];
            mt_buffer_fill(&out[i], bytes[i], key(mt.rank, bytes[i], round * 100 + (unsigned) i));
            mt_buffer_poison(&in[i], bytes[i]);
            MT_MPI(MPI_Irecv(in[i].data, (int) bytes[i], MPI_BYTE, peer(), TAG_DATA,
                             MPI_COMM_WORLD, &requests[i]));
        }
        for (int i = 0; i < IN_FLIGHT; i++) {
            MT_MPI(MPI_Isend(out[i].data, (int) bytes[i], MPI_BYTE, peer(), TAG_DATA,
                             MPI_COMM_WORLD, &requests[IN_FLIGHT + i]));
        }
        MT_MPI(MPI_Waitall(2 * IN_FLIGHT, requests, statuses));
        for (int i = 0; i < IN_FLIGHT; i++) {
            check(&in[i], bytes[i], round * 100 + (unsigned) i, &statuses[i], "one of many");
        }
    }
    for (int i = 0; i < IN_FLIGHT; i++) {
        mt_buffer_free(&in[i]);
        mt_buffer_free(&out[i]);
    }
    free(sizes);
}

static void longer_receive_buffer(void)
{
    const size_t spare = 4096;
    size_t count;
    size_t *sizes = mt_boundary_sizes(false, &count);
    struct mt_buffer in = mt_buffer_new(mt_largest_boundary() + spare);
    struct mt_buffer out = mt_buffer_new(mt_largest_boundary());

    for (size_t i = 0; i < count && peer() >= 0; i++) {
        const size_t bytes = sizes[i];
        MPI_Status status;

        mt_buffer_fill(&out, bytes, key(mt.rank, bytes, (unsigned) i));
        mt_buffer_poison(&in, bytes);
        MT_MPI(MPI_Sendrecv(out.data, (int) bytes, MPI_BYTE, peer(), TAG_DATA, in.data,
                            (int) (bytes + spare), MPI_BYTE, peer(), TAG_DATA, MPI_COMM_WORLD,
                            &status));
        check(&in, bytes, (unsigned) i, &status, "message shorter than its buffer");
    }
    mt_buffer_free(&in);
    mt_buffer_free(&out);
    free(sizes);
}

/* MPI 3.1, 3.2.4: an overflow is an error of the receive; nothing behind the buffer is written. */
static void too_short_receive_buffer(void)
{
    size_t count;
    size_t *sizes = mt_few_sizes(&count);
    struct mt_buffer in = mt_buffer_new(mt_largest_boundary());
    struct mt_buffer out = mt_buffer_new(mt_largest_boundary());

    for (size_t i = 0; i < count && peer() >= 0; i++) {
        const size_t bytes = sizes[i];
        const size_t room = bytes / 2;
        MPI_Request request;
        MPI_Status status;
        int rc;

        if (bytes == 0) {
            continue;
        }
        mt_buffer_fill(&out, bytes, key(mt.rank, bytes, (unsigned) i));
        mt_buffer_poison(&in, room);
        MT_MPI(MPI_Isend(out.data, (int) bytes, MPI_BYTE, peer(), TAG_DATA, MPI_COMM_WORLD,
                         &request));
        rc = MPI_Recv(in.data, (int) room, MPI_BYTE, peer(), TAG_DATA, MPI_COMM_WORLD, &status);
        if (rc != MPI_SUCCESS) {
            MT_MPI(MPI_Error_class(rc, &rc));
        }
        mt_expect_number(rc, MPI_ERR_TRUNCATE, "error class of a receive that is too short",
                         (unsigned) i);
        mt_expect_guards(&in, room, "receive buffer that is too short", (unsigned) i);
        MT_MPI(MPI_Wait(&request, MPI_STATUS_IGNORE));
    }
    mt_buffer_free(&in);
    mt_buffer_free(&out);
    free(sizes);
}

static const struct mt_case cases[] = {
    {"posted_receive_gets_every_byte", posted_receive, 0},
    {"unexpected_message_is_kept_whole", unexpected_message, 0},
    {"synchronous_send_carries_every_size", synchronous_send, 0},
    {"ready_send_carries_every_size", ready_send, 0},
    {"buffered_send_carries_every_size", buffered_send, 0},
    {"both_ways_at_once_do_not_block", both_ways_at_once, 0},
    {"mixed_sizes_under_way_keep_their_order", mixed_sizes_under_way, 0},
    {"longer_receive_buffer_is_not_written_behind_the_message", longer_receive_buffer, 0},
    {"too_short_receive_buffer_is_an_error_and_is_not_overrun", too_short_receive_buffer, 0},
};

int main(int argc, char **argv)
{
    return mt_cases_main(argc, argv, &program, cases, sizeof(cases) / sizeof(cases[0]));
}

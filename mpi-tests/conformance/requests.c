/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The life of requests: persistent ones, cancelled ones, freed ones, and the ways
 * to wait for many.
 */
#include "neighbours.h"

#include <stdlib.h>
#include <string.h>

static const struct mt_program program = {
    .name = "requests",
    .doc = "Persistent requests, cancel, wait and test.",
    .known = MT_CASES_OPTIONS,
    .defaults = MT_CASES_DEFAULTS,
};

enum { TAG = 31 };

/* --- persistent ------------------------------------------------------------------ */

typedef int send_init_fn(const void *, int, MPI_Datatype, int, int, MPI_Comm, MPI_Request *);

static void persistent(send_init_fn *init, unsigned rounds, const char *what)
{
    size_t count;
    size_t *sizes = mt_few_sizes(&count);
    struct mt_buffer in = mt_buffer_new(mt_largest_boundary());
    struct mt_buffer out = mt_buffer_new(mt_largest_boundary());

    for (size_t i = 0; i < count; i++) {
        const size_t bytes = sizes[i];
        MPI_Request requests[2];

        MT_MPI(MPI_Recv_init(in.data, (int) in.bytes, MPI_BYTE, below(), TAG, MPI_COMM_WORLD,
                             &requests[0]));
        MT_MPI(init(out.data, (int) bytes, MPI_BYTE, above(), TAG, MPI_COMM_WORLD, &requests[1]));
        for (unsigned round = 0; round < rounds; round++) {
            MPI_Status statuses[2];

            mt_buffer_poison(&in, in.bytes);
            mt_buffer_fill(&out, bytes, neighbour_key(mt.rank, round));
            MT_MPI(MPI_Start(&requests[0]));
            neighbours_handshake(); /* a ready send needs it; the others do not mind */
            MT_MPI(MPI_Start(&requests[1]));
            MT_MPI(MPI_Waitall(2, requests, statuses));
            check_from_below(&in, &statuses[0], bytes, round, what);
            mt_expect_number(requests[0] != MPI_REQUEST_NULL, 1, "the request lives on", round);
        }
        MT_MPI(MPI_Request_free(&requests[0]));
        MT_MPI(MPI_Request_free(&requests[1]));
    }
    mt_buffer_free(&in);
    mt_buffer_free(&out);
    free(sizes);
}

static void persistent_standard(void)
{
    persistent(MPI_Send_init, mt_count(10, 3), "persistent send");
}

static void persistent_synchronous(void)
{
    persistent(MPI_Ssend_init, mt_count(10, 3), "persistent synchronous send");
}

static void persistent_ready(void)
{
    persistent(MPI_Rsend_init, mt_count(10, 3), "persistent ready send");
}

static void persistent_buffered(void)
{
    int bytes = (int) (2 * mt_largest_boundary()) + 64 * MPI_BSEND_OVERHEAD;
    void *space = mt_calloc(1, (size_t) bytes);

    MT_MPI(MPI_Buffer_attach(space, bytes));
    /* Once: at a second start, Open MPI 4.1 sends wrong contents beyond the eager limit, over any BTL. */
    persistent(MPI_Bsend_init, 1, "persistent buffered send");
    MT_MPI(MPI_Buffer_detach(&space, &bytes));
    free(space);
}

static void startall(void)
{
    enum { COUNT = 16 };
    MPI_Request requests[2 * COUNT];
    struct mt_buffer in[COUNT];
    struct mt_buffer out[COUNT];

    for (unsigned i = 0; i < COUNT; i++) {
        const size_t bytes = (size_t) i * 3000;

        in[i] = mt_buffer_new(bytes);
        out[i] = mt_buffer_new(bytes);
        MT_MPI(MPI_Recv_init(in[i].data, (int) bytes, MPI_BYTE, below(), TAG, MPI_COMM_WORLD,
                             &requests[i]));
        MT_MPI(MPI_Send_init(out[i].data, (int) bytes, MPI_BYTE, above(), TAG, MPI_COMM_WORLD,
                             &requests[COUNT + i]));
    }
    for (unsigned round = 0; round < mt_count(20, 3); round++) {
        MPI_Status statuses[2 * COUNT];

        for (unsigned i = 0; i < COUNT; i++) {
            mt_buffer_poison(&in[i], in[i].bytes);
            mt_buffer_fill(&out[i], out[i].bytes, neighbour_key(mt.rank, round * COUNT + i));
        }
        MT_MPI(MPI_Startall(2 * COUNT, requests));
        MT_MPI(MPI_Waitall(2 * COUNT, requests, statuses));
        for (unsigned i = 0; i < COUNT; i++) {
            check_from_below(&in[i], &statuses[i], in[i].bytes, round * COUNT + i,
                             "started with others");
        }
    }
    for (unsigned i = 0; i < COUNT; i++) {
        MT_MPI(MPI_Request_free(&requests[i]));
        MT_MPI(MPI_Request_free(&requests[COUNT + i]));
        mt_buffer_free(&in[i]);
        mt_buffer_free(&out[i]);
    }
}

/* --- cancel, free ------------------------------------------------------------------ */

/* A receive that nothing has matched is cancelled, and takes nothing away from later ones. */
static void cancelled_receive(void)
{
    struct mt_buffer in = mt_buffer_new(70000);
    struct mt_buffer out = mt_buffer_new(70000);

    for (unsigned i = 0; i < 14; i++) {
        const size_t bytes = i % 2 == 0 ? 70000 - i : i;
        MPI_Request request;
        MPI_Status status;
        int cancelled;

        mt_buffer_poison(&in, in.bytes);
        MT_MPI(MPI_Irecv(in.data, (int) in.bytes, MPI_BYTE, i % 3 == 0 ? MPI_ANY_SOURCE : below(),
                         TAG, MPI_COMM_WORLD, &request));
        MT_MPI(MPI_Cancel(&request));
        MT_MPI(MPI_Wait(&request, &status));
        MT_MPI(MPI_Test_cancelled(&status, &cancelled));
        mt_expect_number(cancelled, 1, "MPI_Test_cancelled of a receive without a message", i);
        mt_expect_rest(&in, 0, "buffer of a cancelled receive", i);

        neighbours_handshake(); /* nothing is sent before all have cancelled */
        mt_buffer_fill(&out, bytes, neighbour_key(mt.rank, i));
        MT_MPI(MPI_Isend(out.data, (int) bytes, MPI_BYTE, above(), TAG, MPI_COMM_WORLD, &request));
        MT_MPI(MPI_Recv(in.data, (int) in.bytes, MPI_BYTE, below(), TAG, MPI_COMM_WORLD, &status));
        check_from_below(&in, &status, bytes, i, "after a cancelled receive");
        MT_MPI(MPI_Wait(&request, MPI_STATUS_IGNORE));
    }
    mt_buffer_free(&in);
    mt_buffer_free(&out);
}

/* Cancel against an arriving message: it is either received or left for the next receive. */
static void cancel_against_arrival(void)
{
    struct mt_buffer in = mt_buffer_new(70000);
    struct mt_buffer out = mt_buffer_new(70000);

    for (unsigned i = 0; i < mt_count(100, 10); i++) {
        const size_t bytes = i % 2 == 0 ? 70000 - i : i;
        MPI_Request sent;
        MPI_Request request;
        MPI_Status status;
        int cancelled;

        mt_buffer_poison(&in, in.bytes);
        mt_buffer_fill(&out, bytes, neighbour_key(mt.rank, i));
        MT_MPI(MPI_Irecv(in.data, (int) in.bytes, MPI_BYTE, below(), TAG, MPI_COMM_WORLD,
                         &request));
        MT_MPI(MPI_Isend(out.data, (int) bytes, MPI_BYTE, above(), TAG, MPI_COMM_WORLD, &sent));
        if (i % 3 == 0) {
            neighbours_handshake(); /* its envelope is here by now */
        }
        MT_MPI(MPI_Cancel(&request));
        MT_MPI(MPI_Wait(&request, &status));
        MT_MPI(MPI_Test_cancelled(&status, &cancelled));
        if (i % 3 == 0) {
            mt_expect_number(cancelled, 0, "MPI_Test_cancelled of a receive with a message", i);
        }
        if (cancelled) {
            MT_MPI(MPI_Recv(in.data, (int) in.bytes, MPI_BYTE, below(), TAG, MPI_COMM_WORLD,
                            &status));
        }
        check_from_below(&in, &status, bytes, i, "cancelled as it arrived");
        MT_MPI(MPI_Wait(&sent, MPI_STATUS_IGNORE));
    }
    mt_buffer_free(&in);
    mt_buffer_free(&out);
}

static void freed_send(void)
{
    enum { COUNT = 8 };
    struct mt_buffer in = mt_buffer_new(70000);
    struct mt_buffer out[COUNT];

    for (unsigned i = 0; i < COUNT; i++) {
        MPI_Request request;

        out[i] = mt_buffer_new(i * 10000);
        mt_buffer_fill(&out[i], out[i].bytes, neighbour_key(mt.rank, i));
        MT_MPI(MPI_Isend(out[i].data, (int) out[i].bytes, MPI_BYTE, above(), TAG, MPI_COMM_WORLD,
                         &request));
        MT_MPI(MPI_Request_free(&request));
    }
    for (unsigned i = 0; i < COUNT; i++) {
        MPI_Status status;

        mt_buffer_poison(&in, in.bytes);
        MT_MPI(MPI_Recv(in.data, (int) in.bytes, MPI_BYTE, below(), TAG, MPI_COMM_WORLD, &status));
        check_from_below(&in, &status, i * 10000, i, "sent by a request that was freed");
    }
    /* The rank above has it all: only now may the buffers go. */
    MT_MPI(MPI_Barrier(MPI_COMM_WORLD));
    for (unsigned i = 0; i < COUNT; i++) {
        mt_buffer_free(&out[i]);
    }
    mt_buffer_free(&in);
}

static void synchronous_send_waits(void)
{
    size_t count;
    size_t *sizes = mt_few_sizes(&count);
    struct mt_buffer in = mt_buffer_new(mt_largest_boundary());
    struct mt_buffer out = mt_buffer_new(mt_largest_boundary());

    for (unsigned i = 0; i < count; i++) {
        const size_t bytes = sizes[i];
        MPI_Request request;
        MPI_Status status;
        int complete;

        mt_buffer_fill(&out, bytes, neighbour_key(mt.rank, i));
        mt_buffer_poison(&in, in.bytes);
        MT_MPI(MPI_Issend(out.data, (int) bytes, MPI_BYTE, above(), TAG, MPI_COMM_WORLD,
                          &request));
        for (int again = 0; again < 5; again++) {
            neighbours_handshake();
            MT_MPI(MPI_Test(&request, &complete, &status));
            mt_expect_number(complete, 0, "a synchronous send without a receive is complete", i);
        }
        neighbours_handshake(); /* the rank above has looked, too */
        MT_MPI(MPI_Recv(in.data, (int) in.bytes, MPI_BYTE, below(), TAG, MPI_COMM_WORLD, &status));
        check_from_below(&in, &status, bytes, i, "synchronous message");
        MT_MPI(MPI_Wait(&request, MPI_STATUS_IGNORE));
    }
    mt_buffer_free(&in);
    mt_buffer_free(&out);
    free(sizes);
}

/* --- waiting for many ----------------------------------------------------------------- */

enum waiting { WAITANY, WAITSOME, TESTANY, TESTSOME, TESTALL };

/* Which requests are complete now; at least one. Returns how many. */
static int some_complete(enum waiting how, int count, MPI_Request *requests, int *indices,
                         MPI_Status *statuses)
{
    int number = 0;
    int flag = 0;

    switch (how) {
    case WAITANY:
        MT_MPI(MPI_Waitany(count, requests, indices, statuses));
        return 1;
    case WAITSOME:
        MT_MPI(MPI_Waitsome(count, requests, &number, indices, statuses));
        return number;
    case TESTANY:
        while (!flag) {
            MT_MPI(MPI_Testany(count, requests, indices, &flag, statuses));
        }
        return 1;
    case TESTSOME:
        while (number == 0) {
            MT_MPI(MPI_Testsome(count, requests, &number, indices, statuses));
        }
        return number;
    case TESTALL:
        while (!flag) {
            MT_MPI(MPI_Testall(count, requests, &flag, statuses));
        }
        for (int i = 0; i < count; i++) {
            indices[i] = i;
        }
        return count;
    }
    return 0;
}

static void each_completes_once(void)
{
    enum { COUNT = 30 };

    for (enum waiting how = WAITANY; how <= TESTALL; how++) {
        struct mt_buffer in[COUNT];
        struct mt_buffer out[COUNT];
        MPI_Request sent[COUNT];
        MPI_Request requests[COUNT];
        bool seen[COUNT] = {false};

        for (unsigned i = 0; i < COUNT; i++) {
            in[i] = mt_buffer_new(60000);
            out[i] = mt_buffer_new(i * 2000);
            mt_buffer_fill(&out[i], out[i].bytes, neighbour_key(mt.rank, i));
            MT_MPI(MPI_Irecv(in[i].data, 60000, MPI_BYTE, below(), TAG + (int) i, MPI_COMM_WORLD,
                             &requests[i]));
        }
        for (unsigned i = COUNT; i-- > 0;) {
            MT_MPI(MPI_Isend(out[i].data, (int) out[i].bytes, MPI_BYTE, above(), TAG + (int) i,
                             MPI_COMM_WORLD, &sent[i]));
        }
        for (int left = COUNT; left > 0;) {
            MPI_Status statuses[COUNT];
            int indices[COUNT];
            const int number = some_complete(how, COUNT, requests, indices, statuses);

            for (int i = 0; i < number; i++) {
                const int at = indices[i];

                mt_expect_number(at >= 0 && at < COUNT && !seen[at], 1, "completed once",
                                 (unsigned) at);
                seen[at] = true;
                mt_expect_number(requests[at] == MPI_REQUEST_NULL, 1, "the request is gone",
                                 (unsigned) at);
                check_from_below(&in[at], &statuses[i], (size_t) at * 2000, (unsigned) at,
                                 "one of many");
            }
            left -= number;
        }
        MT_MPI(MPI_Waitall(COUNT, sent, MPI_STATUSES_IGNORE));
        for (unsigned i = 0; i < COUNT; i++) {
            mt_buffer_free(&in[i]);
            mt_buffer_free(&out[i]);
        }
    }
}

static void replaced_in_place(void)
{
    size_t count;
    size_t *sizes = mt_boundary_sizes(false, &count);
    struct mt_buffer both = mt_buffer_new(mt_largest_boundary());

    for (unsigned i = 0; i < count; i++) {
        MPI_Status status;

        mt_buffer_poison(&both, both.bytes);
        mt_pattern_fill(both.data, sizes[i], neighbour_key(mt.rank, i));
        MT_MPI(MPI_Sendrecv_replace(both.data, (int) sizes[i], MPI_BYTE, above(), TAG, below(),
                                    TAG, MPI_COMM_WORLD, &status));
        check_from_below(&both, &status, sizes[i], i, "replaced in place");
    }
    mt_buffer_free(&both);
    free(sizes);
}

static const struct mt_case cases[] = {
    {"persistent_send_is_restarted_with_new_contents", persistent_standard, 0},
    {"persistent_synchronous_send_is_restarted", persistent_synchronous, 0},
    {"persistent_ready_send_is_restarted", persistent_ready, 0},
    {"persistent_buffered_send_is_started", persistent_buffered, 0},
    {"startall_starts_all_in_order", startall, 0},
    {"cancelled_receive_takes_no_message", cancelled_receive, 0},
    {"cancel_against_arrival_loses_nothing", cancel_against_arrival, 0},
    {"freed_send_request_still_sends", freed_send, 0},
    {"synchronous_send_waits_for_the_receive", synchronous_send_waits, 0},
    {"each_of_many_requests_completes_once", each_completes_once, 0},
    {"sendrecv_replace_keeps_both_messages_whole", replaced_in_place, 0},
};

int main(int argc, char **argv)
{
    return mt_cases_main(argc, argv, &program, cases, sizeof(cases) / sizeof(cases[0]));
}

/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Messages that are looked at before they are received: probe and matched probe.
 */
#include "neighbours.h"

#include <stdlib.h>

static const struct mt_program program = {
    .name = "probes",
    .doc = "Probe and matched probe, blocking and not.",
    .known = MT_CASES_OPTIONS,
    .defaults = MT_CASES_DEFAULTS,
};

enum { TAG = 31 };

enum probing { PROBE, IPROBE, MPROBE, IMPROBE };

/* Waits for a message in one of four ways; the length is taken from the status alone. */
static int length_by(enum probing how, int source, int tag, MPI_Message *message)
{
    MPI_Status status;
    int found = 0;
    int bytes;

    switch (how) {
    case PROBE:
        MT_MPI(MPI_Probe(source, tag, MPI_COMM_WORLD, &status));
        break;
    case MPROBE:
        MT_MPI(MPI_Mprobe(source, tag, MPI_COMM_WORLD, message, &status));
        break;
    case IPROBE:
        while (!found) {
            MT_MPI(MPI_Iprobe(source, tag, MPI_COMM_WORLD, &found, &status));
        }
        break;
    case IMPROBE:
        while (!found) {
            MT_MPI(MPI_Improbe(source, tag, MPI_COMM_WORLD, &found, message, &status));
        }
        break;
    }
    mt_expect_number(status.MPI_TAG, TAG, "tag of a probed message", 0);
    mt_expect_number(status.MPI_SOURCE, below(), "source of a probed message", 0);
    MT_MPI(MPI_Get_count(&status, MPI_BYTE, &bytes));
    return bytes;
}

static void probing(enum probing how, const char *what)
{
    size_t count;
    size_t *sizes = mt_boundary_sizes(false, &count);
    struct mt_buffer out = mt_buffer_new(mt_largest_boundary());

    for (unsigned i = 0; i < count; i++) {
        const bool wild = i % 2 == 0;
        MPI_Message message = MPI_MESSAGE_NULL;
        struct mt_buffer in;
        MPI_Request request;
        MPI_Status status;
        int bytes;

        mt_buffer_fill(&out, sizes[i], neighbour_key(mt.rank, i));
        MT_MPI(MPI_Isend(out.data, (int) sizes[i], MPI_BYTE, above(), TAG, MPI_COMM_WORLD,
                         &request));
        bytes = length_by(how, wild ? MPI_ANY_SOURCE : below(), wild ? MPI_ANY_TAG : TAG, &message);
        mt_expect_number(bytes, (long long) sizes[i], "length of a probed message", i);
        in = mt_buffer_new((size_t) bytes);
        if (how == MPROBE || how == IMPROBE) {
            MT_MPI(MPI_Mrecv(in.data, bytes, MPI_BYTE, &message, &status));
            mt_expect_number(message == MPI_MESSAGE_NULL, 1, "the message handle is used up", i);
        } else {
            MT_MPI(MPI_Recv(in.data, bytes, MPI_BYTE, below(), TAG, MPI_COMM_WORLD, &status));
        }
        check_from_below(&in, &status, sizes[i], i, what);
        MT_MPI(MPI_Wait(&request, MPI_STATUS_IGNORE));
        mt_buffer_free(&in);
        neighbours_handshake(); /* a wildcard must not see the next message of a faster rank */
    }
    mt_buffer_free(&out);
    free(sizes);
}

static void probe(void)
{
    probing(PROBE, "probed message");
}

static void iprobe(void)
{
    probing(IPROBE, "message found by MPI_Iprobe");
}

static void mprobe(void)
{
    probing(MPROBE, "message taken by MPI_Mprobe");
}

static void improbe(void)
{
    probing(IMPROBE, "message taken by MPI_Improbe");
}

/* A matched message is out of reach for others; matched ones are received in any order. */
static void matched_messages(void)
{
    enum { COUNT = 12 };
    struct mt_buffer out[COUNT];
    struct mt_buffer in[COUNT];
    MPI_Message messages[COUNT];
    MPI_Request sent[COUNT];
    MPI_Request received[COUNT];
    MPI_Status statuses[COUNT];
    int found;

    for (unsigned i = 0; i < COUNT; i++) {
        const size_t bytes = i % 2 == 0 ? i : 8000 * (size_t) i;

        out[i] = mt_buffer_new(bytes);
        in[i] = mt_buffer_new(bytes);
        mt_buffer_fill(&out[i], bytes, neighbour_key(mt.rank, i));
        MT_MPI(MPI_Isend(out[i].data, (int) bytes, MPI_BYTE, above(), TAG, MPI_COMM_WORLD,
                         &sent[i]));
    }
    for (unsigned i = 0; i < COUNT; i++) {
        MT_MPI(MPI_Mprobe(below(), TAG, MPI_COMM_WORLD, &messages[i], MPI_STATUS_IGNORE));
    }
    MT_MPI(MPI_Iprobe(below(), TAG, MPI_COMM_WORLD, &found, MPI_STATUS_IGNORE));
    mt_expect_number(found, 0, "a matched message is seen by MPI_Iprobe", 0);
    for (unsigned i = COUNT; i-- > 0;) {
        MT_MPI(MPI_Imrecv(in[i].data, (int) in[i].bytes, MPI_BYTE, &messages[i], &received[i]));
    }
    MT_MPI(MPI_Waitall(COUNT, received, statuses));
    MT_MPI(MPI_Waitall(COUNT, sent, MPI_STATUSES_IGNORE));
    for (unsigned i = 0; i < COUNT; i++) {
        check_from_below(&in[i], &statuses[i], in[i].bytes, i, "matched message");
        mt_buffer_free(&in[i]);
        mt_buffer_free(&out[i]);
    }
}

static const struct mt_case cases[] = {
    {"probe_tells_source_tag_and_length", probe, 0},
    {"iprobe_tells_source_tag_and_length", iprobe, 0},
    {"mprobe_takes_the_message", mprobe, 0},
    {"improbe_takes_the_message", improbe, 0},
    {"matched_messages_are_out_of_reach_for_others", matched_messages, 0},
};

int main(int argc, char **argv)
{
    return mt_cases_main(argc, argv, &program, cases, sizeof(cases) / sizeof(cases[0]));
}

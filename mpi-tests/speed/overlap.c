/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Messages between pairs of ranks that go on, or do not, while their owner
 * computes: MPI_Isend, MPI_Irecv or both on the side that is measured, the
 * computation, MPI_Wait. The other side does not compute.
 */
#include "series.h"

static const struct mt_program program = {
    .name = "overlap",
    .doc = "How much of a message's time a computation hides, at the sender, at the receiver, and for both directions at once."
           "\vThe time is from the beginning of the message to the end of MPI_Wait, at the first of each pair. With"
           " more than two ranks, rank r is paired with rank r + N/2, all pairs at the same time.",
    .known = MT_SERIES_OPTIONS,
    .least_bytes = 1,
    .size_bits = 2,
    .defaults = {.min_bytes = 1, .max_bytes = 4 * 1024 * 1024, .seed = 1},
};

enum { TAG_DATA = 1, TAG_ANSWER };
enum { SENDS = 1, RECEIVES = 2 }; /* of the first of a pair; or-ed */

static struct mt_buffer out;
static struct mt_buffer in;
static int partner;
static MPI_Request requests[3];
static int num_requests;

static void set_up(size_t largest, unsigned per_run)
{
    (void) per_run;
    partner = mt_partner(mt.rank, mt.ranks);
    out = mt_buffer_new(largest);
    in = mt_buffer_new(largest);
}

static void clean_up(void)
{
    mt_buffer_free(&out);
    mt_buffer_free(&in);
}

/* What this rank does: the first of a pair as the operation has it, the second one its counterpart. */
static bool sends(const struct mt_operation *op)
{
    return (op->what & (mt_begins() ? SENDS : RECEIVES)) != 0;
}

static bool receives(const struct mt_operation *op)
{
    return (op->what & (mt_begins() ? RECEIVES : SENDS)) != 0;
}

static void prepare(const struct mt_operation *op, size_t bytes, uint64_t number)
{
    (void) op;
    mt_buffer_fill(&out, bytes, mt_key(mt.options.seed, number, bytes, (uint64_t) mt.rank));
    mt_buffer_poison(&in, bytes);
}

/*
 * A message that only leaves ends with an answer, or its sender would see no more than a copy. The
 * second of a pair is through before its (unmeasured) computation, so that it keeps nobody waiting.
 */
static void start(const struct mt_operation *op, size_t bytes)
{
    const bool answered = op->what == SENDS;

    num_requests = 0;
    if (partner < 0) {
        return;
    }
    if (receives(op)) {
        MT_MPI(MPI_Irecv(in.data, (int) bytes, MPI_BYTE, partner, TAG_DATA, MPI_COMM_WORLD,
                         &requests[num_requests++]));
    }
    if (sends(op)) {
        MT_MPI(MPI_Isend(out.data, (int) bytes, MPI_BYTE, partner, TAG_DATA, MPI_COMM_WORLD,
                         &requests[num_requests++]));
    }
    if (mt_begins() && answered) {
        MT_MPI(MPI_Irecv(NULL, 0, MPI_BYTE, partner, TAG_ANSWER, MPI_COMM_WORLD, &requests[num_requests++]));
    }
    if (!mt_begins()) {
        MT_MPI(MPI_Waitall(num_requests, requests, MPI_STATUSES_IGNORE));
        num_requests = 0;
        if (answered) {
            MT_MPI(MPI_Send(NULL, 0, MPI_BYTE, partner, TAG_ANSWER, MPI_COMM_WORLD));
        }
    }
}

static void wait_for(const struct mt_operation *op, size_t bytes)
{
    (void) op;
    (void) bytes;
    MT_MPI(MPI_Waitall(num_requests, requests, MPI_STATUSES_IGNORE));
}

static void check(const struct mt_operation *op, size_t bytes, uint64_t number, unsigned runs)
{
    (void) runs;
    if (partner >= 0 && receives(op)) {
        mt_expect(in.data, bytes, mt_key(mt.options.seed, number, bytes, (uint64_t) partner), op->name, partner,
                  (unsigned) number);
        mt_expect_guards(&in, bytes, op->name, (unsigned) number);
    }
}

#define OPERATION(word, directions)                                                                         \
    {.name = word, .prepare = prepare, .start = start, .wait = wait_for, .check = check, .per_run = 1,      \
     .what = directions}

static const struct mt_operation operations[] = {
    OPERATION("send", SENDS),
    OPERATION("receive", RECEIVES),
    OPERATION("both", SENDS | RECEIVES),
};

int main(int argc, char **argv)
{
    static const struct mt_series all = {
        .operations = operations,
        .count = sizeof(operations) / sizeof(operations[0]),
        .pairs = true,
        .set_up = set_up,
        .clean_up = clean_up,
    };

    return mt_series_main(argc, argv, &program, &all);
}

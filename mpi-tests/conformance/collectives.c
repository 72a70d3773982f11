/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Collectives that move data, blocking and nonblocking, on several communicators,
 * against a result that each rank computes for itself: what a rank contributes
 * follows from the seed and its number, so everybody knows all contributions.
 */
#include "everywhere.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static const struct mt_program program = {
    .name = "collectives",
    .doc = "Collectives against a reference result, on several communicators.",
    .known = MT_CASES_OPTIONS,
    .defaults = MT_CASES_DEFAULTS,
};

/** Lengths of a rank's contribution: small ones, and those around each boundary. */
static void each_size(void (*body)(size_t bytes))
{
    size_t count;
    size_t *sizes = mt_few_sizes(&count);

    for (size_t i = at.round % 2; i < count; i += mt_count(2, 5)) {
        body(sizes[i]);
    }
    free(sizes);
}

/* What rank @p from of the communicator has for rank @p to (0 where all get the same). */
static uint64_t key(int from, int to, size_t bytes)
{
    return mt_key(mt.options.seed + 7, (uint64_t) (from * 64 + to), bytes, 0);
}

/* Blocks of one length: block r is from rank r (or for rank r). */
static void fill_blocks(struct mt_buffer *out, size_t bytes)
{
    for (int to = 0; to < at.size; to++) {
        mt_pattern_fill(out->data + (size_t) to * bytes, bytes, key(at.rank, to, bytes));
    }
}

static void expect_blocks(struct mt_buffer *in, size_t bytes, int to, const char *operation)
{
    for (int from = 0; from < at.size; from++) {
        mt_expect(in->data + (size_t) from * bytes, bytes, key(from, to, bytes), what(operation),
                  from, at.round);
    }
    mt_expect_rest(in, (size_t) at.size * bytes, what(operation), at.round);
}

static struct mt_buffer poisoned(size_t bytes)
{
    struct mt_buffer buffer = mt_buffer_new(bytes);

    mt_buffer_poison(&buffer, buffer.bytes);
    return buffer;
}

/* --- one to all, all to one ------------------------------------------------------------ */

static void bcast_size(size_t bytes)
{
    for (int root = 0; root < at.size; root++) {
        struct mt_buffer data = poisoned(bytes + 8);

        if (at.rank == root) {
            mt_pattern_fill(data.data, bytes, key(root, 0, bytes));
        }
        COLLECTIVE(MPI_Bcast, MPI_Ibcast, data.data, (int) bytes, MPI_BYTE, root, at.comm);
        mt_expect(data.data, bytes, key(root, 0, bytes), what("bcast"), root, at.round);
        mt_expect_rest(&data, bytes, what("bcast"), at.round);
        mt_buffer_free(&data);
    }
}

static void gather_size(size_t bytes)
{
    const int root = (int) at.round % at.size;
    struct mt_buffer in = poisoned((size_t) at.size * bytes);
    struct mt_buffer out = mt_buffer_new(bytes);

    mt_buffer_fill(&out, bytes, key(at.rank, 0, bytes));
    COLLECTIVE(MPI_Gather, MPI_Igather, out.data, (int) bytes, MPI_BYTE, in.data, (int) bytes,
               MPI_BYTE, root, at.comm);
    if (at.rank == root) {
        expect_blocks(&in, bytes, 0, "gather");
    } else {
        mt_expect_rest(&in, 0, what("gather, not the root"), at.round);
    }
    mt_buffer_free(&in);
    mt_buffer_free(&out);
}

static void scatter_size(size_t bytes)
{
    const int root = (int) at.round % at.size;
    struct mt_buffer in = poisoned(bytes);
    struct mt_buffer out = mt_buffer_new((size_t) at.size * bytes);

    if (at.rank == root) {
        fill_blocks(&out, bytes);
    }
    COLLECTIVE(MPI_Scatter, MPI_Iscatter, out.data, (int) bytes, MPI_BYTE, in.data, (int) bytes,
               MPI_BYTE, root, at.comm);
    mt_expect(in.data, bytes, key(root, at.rank, bytes), what("scatter"), root, at.round);
    mt_expect_rest(&in, bytes, what("scatter"), at.round);
    mt_buffer_free(&in);
    mt_buffer_free(&out);
}

/* --- all to all -------------------------------------------------------------------------- */

static void allgather_size(size_t bytes)
{
    struct mt_buffer in = poisoned((size_t) at.size * bytes);
    struct mt_buffer out = mt_buffer_new(bytes);

    mt_buffer_fill(&out, bytes, key(at.rank, 0, bytes));
    COLLECTIVE(MPI_Allgather, MPI_Iallgather, out.data, (int) bytes, MPI_BYTE, in.data,
               (int) bytes, MPI_BYTE, at.comm);
    expect_blocks(&in, bytes, 0, "allgather");
    mt_buffer_poison(&in, in.bytes);
    mt_pattern_fill(in.data + (size_t) at.rank * bytes, bytes, key(at.rank, 0, bytes));
    COLLECTIVE(MPI_Allgather, MPI_Iallgather, MPI_IN_PLACE, 0, MPI_BYTE, in.data, (int) bytes,
               MPI_BYTE, at.comm);
    expect_blocks(&in, bytes, 0, "allgather in place");
    mt_buffer_free(&in);
    mt_buffer_free(&out);
}

static void alltoall_size(size_t bytes)
{
    struct mt_buffer in = poisoned((size_t) at.size * bytes);
    struct mt_buffer out = mt_buffer_new((size_t) at.size * bytes);

    fill_blocks(&out, bytes);
    COLLECTIVE(MPI_Alltoall, MPI_Ialltoall, out.data, (int) bytes, MPI_BYTE, in.data, (int) bytes,
               MPI_BYTE, at.comm);
    expect_blocks(&in, bytes, at.rank, "alltoall");
    mt_buffer_free(&in);
    mt_buffer_free(&out);
}

/* --- blocks of different lengths ------------------------------------------------------------ */

/** Lengths and places of the blocks of a vector collective; blocks lie in reverse with gaps. */
struct blocks {
    int counts[MAX_RANKS];
    int places[MAX_RANKS];
    int places_w[MAX_RANKS]; /* for MPI_Alltoallw: bytes, which these are anyway */
    MPI_Datatype types[MAX_RANKS];
    size_t total;
};

/* From every third rank comes nothing. */
static int block_bytes(int from, int to, size_t bytes)
{
    return (from + to) % 3 == 2 ? 0 : (int) bytes + 10 * from + to;
}

static void blocks_make(struct blocks *b, bool sending, int fixed, size_t bytes)
{
    int place = 5;

    for (int other = at.size - 1; other >= 0; other--) {
        const int from = sending ? fixed : other;
        const int to = sending ? other : fixed;

        b->counts[other] = block_bytes(from, to, bytes);
        b->places[other] = b->places_w[other] = place;
        b->types[other] = MPI_BYTE;
        place += b->counts[other] + 3;
    }
    b->total = (size_t) place;
}

static void blocks_fill(const struct blocks *b, struct mt_buffer *out)
{
    for (int to = 0; to < at.size; to++) {
        mt_pattern_fill(out->data + b->places[to], (size_t) b->counts[to],
                        key(at.rank, to, (size_t) b->counts[to]));
    }
}

/* Takes the checked blocks away, and sees that all else is poison. */
static void blocks_expect(const struct blocks *b, struct mt_buffer *in, int to,
                          const char *operation)
{
    struct mt_buffer poison = poisoned(1);

    for (int from = 0; from < at.size; from++) {
        uint8_t *block = in->data + b->places[from];

        mt_expect(block, (size_t) b->counts[from], key(from, to, (size_t) b->counts[from]),
                  what(operation), from, at.round);
        memset(block, *poison.data, (size_t) b->counts[from]);
    }
    mt_expect_rest(in, 0, what(operation), at.round);
    mt_buffer_free(&poison);
}

static void gatherv_size(size_t bytes)
{
    const int root = (int) at.round % at.size;
    struct blocks b;
    struct mt_buffer in;
    struct mt_buffer out = mt_buffer_new(bytes + 10 * MAX_RANKS);
    const int mine = block_bytes(at.rank, 0, bytes);

    blocks_make(&b, false, 0, bytes);
    in = poisoned(b.total);
    mt_pattern_fill(out.data, (size_t) mine, key(at.rank, 0, (size_t) mine));
    COLLECTIVE(MPI_Gatherv, MPI_Igatherv, out.data, mine, MPI_BYTE, in.data, b.counts, b.places,
               MPI_BYTE, root, at.comm);
    if (at.rank == root) {
        blocks_expect(&b, &in, 0, "gatherv");
    }
    mt_buffer_poison(&in, in.bytes);
    COLLECTIVE(MPI_Allgatherv, MPI_Iallgatherv, out.data, mine, MPI_BYTE, in.data, b.counts,
               b.places, MPI_BYTE, at.comm);
    blocks_expect(&b, &in, 0, "allgatherv");
    mt_buffer_free(&in);
    mt_buffer_free(&out);
}

static void scatterv_size(size_t bytes)
{
    const int root = (int) at.round % at.size;
    const int mine = block_bytes(root, at.rank, bytes);
    struct blocks b;
    struct mt_buffer in = poisoned((size_t) mine);
    struct mt_buffer out;

    blocks_make(&b, true, root, bytes);
    out = mt_buffer_new(b.total);
    if (at.rank == root) {
        blocks_fill(&b, &out);
    }
    COLLECTIVE(MPI_Scatterv, MPI_Iscatterv, out.data, b.counts, b.places, MPI_BYTE, in.data, mine,
               MPI_BYTE, root, at.comm);
    mt_expect(in.data, (size_t) mine, key(root, at.rank, (size_t) mine), what("scatterv"), root,
              at.round);
    mt_expect_rest(&in, (size_t) mine, what("scatterv"), at.round);
    mt_buffer_free(&in);
    mt_buffer_free(&out);
}

static void alltoallv_size(size_t bytes)
{
    struct blocks to;
    struct blocks from;
    struct mt_buffer in;
    struct mt_buffer out;

    blocks_make(&to, true, at.rank, bytes);
    blocks_make(&from, false, at.rank, bytes);
    in = poisoned(from.total);
    out = mt_buffer_new(to.total);
    blocks_fill(&to, &out);
    COLLECTIVE(MPI_Alltoallv, MPI_Ialltoallv, out.data, to.counts, to.places, MPI_BYTE, in.data,
               from.counts, from.places, MPI_BYTE, at.comm);
    blocks_expect(&from, &in, at.rank, "alltoallv");
    mt_buffer_poison(&in, in.bytes);
    COLLECTIVE(MPI_Alltoallw, MPI_Ialltoallw, out.data, to.counts, to.places_w, to.types, in.data,
               from.counts, from.places_w, from.types, at.comm);
    blocks_expect(&from, &in, at.rank, "alltoallw");
    mt_buffer_free(&in);
    mt_buffer_free(&out);
}

#define CASE_BY_SIZE(name)          \
    static void name##_sizes(void)  \
    {                               \
        each_size(name##_size);     \
    }                               \
    static void name(void)          \
    {                               \
        everywhere(name##_sizes);   \
    }

CASE_BY_SIZE(bcast)
CASE_BY_SIZE(gather)
CASE_BY_SIZE(scatter)
CASE_BY_SIZE(allgather)
CASE_BY_SIZE(alltoall)
CASE_BY_SIZE(gatherv)
CASE_BY_SIZE(scatterv)
CASE_BY_SIZE(alltoallv)

/* --- barrier ------------------------------------------------------------------------------- */

static double now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double) ts.tv_sec + (double) ts.tv_nsec * 1e-9;
}

/*
 * Nobody leaves before everybody has entered. The clock is the same for all
 * processes of a host, so the two moments can be compared there (and only there).
 */
static void barrier_here(void)
{
    for (int late = 0; late < at.size; late++) {
        double moments[2];
        double *all = mt_calloc(2 * (size_t) at.size, sizeof(all[0]));
        char *hosts = mt_calloc((size_t) at.size, MPI_MAX_PROCESSOR_NAME);

        if (at.rank == late) {
            nanosleep(&(struct timespec) {.tv_nsec = 5000000}, NULL);
        }
        moments[0] = now();
        COLLECTIVE(MPI_Barrier, MPI_Ibarrier, at.comm);
        moments[1] = now();
        MT_MPI(MPI_Allgather(moments, 2, MPI_DOUBLE, all, 2, MPI_DOUBLE, at.comm));
        MT_MPI(MPI_Allgather(mt.host, MPI_MAX_PROCESSOR_NAME, MPI_CHAR, hosts,
                             MPI_MAX_PROCESSOR_NAME, MPI_CHAR, at.comm));
        for (int other = 0; other < at.size; other++) {
            if (strcmp(hosts + other * MPI_MAX_PROCESSOR_NAME, mt.host) == 0) {
                mt_expect_number(all[2 * other] <= moments[1], 1,
                                 what("barrier: all have entered when one leaves"),
                                 (unsigned) other);
            }
        }
        free(all);
        free(hosts);
    }
}

static void barrier(void)
{
    everywhere(barrier_here);
}

static const struct mt_case cases[] = {
    {"barrier_holds_until_all_have_entered", barrier, 0},
    {"bcast_reaches_all_from_every_root", bcast, 0},
    {"gather_brings_every_part_to_the_root", gather, 0},
    {"scatter_gives_each_rank_its_part", scatter, 0},
    {"allgather_brings_every_part_to_all", allgather, 0},
    {"alltoall_gives_each_pair_its_part", alltoall, 0},
    {"gatherv_and_allgatherv_place_unequal_parts", gatherv, 0},
    {"scatterv_gives_unequal_parts", scatterv, 0},
    {"alltoallv_and_alltoallw_place_unequal_parts", alltoallv, 0},
};

int main(int argc, char **argv)
{
    return mt_cases_main(argc, argv, &program, cases, sizeof(cases) / sizeof(cases[0]));
}

/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Collectives that compute, blocking and nonblocking, on several communicators,
 * against a result that each rank computes for itself.
 */
#include "everywhere.h"

#include <stdlib.h>

static const struct mt_program program = {
    .name = "reductions",
    .doc = "Reductions and scans against a reference result, on several communicators.",
    .known = MT_CASES_OPTIONS,
    .defaults = MT_CASES_DEFAULTS,
};

/* Small whole numbers: exact as double, too, in any order of additions. */
static long long number(int rank, int i)
{
    return (long long) (mt_key(mt.options.seed + 8, (uint64_t) rank, (uint64_t) i, 0) % 2000) - 1000;
}

/** A reduction in two clothes: for long long and for double. */
struct reduction {
    MPI_Op op;
    bool integers_only;
};

static const struct reduction *reductions(size_t *count)
{
    static struct reduction list[] = {{MPI_OP_NULL, false}, {MPI_OP_NULL, false},
                                      {MPI_OP_NULL, false}, {MPI_OP_NULL, true},
                                      {MPI_OP_NULL, true}};

    list[0].op = MPI_SUM;
    list[1].op = MPI_MIN;
    list[2].op = MPI_MAX;
    list[3].op = MPI_BXOR;
    list[4].op = MPI_BAND;
    *count = sizeof(list) / sizeof(list[0]);
    return list;
}

static long long combine(MPI_Op op, long long a, long long b)
{
    if (op == MPI_SUM) {
        return a + b;
    }
    if (op == MPI_MIN) {
        return a < b ? a : b;
    }
    if (op == MPI_MAX) {
        return a > b ? a : b;
    }
    return op == MPI_BXOR ? a ^ b : a & b;
}

/* Element @p i combined over the ranks up to and including @p last. */
static long long reference(MPI_Op op, int last, int i)
{
    long long result = number(0, i);

    for (int rank = 1; rank <= last; rank++) {
        result = combine(op, result, number(rank, i));
    }
    return result;
}

enum reducing { REDUCE, REDUCE_IN_PLACE, ALLREDUCE, ALLREDUCE_IN_PLACE, SCAN, EXSCAN, BLOCKS,
                COUNTS, NUM_REDUCING };
static const char *const reducing_names[NUM_REDUCING] = {
    "reduce", "reduce in place", "allreduce", "allreduce in place", "scan", "exscan",
    "reduce_scatter_block", "reduce_scatter"};

/* Calls it; *first: which element the result begins with, *got: how many there are. */
static void call_reduction(enum reducing how, void *out, void *in, int count, MPI_Datatype type,
                           MPI_Op op, int *first, int *got)
{
    const int root = (int) at.round % at.size;
    int counts[MAX_RANKS];

    *first = 0;
    *got = count;
    switch (how) {
    case REDUCE:
        COLLECTIVE(MPI_Reduce, MPI_Ireduce, out, in, count, type, op, root, at.comm);
        *got = at.rank == root ? count : 0;
        break;
    case REDUCE_IN_PLACE:
        COLLECTIVE(MPI_Reduce, MPI_Ireduce, at.rank == root ? MPI_IN_PLACE : out, in, count, type,
                   op, root, at.comm);
        *got = at.rank == root ? count : 0;
        break;
    case ALLREDUCE:
        COLLECTIVE(MPI_Allreduce, MPI_Iallreduce, out, in, count, type, op, at.comm);
        break;
    case ALLREDUCE_IN_PLACE:
        COLLECTIVE(MPI_Allreduce, MPI_Iallreduce, MPI_IN_PLACE, in, count, type, op, at.comm);
        break;
    case SCAN:
        COLLECTIVE(MPI_Scan, MPI_Iscan, out, in, count, type, op, at.comm);
        break;
    case EXSCAN:
        COLLECTIVE(MPI_Exscan, MPI_Iexscan, out, in, count, type, op, at.comm);
        *got = at.rank == 0 ? 0 : count; /* undefined at rank 0 */
        break;
    case BLOCKS:
        *got = count / at.size;
        *first = at.rank * *got;
        COLLECTIVE(MPI_Reduce_scatter_block, MPI_Ireduce_scatter_block, out, in, *got, type, op,
                   at.comm);
        break;
    default:
        for (int rank = 0; rank < at.size; rank++) {
            counts[rank] = rank == 0 ? count - (at.size - 1) * (count / (2 * at.size))
                                     : count / (2 * at.size);
        }
        *got = counts[at.rank];
        *first = at.rank == 0 ? 0 : counts[0] + (at.rank - 1) * counts[1];
        COLLECTIVE(MPI_Reduce_scatter, MPI_Ireduce_scatter, out, in, counts, type, op, at.comm);
        break;
    }
}

static void reduce_numbers(enum reducing how, MPI_Op op, int count, bool doubles)
{
    double *d_in = mt_calloc((size_t) count, sizeof(double));
    double *d_out = mt_calloc((size_t) count, sizeof(double));
    long long *i_in = mt_calloc((size_t) count, sizeof(long long));
    long long *i_out = mt_calloc((size_t) count, sizeof(long long));
    const int last = how == SCAN ? at.rank : how == EXSCAN ? at.rank - 1 : at.size - 1;
    int first;
    int got;

    for (int i = 0; i < count; i++) {
        const bool in_place = how == ALLREDUCE_IN_PLACE || how == REDUCE_IN_PLACE;

        i_out[i] = number(at.rank, i);
        d_out[i] = (double) i_out[i];
        i_in[i] = in_place ? i_out[i] : 0x7777;
        d_in[i] = (double) i_in[i];
    }
    call_reduction(how, doubles ? (void *) d_out : i_out, doubles ? (void *) d_in : i_in, count,
                   doubles ? MPI_DOUBLE : MPI_LONG_LONG, op, &first, &got);
    for (int i = 0; i < got; i++) {
        mt_expect_number(doubles ? (long long) d_in[i] : i_in[i], reference(op, last, first + i),
                         what(reducing_names[how]), (unsigned) i);
    }
    free(d_in);
    free(d_out);
    free(i_in);
    free(i_out);
}

static enum reducing reducing_now;

static void reduce_here(void)
{
    static const int counts[] = {1, 8, 130, 1100, 20000};
    const size_t num_counts = sizeof(counts) / sizeof(counts[0]) - mt_count(0, 1);
    size_t num_ops;
    const struct reduction *list = reductions(&num_ops);

    for (size_t i = 0; i < num_ops; i++) {
        for (size_t j = i % 2; j < num_counts; j += 2) {
            reduce_numbers(reducing_now, list[i].op, counts[j] * at.size, false);
            if (!list[i].integers_only) {
                reduce_numbers(reducing_now, list[i].op, counts[j] * at.size, true);
            }
        }
    }
}

#define CASE_OF_REDUCTION(name, how) \
    static void name(void)           \
    {                                \
        reducing_now = how;          \
        everywhere(reduce_here);     \
    }

CASE_OF_REDUCTION(reduce, REDUCE)
CASE_OF_REDUCTION(reduce_in_place, REDUCE_IN_PLACE)
CASE_OF_REDUCTION(allreduce, ALLREDUCE)
CASE_OF_REDUCTION(allreduce_in_place, ALLREDUCE_IN_PLACE)
CASE_OF_REDUCTION(scan, SCAN)
CASE_OF_REDUCTION(exscan, EXSCAN)
CASE_OF_REDUCTION(reduce_scatter_block, BLOCKS)
CASE_OF_REDUCTION(reduce_scatter, COUNTS)

static const struct mt_case cases[] = {
    {"reduce_combines_all", reduce, 0},
    {"reduce_combines_in_place", reduce_in_place, 0},
    {"allreduce_combines_all_for_all", allreduce, 0},
    {"allreduce_combines_in_place", allreduce_in_place, 0},
    {"scan_combines_up_to_each_rank", scan, 0},
    {"exscan_combines_below_each_rank", exscan, 0},
    {"reduce_scatter_block_gives_each_its_part", reduce_scatter_block, 0},
    {"reduce_scatter_gives_unequal_parts", reduce_scatter, 0},
};

int main(int argc, char **argv)
{
    return mt_cases_main(argc, argv, &program, cases, sizeof(cases) / sizeof(cases[0]));
}

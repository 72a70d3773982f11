/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Collectives beyond the plain ones: several communicators at the same time,
 * intercommunicators, topologies, operations of the user's own, derived types.
 */
#include "cases.h"

#include <stdlib.h>
#include <string.h>

static const struct mt_program program = {
    .name = "communicators",
    .doc = "Many communicators at once, intercommunicators, topologies, user operations.",
    .known = MT_CASES_OPTIONS,
    .defaults = MT_CASES_DEFAULTS,
};

static uint64_t key(int rank, unsigned number)
{
    return mt_key(mt.options.seed + 9, (uint64_t) rank, number, 0);
}

/* Many nonblocking collectives under way on many communicators; they end in another order. */
static void many_at_once(void)
{
    enum { COMMS = 12 };
    const size_t bytes = 20000;
    MPI_Comm comms[COMMS];
    struct mt_buffer data[COMMS];
    long long sums[COMMS];
    long long mine[COMMS];
    MPI_Request requests[2 * COMMS];

    for (int i = 0; i < COMMS; i++) {
        MT_MPI(MPI_Comm_dup(MPI_COMM_WORLD, &comms[i]));
        data[i] = mt_buffer_new(bytes);
    }
    for (unsigned round = 0; round < mt_count(10, 2); round++) {
        for (int i = 0; i < COMMS; i++) {
            const int root = (int) ((unsigned) i + round) % mt.ranks;

            mt_buffer_poison(&data[i], bytes);
            if (mt.rank == root) {
                mt_pattern_fill(data[i].data, bytes, key(root, (unsigned) i));
            }
            mine[i] = 100 * i + mt.rank;
            MT_MPI(MPI_Ibcast(data[i].data, (int) bytes, MPI_BYTE, root, comms[i],
                              &requests[2 * i]));
            MT_MPI(MPI_Iallreduce(&mine[i], &sums[i], 1, MPI_LONG_LONG, MPI_SUM, comms[i],
                                  &requests[2 * i + 1]));
        }
        for (int i = COMMS; i-- > 0;) {
            const int root = (int) ((unsigned) i + round) % mt.ranks;

            MT_MPI(MPI_Waitall(2, &requests[2 * i], MPI_STATUSES_IGNORE));
            mt_expect(data[i].data, bytes, key(root, (unsigned) i), "one of many broadcasts", root,
                      round);
            mt_expect_guards(&data[i], bytes, "one of many broadcasts", round);
            mt_expect_number(sums[i], 100 * i * mt.ranks + mt.ranks * (mt.ranks - 1) / 2,
                             "one of many sums", round);
        }
    }
    for (int i = 0; i < COMMS; i++) {
        MT_MPI(MPI_Comm_free(&comms[i]));
        mt_buffer_free(&data[i]);
    }
}

/* Communicators are made, used and freed over and over. */
static void made_and_freed(void)
{
    for (unsigned round = 0; round < mt_count(150, 20); round++) {
        MPI_Comm comm;
        int rank;
        int size;
        long long sum;
        const long long mine = mt.rank + 1;
        long long expected = 0;

        MT_MPI(MPI_Comm_split(MPI_COMM_WORLD, (int) ((unsigned) mt.rank + round) % 2, mt.rank,
                              &comm));
        MT_MPI(MPI_Comm_rank(comm, &rank));
        MT_MPI(MPI_Comm_size(comm, &size));
        MT_MPI(MPI_Allreduce(&mine, &sum, 1, MPI_LONG_LONG, MPI_SUM, comm));
        for (int other = mt.rank % 2; other < mt.ranks; other += 2) {
            expected += other + 1;
        }
        mt_expect_number(sum, expected, "sum in a communicator", round);
        MT_MPI(MPI_Comm_free(&comm));
    }
}

/* Between rank 0 and all others. */
static void intercommunicator(void)
{
    const bool first = mt.rank == 0;
    const int here = first ? 1 : mt.ranks - 1;
    const int there = mt.ranks - here;
    const size_t bytes = 12000;
    struct mt_buffer in = mt_buffer_new(bytes * (size_t) mt.ranks);
    struct mt_buffer out = mt_buffer_new(bytes);
    MPI_Comm side;
    MPI_Comm inter;
    MPI_Request request;
    int root;

    MT_MPI(MPI_Comm_split(MPI_COMM_WORLD, first, mt.rank, &side));
    MT_MPI(MPI_Intercomm_create(side, 0, MPI_COMM_WORLD, first ? 1 : 0, 71, &inter));
    for (unsigned round = 0; round < 4; round++) {
        /* Everybody gets from each rank of the other side. */
        mt_buffer_poison(&in, in.bytes);
        mt_buffer_fill(&out, bytes, key(mt.rank, round));
        if (round % 2 == 0) {
            MT_MPI(MPI_Allgather(out.data, (int) bytes, MPI_BYTE, in.data, (int) bytes, MPI_BYTE,
                                 inter));
        } else {
            MT_MPI(MPI_Iallgather(out.data, (int) bytes, MPI_BYTE, in.data, (int) bytes, MPI_BYTE,
                                  inter, &request));
            MT_MPI(MPI_Wait(&request, MPI_STATUS_IGNORE));
        }
        for (int i = 0; i < there; i++) {
            const int sender = first ? i + 1 : 0;

            mt_expect(in.data + (size_t) i * bytes, bytes, key(sender, round),
                      "allgather between groups", sender, round);
        }
        mt_expect_rest(&in, (size_t) there * bytes, "allgather between groups", round);
        /* Rank 0 of the world to all of the other side. */
        mt_buffer_poison(&in, in.bytes);
        if (first) {
            mt_pattern_fill(in.data, bytes, key(0, 100 + round));
        }
        root = first ? MPI_ROOT : 0;
        MT_MPI(MPI_Bcast(in.data, (int) bytes, MPI_BYTE, root, inter));
        mt_expect(in.data, bytes, key(0, 100 + round), "bcast between groups", 0, round);
    }
    MT_MPI(MPI_Comm_free(&inter));
    MT_MPI(MPI_Comm_free(&side));
    mt_buffer_free(&in);
    mt_buffer_free(&out);
}

/* A ring: each rank has two neighbours, one below, one above (the same one with two ranks). */
static void neighbours(void)
{
    const int periodic = 1;
    const int below = (mt.rank + mt.ranks - 1) % mt.ranks;
    const int above = (mt.rank + 1) % mt.ranks;
    size_t count;
    size_t *sizes = mt_few_sizes(&count);
    MPI_Comm ring;

    MT_MPI(MPI_Cart_create(MPI_COMM_WORLD, 1, &mt.ranks, &periodic, 0, &ring));
    for (size_t i = 0; i < count; i++) {
        const size_t bytes = sizes[i];
        struct mt_buffer in = mt_buffer_new(2 * bytes);
        struct mt_buffer out = mt_buffer_new(bytes);
        MPI_Request request;

        mt_buffer_fill(&out, bytes, key(mt.rank, (unsigned) i));
        for (int nonblocking = 0; nonblocking < 2; nonblocking++) {
            mt_buffer_poison(&in, in.bytes);
            if (nonblocking) {
                MT_MPI(MPI_Ineighbor_allgather(out.data, (int) bytes, MPI_BYTE, in.data,
                                               (int) bytes, MPI_BYTE, ring, &request));
                MT_MPI(MPI_Wait(&request, MPI_STATUS_IGNORE));
            } else {
                MT_MPI(MPI_Neighbor_allgather(out.data, (int) bytes, MPI_BYTE, in.data,
                                              (int) bytes, MPI_BYTE, ring));
            }
            mt_expect(in.data, bytes, key(below, (unsigned) i), "from the neighbour below", below,
                      (unsigned) i);
            mt_expect(in.data + bytes, bytes, key(above, (unsigned) i),
                      "from the neighbour above", above, (unsigned) i);
            mt_expect_rest(&in, 2 * bytes, "from the neighbours", (unsigned) i);
        }
        mt_buffer_free(&in);
        mt_buffer_free(&out);
    }
    MT_MPI(MPI_Comm_free(&ring));
    free(sizes);
}

/* --- an operation that is associative but not commutative: 2 x 2 matrices modulo a prime --- */

#define PRIME 10007

struct matrix {
    long long v[4];
};

static struct matrix product(struct matrix a, struct matrix b)
{
    return (struct matrix) {{(a.v[0] * b.v[0] + a.v[1] * b.v[2]) % PRIME,
                             (a.v[0] * b.v[1] + a.v[1] * b.v[3]) % PRIME,
                             (a.v[2] * b.v[0] + a.v[3] * b.v[2]) % PRIME,
                             (a.v[2] * b.v[1] + a.v[3] * b.v[3]) % PRIME}};
}

static void multiply(void *in, void *inout, int *count, MPI_Datatype *type)
{
    const struct matrix *left = in;
    struct matrix *right = inout;

    (void) type;
    for (int i = 0; i < *count; i++) {
        right[i] = product(left[i], right[i]);
    }
}

static struct matrix matrix_of(int rank, int i)
{
    uint64_t state = key(rank, (unsigned) i);
    struct matrix m;

    for (int j = 0; j < 4; j++) {
        m.v[j] = (long long) mt_random_upto(&state, PRIME - 1);
    }
    return m;
}

static void user_operation(void)
{
    enum { MOST = 2000 };
    struct matrix *mine = mt_calloc(MOST, sizeof(*mine));
    struct matrix *result = mt_calloc(MOST, sizeof(*result));
    MPI_Datatype type;
    MPI_Op op;

    MT_MPI(MPI_Type_contiguous(4, MPI_LONG_LONG, &type));
    MT_MPI(MPI_Type_commit(&type));
    MT_MPI(MPI_Op_create(multiply, 0, &op));
    for (int i = 0; i < MOST; i++) {
        mine[i] = matrix_of(mt.rank, i);
    }
    for (int count = 1; count <= MOST; count = count * 12 + 1) {
        for (int how = 0; how < 4; how++) {
            const int last = how == 3 ? mt.rank : mt.ranks - 1;
            MPI_Request request;

            memset(result, 0x77, MOST * sizeof(*result));
            switch (how) {
            case 0:
                MT_MPI(MPI_Allreduce(mine, result, count, type, op, MPI_COMM_WORLD));
                break;
            case 1:
                MT_MPI(MPI_Iallreduce(mine, result, count, type, op, MPI_COMM_WORLD, &request));
                MT_MPI(MPI_Wait(&request, MPI_STATUS_IGNORE));
                break;
            case 2:
                MT_MPI(MPI_Reduce(mine, result, count, type, op, mt.ranks - 1, MPI_COMM_WORLD));
                break;
            default:
                MT_MPI(MPI_Scan(mine, result, count, type, op, MPI_COMM_WORLD));
                break;
            }
            for (int i = 0; i < count && (how != 2 || mt.rank == mt.ranks - 1); i++) {
                struct matrix expected = matrix_of(0, i);

                for (int rank = 1; rank <= last; rank++) {
                    expected = product(expected, matrix_of(rank, i));
                }
                for (int j = 0; j < 4; j++) {
                    mt_expect_number(result[i].v[j], expected.v[j],
                                     "product of matrices, in the order of ranks", (unsigned) i);
                }
            }
        }
    }
    MT_MPI(MPI_Op_free(&op));
    MT_MPI(MPI_Type_free(&type));
    free(mine);
    free(result);
}

/* Columns of a matrix are sent, rows of one are received: a transposition across ranks. */
static void derived_types(void)
{
    enum { BLOCK = 90 }; /* rows and columns that a rank owns */
    const int side = BLOCK * mt.ranks;
    long long *rows = mt_calloc((size_t) (BLOCK * side), sizeof(*rows));
    long long *columns = mt_calloc((size_t) (BLOCK * side), sizeof(*columns));
    MPI_Datatype strided;
    MPI_Datatype column;
    MPI_Datatype columns_of_block;
    MPI_Datatype block;

    for (int i = 0; i < BLOCK * side; i++) {
        rows[i] = (long long) (mt.rank * BLOCK + i / side) * 100000 + i % side;
        columns[i] = -1;
    }
    MT_MPI(MPI_Type_vector(BLOCK, 1, side, MPI_LONG_LONG, &strided));
    MT_MPI(MPI_Type_create_resized(strided, 0, sizeof(long long), &column));
    MT_MPI(MPI_Type_contiguous(BLOCK, column, &columns_of_block));
    MT_MPI(MPI_Type_create_resized(columns_of_block, 0, BLOCK * sizeof(long long), &block));
    MT_MPI(MPI_Type_commit(&block));
    MT_MPI(MPI_Alltoall(rows, 1, block, columns, BLOCK * BLOCK, MPI_LONG_LONG, MPI_COMM_WORLD));
    for (int from = 0; from < mt.ranks; from++) {
        for (int i = 0; i < BLOCK * BLOCK; i++) {
            const int row = from * BLOCK + i % BLOCK;
            const int col = mt.rank * BLOCK + i / BLOCK;

            mt_expect_number(columns[from * BLOCK * BLOCK + i], row * 100000LL + col,
                             "element of the transposed matrix", (unsigned) i);
        }
    }
    MT_MPI(MPI_Type_free(&strided));
    MT_MPI(MPI_Type_free(&column));
    MT_MPI(MPI_Type_free(&columns_of_block));
    MT_MPI(MPI_Type_free(&block));
    free(rows);
    free(columns);
}

/* Messages with the tags and the ranks of a collective do not get in its way. */
static void messages_beside(void)
{
    const int above = (mt.rank + 1) % mt.ranks;
    const int below = (mt.rank + mt.ranks - 1) % mt.ranks;
    struct mt_buffer in = mt_buffer_new(30000);
    struct mt_buffer out = mt_buffer_new(30000);

    for (unsigned round = 0; round < mt_count(40, 5); round++) {
        long long mine = mt.rank + (long long) round;
        long long sum;
        MPI_Request requests[2];

        mt_buffer_poison(&in, in.bytes);
        mt_buffer_fill(&out, out.bytes, key(mt.rank, round));
        MT_MPI(MPI_Irecv(in.data, 30000, MPI_BYTE, MPI_ANY_SOURCE, MPI_ANY_TAG, MPI_COMM_WORLD,
                         &requests[0]));
        MT_MPI(MPI_Isend(out.data, 30000, MPI_BYTE, above, (int) round, MPI_COMM_WORLD,
                         &requests[1]));
        MT_MPI(MPI_Allreduce(&mine, &sum, 1, MPI_LONG_LONG, MPI_SUM, MPI_COMM_WORLD));
        MT_MPI(MPI_Waitall(2, requests, MPI_STATUSES_IGNORE));
        mt_expect_number(sum, (long long) round * mt.ranks + mt.ranks * (mt.ranks - 1) / 2,
                         "sum beside messages", round);
        mt_expect(in.data, in.bytes, key(below, round), "message beside a collective", below,
                  round);
        mt_expect_guards(&in, in.bytes, "message beside a collective", round);
        MT_MPI(MPI_Barrier(MPI_COMM_WORLD));
    }
    mt_buffer_free(&in);
    mt_buffer_free(&out);
}

static const struct mt_case cases[] = {
    {"many_collectives_at_once_do_not_mix", many_at_once, 0},
    {"communicators_are_made_and_freed_over_and_over", made_and_freed, 0},
    {"intercommunicator_joins_two_groups", intercommunicator, 0},
    {"neighbourhood_brings_the_neighbours_parts", neighbours, 0},
    {"user_operation_is_applied_in_rank_order", user_operation, 0},
    {"derived_types_transpose_a_matrix", derived_types, 0},
    {"messages_beside_a_collective_do_not_mix", messages_beside, 0},
};

int main(int argc, char **argv)
{
    return mt_cases_main(argc, argv, &program, cases, sizeof(cases) / sizeof(cases[0]));
}

/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Linked in front of MPI, breaks one thing inside a case (between
 * MPI_Pcontrol(1) and MPI_Pcontrol(0)), to see that the case notices.
 *
 * MT_DAMAGE=
 *   data:N    the N-th call of each rank that brings data into MPI gets a copy
 *             of them with one byte changed (gets: one element less is fetched)
 *   early     synchronous sends do not wait for the receive
 *   deaf      no request was ever cancelled
 *   hush      a message that is too long is no error
 *   ajar      barriers hold nobody
 *   apart     neither, and rank 1 enters when rank 0 has left: for a case without other messages
 */
#include <mpi.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static atomic_bool inside;
static atomic_ulong calls;

#define TAG_LEFT 4711

static bool plan_is(const char *what)
{
    const char *plan = getenv("MT_DAMAGE");

    return plan != NULL && strcmp(plan, what) == 0;
}

/* Rank 1 waits for rank 0's end of what is inside. */
static void keep_apart(bool begins)
{
    int rank;

    PMPI_Comm_rank(MPI_COMM_WORLD, &rank);
    if (begins && rank == 1) {
        PMPI_Recv(NULL, 0, MPI_BYTE, 0, TAG_LEFT, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    } else if (!begins && rank == 0) {
        PMPI_Send(NULL, 0, MPI_BYTE, 1, TAG_LEFT, MPI_COMM_WORLD);
    }
}

int MPI_Pcontrol(const int level, ...)
{
    if (plan_is("apart")) {
        keep_apart(level != 0);
    }
    atomic_store(&inside, level != 0);
    return MPI_SUCCESS;
}

static bool wants(const char *what)
{
    return atomic_load(&inside) && plan_is(what);
}

/* Is it this call's turn? */
static bool turn(void)
{
    const char *plan = getenv("MT_DAMAGE");
    unsigned long number;

    return atomic_load(&inside) && plan != NULL && sscanf(plan, "data:%lu", &number) == 1 &&
           atomic_fetch_add(&calls, 1) + 1 == number;
}

/* The buffer, or a copy of it whose first byte of data differs. The copy is never freed. */
static void *damaged(const void *buf, int count, MPI_Datatype type)
{
    MPI_Aint lb;
    MPI_Aint extent;
    MPI_Aint true_lb;
    MPI_Aint true_extent;
    MPI_Aint low;
    MPI_Aint high;
    uint8_t *copy;
    int size;

    PMPI_Type_size(type, &size);
    if (buf == MPI_IN_PLACE || count <= 0 || size == 0 || !turn()) {
        return (void *) (uintptr_t) buf;
    }
    PMPI_Type_get_extent(type, &lb, &extent);
    PMPI_Type_get_true_extent(type, &true_lb, &true_extent);
    low = true_lb + (extent < 0 ? (count - 1) * extent : 0);
    high = true_lb + true_extent + (extent > 0 ? (count - 1) * extent : 0);
    copy = malloc((size_t) (high - low));
    memcpy(copy, (const uint8_t *) buf + low, (size_t) (high - low));
    copy[true_lb - low] ^= 0x20;
    return copy - low;
}

/* What a reduction is given; in place it lies where the result will be. */
static void *contribution(const void *buf, void *result, int count, MPI_Datatype type)
{
    if (buf == MPI_IN_PLACE && turn()) {
        *(uint8_t *) result ^= 0x20;
    }
    return damaged(buf, count, type);
}

/* The same for blocks at displacements: the first one that is not empty. */
static void *damaged_blocks(const void *buf, const int *counts, const int *places, int ranks)
{
    size_t total = 0;
    int first = -1;
    uint8_t *copy;

    for (int i = 0; i < ranks; i++) {
        const size_t end = (size_t) (places[i] + counts[i]);

        first = counts[i] > 0 && first < 0 ? i : first;
        total = end > total ? end : total;
    }
    if (first < 0 || !turn()) {
        return (void *) (uintptr_t) buf;
    }
    copy = malloc(total); /* of bytes: nothing else is sent in blocks */
    memcpy(copy, buf, total);
    copy[places[first]] ^= 0x20;
    return copy;
}

static int size_of(MPI_Comm comm)
{
    int size;

    PMPI_Comm_size(comm, &size);
    return size;
}

static bool is_root(int root, MPI_Comm comm)
{
    int rank;

    PMPI_Comm_rank(comm, &rank);
    return root == MPI_ROOT || rank == root;
}

/* --- messages ------------------------------------------------------------------------- */

#define SEND(name)                                                                           \
    int MPI_##name(const void *b, int n, MPI_Datatype t, int to, int tag, MPI_Comm c)        \
    {                                                                                        \
        return PMPI_##name(damaged(b, n, t), n, t, to, tag, c);                              \
    }
SEND(Send)
SEND(Ssend)
SEND(Rsend)
SEND(Bsend)

#define ISEND(name)                                                                          \
    int MPI_##name(const void *b, int n, MPI_Datatype t, int to, int tag, MPI_Comm c,        \
                   MPI_Request *r)                                                           \
    {                                                                                        \
        return PMPI_##name(damaged(b, n, t), n, t, to, tag, c, r);                           \
    }
ISEND(Isend)
ISEND(Send_init)
ISEND(Ssend_init)
ISEND(Rsend_init)
ISEND(Bsend_init)

int MPI_Issend(const void *b, int n, MPI_Datatype t, int to, int tag, MPI_Comm c, MPI_Request *r)
{
    return wants("early") ? PMPI_Isend(b, n, t, to, tag, c, r)
                          : PMPI_Issend(damaged(b, n, t), n, t, to, tag, c, r);
}

int MPI_Sendrecv(const void *b, int n, MPI_Datatype t, int to, int stag, void *rb, int rn,
                 MPI_Datatype rt, int from, int rtag, MPI_Comm c, MPI_Status *s)
{
    return PMPI_Sendrecv(damaged(b, n, t), n, t, to, stag, rb, rn, rt, from, rtag, c, s);
}

int MPI_Sendrecv_replace(void *b, int n, MPI_Datatype t, int to, int stag, int from, int rtag,
                         MPI_Comm c, MPI_Status *s)
{
    if (turn()) {
        *(uint8_t *) b ^= 0x20;
    }
    return PMPI_Sendrecv_replace(b, n, t, to, stag, from, rtag, c, s);
}

int MPI_Recv(void *b, int n, MPI_Datatype t, int from, int tag, MPI_Comm c, MPI_Status *s)
{
    const int rc = PMPI_Recv(b, n, t, from, tag, c, s);

    return wants("hush") ? MPI_SUCCESS : rc;
}

int MPI_Test_cancelled(const MPI_Status *status, int *flag)
{
    const int rc = PMPI_Test_cancelled(status, flag);

    *flag = wants("deaf") ? 0 : *flag;
    return rc;
}

/* --- collectives ------------------------------------------------------------------------ */

static bool holds_nobody(void)
{
    return wants("ajar") || wants("apart");
}

int MPI_Barrier(MPI_Comm c)
{
    return holds_nobody() ? MPI_SUCCESS : PMPI_Barrier(c);
}

int MPI_Ibarrier(MPI_Comm c, MPI_Request *r)
{
    *r = MPI_REQUEST_NULL;
    return holds_nobody() ? MPI_SUCCESS : PMPI_Ibarrier(c, r);
}

/* DECLARED and PASSED are argument lists in parentheses, without the request. */
#define UNPACK(...) __VA_ARGS__
#define COLLECTIVE(name, iname, declared, before, passed)                                    \
    int MPI_##name(UNPACK declared)                                                          \
    {                                                                                        \
        before;                                                                              \
        return PMPI_##name(UNPACK passed);                                                   \
    }                                                                                        \
    int MPI_##iname(UNPACK declared, MPI_Request *request)                                   \
    {                                                                                        \
        before;                                                                              \
        return PMPI_##iname(UNPACK passed, request);                                         \
    }

COLLECTIVE(Bcast, Ibcast, (void *b, int n, MPI_Datatype t, int root, MPI_Comm c),
           b = is_root(root, c) ? damaged(b, n, t) : b, (b, n, t, root, c))

#define GATHERING(name, iname)                                                               \
    COLLECTIVE(name, iname,                                                                  \
               (const void *b, int n, MPI_Datatype t, void *rb, int rn, MPI_Datatype rt,     \
                MPI_Comm c),                                                                 \
               b = damaged(b, n, t), (b, n, t, rb, rn, rt, c))
GATHERING(Allgather, Iallgather)
GATHERING(Alltoall, Ialltoall)
GATHERING(Neighbor_allgather, Ineighbor_allgather)

COLLECTIVE(Gather, Igather,
           (const void *b, int n, MPI_Datatype t, void *rb, int rn, MPI_Datatype rt, int root,
            MPI_Comm c),
           b = damaged(b, n, t), (b, n, t, rb, rn, rt, root, c))
COLLECTIVE(Scatter, Iscatter,
           (const void *b, int n, MPI_Datatype t, void *rb, int rn, MPI_Datatype rt, int root,
            MPI_Comm c),
           b = is_root(root, c) ? damaged(b, n, t) : b, (b, n, t, rb, rn, rt, root, c))
COLLECTIVE(Gatherv, Igatherv,
           (const void *b, int n, MPI_Datatype t, void *rb, const int *rn, const int *rp,
            MPI_Datatype rt, int root, MPI_Comm c),
           b = damaged(b, n, t), (b, n, t, rb, rn, rp, rt, root, c))
COLLECTIVE(Allgatherv, Iallgatherv,
           (const void *b, int n, MPI_Datatype t, void *rb, const int *rn, const int *rp,
            MPI_Datatype rt, MPI_Comm c),
           b = damaged(b, n, t), (b, n, t, rb, rn, rp, rt, c))
COLLECTIVE(Scatterv, Iscatterv,
           (const void *b, const int *n, const int *p, MPI_Datatype t, void *rb, int rn,
            MPI_Datatype rt, int root, MPI_Comm c),
           b = is_root(root, c) ? damaged_blocks(b, n, p, size_of(c)) : b,
           (b, n, p, t, rb, rn, rt, root, c))
COLLECTIVE(Alltoallv, Ialltoallv,
           (const void *b, const int *n, const int *p, MPI_Datatype t, void *rb, const int *rn,
            const int *rp, MPI_Datatype rt, MPI_Comm c),
           b = damaged_blocks(b, n, p, size_of(c)), (b, n, p, t, rb, rn, rp, rt, c))

#define REDUCING(name, iname)                                                                \
    COLLECTIVE(name, iname,                                                                  \
               (const void *b, void *rb, int n, MPI_Datatype t, MPI_Op op, MPI_Comm c),      \
               b = contribution(b, rb, n, t), (b, rb, n, t, op, c))
REDUCING(Allreduce, Iallreduce)
REDUCING(Scan, Iscan)
REDUCING(Exscan, Iexscan)
REDUCING(Reduce_scatter_block, Ireduce_scatter_block)

COLLECTIVE(Reduce, Ireduce,
           (const void *b, void *rb, int n, MPI_Datatype t, MPI_Op op, int root, MPI_Comm c),
           b = contribution(b, rb, n, t), (b, rb, n, t, op, root, c))
COLLECTIVE(Reduce_scatter, Ireduce_scatter,
           (const void *b, void *rb, const int *n, MPI_Datatype t, MPI_Op op, MPI_Comm c),
           b = damaged(b, n[0], t), (b, rb, n, t, op, c))

/* --- one-sided ----------------------------------------------------------------------------- */

int MPI_Put(const void *b, int n, MPI_Datatype t, int to, MPI_Aint at, int tn, MPI_Datatype tt,
            MPI_Win w)
{
    return PMPI_Put(damaged(b, n, t), n, t, to, at, tn, tt, w);
}

int MPI_Rput(const void *b, int n, MPI_Datatype t, int to, MPI_Aint at, int tn, MPI_Datatype tt,
             MPI_Win w, MPI_Request *r)
{
    return PMPI_Rput(damaged(b, n, t), n, t, to, at, tn, tt, w, r);
}

/* Bytes are fetched: one less, unless the target's type says how many. */
int MPI_Get(void *b, int n, MPI_Datatype t, int from, MPI_Aint at, int tn, MPI_Datatype tt,
            MPI_Win w)
{
    const int less = n > 0 && tn == n && turn() ? 1 : 0;

    return PMPI_Get(b, n - less, t, from, at, tn - less, tt, w);
}

int MPI_Accumulate(const void *b, int n, MPI_Datatype t, int to, MPI_Aint at, int tn,
                   MPI_Datatype tt, MPI_Op op, MPI_Win w)
{
    return PMPI_Accumulate(damaged(b, n, t), n, t, to, at, tn, tt, op, w);
}

int MPI_Get_accumulate(const void *b, int n, MPI_Datatype t, void *rb, int rn, MPI_Datatype rt,
                       int to, MPI_Aint at, int tn, MPI_Datatype tt, MPI_Op op, MPI_Win w)
{
    return PMPI_Get_accumulate(damaged(b, n, t), n, t, rb, rn, rt, to, at, tn, tt, op, w);
}

int MPI_Fetch_and_op(const void *b, void *rb, MPI_Datatype t, int to, MPI_Aint at, MPI_Op op,
                     MPI_Win w)
{
    return PMPI_Fetch_and_op(damaged(b, 1, t), rb, t, to, at, op, w);
}

int MPI_Compare_and_swap(const void *b, const void *expected, void *rb, MPI_Datatype t, int to,
                         MPI_Aint at, MPI_Win w)
{
    return PMPI_Compare_and_swap(damaged(b, 1, t), expected, rb, t, to, at, w);
}

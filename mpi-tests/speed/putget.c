/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * One-sided communication between pairs of ranks: put, get and accumulate, one
 * of them in an epoch (latency) or a window of them (bandwidth), by each way to
 * end the epoch:
 *
 *   fence   MPI_Win_fence(), the access, MPI_Win_fence(): all ranks
 *   pscw    MPI_Win_start() and MPI_Win_complete() here, MPI_Win_post() and MPI_Win_wait() there
 *   lock    MPI_Win_lock() (shared) and MPI_Win_unlock()
 *   flush   MPI_Win_flush() in an epoch that lasts
 *
 * A run is all of that. Accumulate adds numbers of 4 bytes. The first of a pair accesses the second one's memory.
 */
#include <stdlib.h>

#include "series.h"

static const struct mt_program program = {
    .name = "putget",
    .doc = "Put, get and accumulate by size and way to synchronise: time of an epoch with one access, or, NAME_many, a window of them."
           "\vWith more than two ranks, rank r accesses rank r + N/2, all pairs at the same time. MB are 10^6 bytes.",
    .known = MT_SERIES_OPTIONS | MT_OPT_WINDOW,
    .least_bytes = 1,
    .size_bits = 2,
    .defaults = {.min_bytes = 4, .max_bytes = 1024 * 1024, .window = 64, .seed = 1},
};

enum access { PUT, GET, ACCUMULATE };
enum sync { FENCE, PSCW, LOCK, FLUSH };

/* The first of a pair puts from and gets to local; the second one's memory is the window. */
static struct mt_buffer local;
static struct mt_buffer exposed; /* in what MPI allocated, guards included */
static MPI_Win window;
static MPI_Group partner_group;
static int partner;

static void set_up(size_t largest, unsigned per_run)
{
    const size_t bytes = largest * per_run;
    MPI_Group world;

    partner = mt_partner(mt.rank, mt.ranks);
    local = mt_buffer_new(bytes);
    MT_MPI(MPI_Win_allocate((MPI_Aint) (bytes + 2 * MT_GUARD_BYTES), 1, MPI_INFO_NULL, MPI_COMM_WORLD,
                            &exposed.base, &window));
    MT_MPI(MPI_Win_set_errhandler(window, MPI_ERRORS_RETURN));
    exposed.data = exposed.base + MT_GUARD_BYTES;
    exposed.bytes = bytes;
    MT_MPI(MPI_Comm_group(MPI_COMM_WORLD, &world));
    MT_MPI(MPI_Group_incl(world, partner >= 0 ? 1 : 0, &partner, &partner_group));
    MT_MPI(MPI_Group_free(&world));
}

static void clean_up(void)
{
    MT_MPI(MPI_Group_free(&partner_group));
    MT_MPI(MPI_Win_free(&window)); /* and the memory with it */
    mt_buffer_free(&local);
}

static void open_operation(const struct mt_operation *op)
{
    if (op->how == FLUSH && partner >= 0 && mt_begins()) {
        MT_MPI(MPI_Win_lock(MPI_LOCK_SHARED, partner, 0, window));
    }
}

static void close_operation(const struct mt_operation *op)
{
    if (op->how == FLUSH && partner >= 0 && mt_begins()) {
        MT_MPI(MPI_Win_unlock(partner, window));
    }
    MT_MPI(MPI_Barrier(MPI_COMM_WORLD));
}

/** What lies in the second one's memory before the run, and what the first one brings. */
static uint64_t key_of(uint64_t number, size_t bytes, bool first)
{
    return mt_key(mt.options.seed, number, bytes, (uint64_t) (first ? mt_begins() ? mt.rank : partner
                                                                    : mt_begins() ? partner : mt.rank));
}

/* Between runs, with barriers around: our own memory may be written even while others hold the window. */
static void prepare(const struct mt_operation *op, size_t bytes, uint64_t number)
{
    const size_t all = bytes * mt_per_run(op);

    if (partner < 0) {
        return;
    }
    if (mt_begins()) {
        if (op->what == GET) {
            mt_buffer_poison(&local, all);
        } else {
            mt_buffer_fill(&local, all, key_of(number, bytes, true));
        }
        return;
    }
    if (op->what == PUT) {
        mt_buffer_poison(&exposed, all);
    } else {
        mt_buffer_fill(&exposed, all, key_of(number, bytes, false));
    }
    MT_MPI(MPI_Win_sync(window));
}

static void access_once(const struct mt_operation *op, size_t bytes, size_t at)
{
    const int count = (int) bytes;

    switch ((enum access) op->what) {
    case PUT:
        MT_MPI(MPI_Put(local.data + at, count, MPI_BYTE, partner, (MPI_Aint) (MT_GUARD_BYTES + at), count,
                       MPI_BYTE, window));
        break;
    case GET:
        MT_MPI(MPI_Get(local.data + at, count, MPI_BYTE, partner, (MPI_Aint) (MT_GUARD_BYTES + at), count,
                       MPI_BYTE, window));
        break;
    case ACCUMULATE: {
        const int numbers = count / (int) sizeof(uint32_t);

        MT_MPI(MPI_Accumulate(local.data + at, numbers, MPI_UINT32_T, partner, (MPI_Aint) (MT_GUARD_BYTES + at),
                              numbers, MPI_UINT32_T, MPI_SUM, window));
        break;
    }
    }
}

static void access_all(const struct mt_operation *op, size_t bytes)
{
    const unsigned accesses = mt_per_run(op);

    for (unsigned i = 0; i < accesses; i++) {
        access_once(op, bytes, i * bytes);
    }
}

static void run_fence(const struct mt_operation *op, size_t bytes)
{
    MT_MPI(MPI_Win_fence(MPI_MODE_NOPRECEDE, window));
    if (partner >= 0 && mt_begins()) {
        access_all(op, bytes);
    }
    MT_MPI(MPI_Win_fence(MPI_MODE_NOSUCCEED, window));
}

static void run_pscw(const struct mt_operation *op, size_t bytes)
{
    if (partner < 0) {
        return;
    }
    if (mt_begins()) {
        MT_MPI(MPI_Win_start(partner_group, 0, window));
        access_all(op, bytes);
        MT_MPI(MPI_Win_complete(window));
    } else {
        MT_MPI(MPI_Win_post(partner_group, 0, window));
        MT_MPI(MPI_Win_wait(window));
    }
}

/* The second of a pair does nothing here: it waits in the barrier behind the run. */
static void run_passive(const struct mt_operation *op, size_t bytes)
{
    if (partner < 0 || !mt_begins()) {
        return;
    }
    if (op->how == LOCK) {
        MT_MPI(MPI_Win_lock(MPI_LOCK_SHARED, partner, 0, window));
    }
    access_all(op, bytes);
    if (op->how == LOCK) {
        MT_MPI(MPI_Win_unlock(partner, window));
    } else {
        MT_MPI(MPI_Win_flush(partner, window));
    }
}

/** What @p runs accumulations have made of the second one's memory. */
static uint32_t *sums(size_t bytes, size_t all, uint64_t number, unsigned runs)
{
    uint32_t *memory = mt_calloc(2, all);
    uint32_t *added = memory + all / sizeof(memory[0]);

    mt_pattern_fill((uint8_t *) memory, all, key_of(number, bytes, false));
    mt_pattern_fill((uint8_t *) added, all, key_of(number, bytes, true));
    for (size_t i = 0; i < all / sizeof(memory[0]); i++) {
        memory[i] += runs * added[i];
    }
    return memory;
}

static void check(const struct mt_operation *op, size_t bytes, uint64_t number, unsigned runs)
{
    const size_t all = bytes * mt_per_run(op);
    const unsigned iteration = (unsigned) number;

    if (partner < 0 || mt_begins() != (op->what == GET)) {
        return;
    }
    if (op->what == GET) {
        mt_expect(local.data, all, key_of(number, bytes, false), op->name, partner, iteration);
        mt_expect_guards(&local, all, op->name, iteration);
        return;
    }
    MT_MPI(MPI_Win_sync(window));
    if (op->what == PUT) {
        mt_expect(exposed.data, all, key_of(number, bytes, true), op->name, partner, iteration);
    } else {
        uint32_t *expected = sums(bytes, all, number, runs);

        mt_expect_memory(exposed.data, (const uint8_t *) expected, all, op->name, iteration);
        free(expected);
    }
    mt_expect_guards(&exposed, all, op->name, iteration);
}

#define OPERATION(word, one, way, end, function, several, suffix)                                          \
    {.name = word "_" way suffix, .prepare = prepare, .run = function, .check = check,                      \
     .open = open_operation, .close = close_operation, .per_run = 1, .window = several, \
     .unit_bytes = one == ACCUMULATE ? sizeof(uint32_t) : 0, .what = one, .how = end}
#define WAYS(word, one, several, suffix)                                                                    \
    OPERATION(word, one, "fence", FENCE, run_fence, several, suffix),                                       \
    OPERATION(word, one, "pscw", PSCW, run_pscw, several, suffix),                                          \
    OPERATION(word, one, "lock", LOCK, run_passive, several, suffix),                                       \
    OPERATION(word, one, "flush", FLUSH, run_passive, several, suffix)

static const struct mt_operation operations[] = {
    WAYS("put", PUT, false, ""),
    WAYS("get", GET, false, ""),
    WAYS("accumulate", ACCUMULATE, false, ""),
    WAYS("put", PUT, true, "_many"),
    WAYS("get", GET, true, "_many"),
    WAYS("accumulate", ACCUMULATE, true, "_many"),
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

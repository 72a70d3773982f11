/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * One-sided communication under every synchronisation: fence; post, start,
 * complete, wait; lock; lock_all with flush; requests. Every rank's window is
 * divided into one part for each origin, so that what each wrote can be told.
 */
#include "cases.h"

#include <stdlib.h>
#include <string.h>

static const struct mt_program program = {
    .name = "onesided",
    .doc = "Put, get, accumulate and atomics under every synchronisation.",
    .known = MT_CASES_OPTIONS,
    .defaults = MT_CASES_DEFAULTS,
};

/* --- windows ------------------------------------------------------------------------ */

enum kind { ALLOCATED, CREATED, DYNAMIC, NUM_KINDS };
static const char *const kind_names[NUM_KINDS] = {"allocated", "created", "dynamic"};

struct window {
    MPI_Win win;
    enum kind kind;
    struct mt_buffer memory; /* data only, where the window is allocated by MPI */
    uint8_t *data;
    size_t bytes;
    MPI_Aint *bases; /* [ranks]: what a displacement begins at */
};

static struct window window_new(enum kind kind, size_t bytes)
{
    struct window w = {.kind = kind, .bytes = bytes, .bases = mt_calloc((size_t) mt.ranks, sizeof(MPI_Aint))};
    MPI_Aint base = 0;

    w.memory = mt_buffer_new(bytes);
    w.data = w.memory.data;
    switch (kind) {
    case ALLOCATED:
        MT_MPI(MPI_Win_allocate((MPI_Aint) bytes, 1, MPI_INFO_NULL, MPI_COMM_WORLD, &w.data,
                                &w.win));
        break;
    case CREATED:
        MT_MPI(MPI_Win_create(w.data, (MPI_Aint) bytes, 1, MPI_INFO_NULL, MPI_COMM_WORLD, &w.win));
        break;
    default:
        MT_MPI(MPI_Win_create_dynamic(MPI_INFO_NULL, MPI_COMM_WORLD, &w.win));
        MT_MPI(MPI_Win_attach(w.win, w.data, (MPI_Aint) bytes));
        MT_MPI(MPI_Get_address(w.data, &base));
        break;
    }
    MT_MPI(MPI_Win_set_errhandler(w.win, MPI_ERRORS_RETURN));
    MT_MPI(MPI_Allgather(&base, 1, MPI_AINT, w.bases, 1, MPI_AINT, MPI_COMM_WORLD));
    memset(w.data, 0, bytes);
    MT_MPI(MPI_Barrier(MPI_COMM_WORLD));
    return w;
}

static void window_free(struct window *w)
{
    MT_MPI(MPI_Barrier(MPI_COMM_WORLD));
    if (w->kind == DYNAMIC) {
        MT_MPI(MPI_Win_detach(w->win, w->data));
    }
    MT_MPI(MPI_Win_free(&w->win));
    mt_buffer_free(&w->memory);
    free(w->bases);
}

/* --- synchronisation ------------------------------------------------------------------ */

enum sync { FENCE, PSCW, LOCK_SHARED, LOCK_EXCLUSIVE, LOCK_ALL, FLUSH, FLUSH_ALL, NUM_SYNCS };
static const char *const sync_names[NUM_SYNCS] = {
    "fence", "post-start-complete-wait", "shared lock", "exclusive lock",
    "lock_all", "flush", "flush_all",
};

static MPI_Group all_but_me(void)
{
    MPI_Group world;
    MPI_Group others;

    MT_MPI(MPI_Comm_group(MPI_COMM_WORLD, &world));
    MT_MPI(MPI_Group_excl(world, 1, &mt.rank, &others));
    MT_MPI(MPI_Group_free(&world));
    return others;
}

typedef void access_fn(struct window *w, int target, void *arg);

/* Accesses every other rank's window, in an epoch of the kind. Complete at both sides at return. */
static void access_all(struct window *w, enum sync sync, access_fn *access, void *arg)
{
    const int mode = sync == LOCK_EXCLUSIVE ? MPI_LOCK_EXCLUSIVE : MPI_LOCK_SHARED;
    MPI_Group others = all_but_me();

    switch (sync) {
    case FENCE:
        MT_MPI(MPI_Win_fence(MPI_MODE_NOPRECEDE, w->win));
        break;
    case PSCW:
        MT_MPI(MPI_Win_post(others, 0, w->win));
        MT_MPI(MPI_Win_start(others, 0, w->win));
        break;
    case LOCK_ALL:
    case FLUSH:
    case FLUSH_ALL:
        MT_MPI(MPI_Win_lock_all(0, w->win));
        break;
    default:
        break;
    }
    for (int step = 1; step < mt.ranks; step++) {
        const int target = (mt.rank + step) % mt.ranks;

        if (sync == LOCK_SHARED || sync == LOCK_EXCLUSIVE) {
            MT_MPI(MPI_Win_lock(mode, target, 0, w->win));
        }
        access(w, target, arg);
        if (sync == LOCK_SHARED || sync == LOCK_EXCLUSIVE) {
            MT_MPI(MPI_Win_unlock(target, w->win));
        } else if (sync == FLUSH) {
            MT_MPI(MPI_Win_flush_local(target, w->win));
            MT_MPI(MPI_Win_flush(target, w->win));
        }
    }
    switch (sync) {
    case FENCE:
        MT_MPI(MPI_Win_fence(MPI_MODE_NOSUCCEED, w->win));
        break;
    case PSCW:
        MT_MPI(MPI_Win_complete(w->win));
        MT_MPI(MPI_Win_wait(w->win));
        break;
    case FLUSH_ALL:
        MT_MPI(MPI_Win_flush_local_all(w->win));
        MT_MPI(MPI_Win_flush_all(w->win));
        /* fall through */
    case FLUSH:
        /* Flushed is complete at the target: others may look before we unlock. */
        MT_MPI(MPI_Barrier(MPI_COMM_WORLD));
        MT_MPI(MPI_Win_sync(w->win));
        break;
    case LOCK_ALL:
        MT_MPI(MPI_Win_unlock_all(w->win));
        MT_MPI(MPI_Barrier(MPI_COMM_WORLD));
        break;
    default:
        MT_MPI(MPI_Barrier(MPI_COMM_WORLD));
        break;
    }
    MT_MPI(MPI_Group_free(&others));
}

/* Ends what access_all() left open, so that its callers may look in between. */
static void access_done(struct window *w, enum sync sync)
{
    if (sync == FLUSH || sync == FLUSH_ALL) {
        MT_MPI(MPI_Win_unlock_all(w->win));
    }
    MT_MPI(MPI_Barrier(MPI_COMM_WORLD));
}

/* Reads and writes of our own window by load and store need a lock outside of other epochs. */
static void own_window(struct window *w, bool begin)
{
    if (begin) {
        MT_MPI(MPI_Win_lock(MPI_LOCK_EXCLUSIVE, mt.rank, 0, w->win));
    } else {
        MT_MPI(MPI_Win_unlock(mt.rank, w->win));
        MT_MPI(MPI_Barrier(MPI_COMM_WORLD));
    }
}

/* --- put and get ---------------------------------------------------------------------- */

struct transfer {
    size_t bytes;           /* of one rank's part */
    struct mt_buffer *local; /* [ranks] */
    MPI_Datatype target_type; /* MPI_BYTE, or one that covers twice the bytes */
    bool requests;           /* MPI_Rput and MPI_Rget */
};

static uint64_t key(int origin, int target, size_t bytes, unsigned round)
{
    return mt_key(mt.options.seed + 5, (uint64_t) (origin * 100 + target), bytes, round);
}

static int target_count(const struct transfer *t)
{
    return t->target_type == MPI_BYTE ? (int) t->bytes : 1;
}

/* Where in a target's window the part of an origin is. */
static MPI_Aint part_of(const struct transfer *t, int origin)
{
    return (MPI_Aint) ((size_t) origin * 2 * t->bytes);
}

static void put(struct window *w, int target, void *arg)
{
    const struct transfer *t = arg;
    const MPI_Aint at = w->bases[target] + part_of(t, mt.rank);
    MPI_Request request;

    if (t->requests) {
        MT_MPI(MPI_Rput(t->local[target].data, (int) t->bytes, MPI_BYTE, target, at,
                        target_count(t), t->target_type, w->win, &request));
        MT_MPI(MPI_Wait(&request, MPI_STATUS_IGNORE));
        return;
    }
    MT_MPI(MPI_Put(t->local[target].data, (int) t->bytes, MPI_BYTE, target, at, target_count(t),
                   t->target_type, w->win));
}

static void get(struct window *w, int target, void *arg)
{
    const struct transfer *t = arg;
    const MPI_Aint at = w->bases[target] + part_of(t, mt.rank);
    MPI_Request request;

    if (t->requests) {
        MT_MPI(MPI_Rget(t->local[target].data, (int) t->bytes, MPI_BYTE, target, at,
                        target_count(t), t->target_type, w->win, &request));
        MT_MPI(MPI_Wait(&request, MPI_STATUS_IGNORE));
        return;
    }
    MT_MPI(MPI_Get(t->local[target].data, (int) t->bytes, MPI_BYTE, target, at, target_count(t),
                   t->target_type, w->win));
}

/* Our part for @p origin as bytes in order: every second one where the target has gaps. */
static void check_part(const struct window *w, const struct transfer *t, int origin,
                       unsigned round, const char *what)
{
    const uint8_t *part = w->data + part_of(t, origin);
    uint8_t *bytes = mt_calloc(t->bytes + 1, 1);
    const size_t step = t->target_type == MPI_BYTE ? 1 : 2;

    for (size_t i = 0; i < t->bytes; i++) {
        bytes[i] = part[i * step];
    }
    mt_expect(bytes, t->bytes, key(origin, mt.rank, t->bytes, round), what, origin, round);
    for (size_t i = 0; i < 2 * t->bytes; i++) {
        const bool is_data = step == 1 ? i < t->bytes : i % 2 == 0;

        if (!is_data && part[i] != 0) {
            mt_fail("%s, %zu bytes, iteration %u: byte %zu of the window beside the data was"
                    " written", what, t->bytes, round, i);
        }
    }
    free(bytes);
}

static void fill_part(struct window *w, const struct transfer *t, int origin, unsigned round)
{
    uint8_t *part = w->data + part_of(t, origin);
    const size_t step = t->target_type == MPI_BYTE ? 1 : 2;
    uint8_t *bytes = mt_calloc(t->bytes + 1, 1);

    mt_pattern_fill(bytes, t->bytes, key(mt.rank, origin, t->bytes, round));
    for (size_t i = 0; i < t->bytes; i++) {
        part[i * step] = bytes[i];
    }
    free(bytes);
}

static void one_transfer(enum kind kind, enum sync sync, struct transfer *t, bool puts,
                         unsigned round)
{
    struct window w = window_new(kind, 2 * t->bytes * (size_t) mt.ranks + 1);
    char what[128];

    snprintf(what, sizeof(what), "%s under %s, %s window", puts ? "put" : "get", sync_names[sync],
             kind_names[kind]);
    t->local = mt_calloc((size_t) mt.ranks, sizeof(t->local[0]));
    own_window(&w, true);
    for (int other = 0; other < mt.ranks; other++) {
        t->local[other] = mt_buffer_new(t->bytes);
        if (puts) {
            mt_buffer_fill(&t->local[other], t->bytes, key(mt.rank, other, t->bytes, round));
        } else {
            mt_buffer_poison(&t->local[other], t->bytes);
            fill_part(&w, t, other, round);
        }
    }
    own_window(&w, false);
    access_all(&w, sync, puts ? put : get, t);
    for (int other = 0; other < mt.ranks; other++) {
        if (other == mt.rank) {
            continue;
        }
        if (puts) {
            check_part(&w, t, other, round, what);
        } else {
            mt_expect(t->local[other].data, t->bytes, key(other, mt.rank, t->bytes, round), what,
                      other, round);
        }
        mt_expect_guards(&t->local[other], t->bytes, what, round);
    }
    access_done(&w, sync);
    for (int other = 0; other < mt.ranks; other++) {
        mt_buffer_free(&t->local[other]);
    }
    free(t->local);
    window_free(&w);
}

static void put_or_get_under_every_sync(bool puts)
{
    for (enum kind kind = ALLOCATED; kind < NUM_KINDS; kind++) {
        for (enum sync sync = FENCE; sync < NUM_SYNCS; sync++) {
            struct transfer t = {.bytes = 3000, .target_type = MPI_BYTE};

            one_transfer(kind, sync, &t, puts, (unsigned) sync);
        }
    }
}

static void put_under_every_sync(void)
{
    put_or_get_under_every_sync(true);
}

static void get_under_every_sync(void)
{
    put_or_get_under_every_sync(false);
}

static void every_size(void)
{
    size_t count;
    size_t *sizes = mt_boundary_sizes(false, &count);

    for (size_t i = 0; i < count; i += mt_count(1, 3)) {
        struct transfer t = {.bytes = sizes[i], .target_type = MPI_BYTE};

        one_transfer(CREATED, (enum sync) (i % NUM_SYNCS), &t, true, (unsigned) i);
        one_transfer(CREATED, (enum sync) (i % NUM_SYNCS), &t, false, (unsigned) i);
    }
    free(sizes);
}

static void gaps_at_the_target(void)
{
    for (enum sync sync = FENCE; sync < NUM_SYNCS; sync++) {
        for (size_t bytes = 10; bytes <= 10000; bytes *= 1000) {
            struct transfer t = {.bytes = bytes};

            MT_MPI(MPI_Type_vector((int) bytes, 1, 2, MPI_BYTE, &t.target_type));
            MT_MPI(MPI_Type_commit(&t.target_type));
            one_transfer(CREATED, sync, &t, true, 1);
            one_transfer(CREATED, sync, &t, false, 2);
            MT_MPI(MPI_Type_free(&t.target_type));
        }
    }
}

static void with_requests(void)
{
    static const enum sync passive[] = {LOCK_SHARED, LOCK_ALL, FLUSH_ALL};

    for (size_t i = 0; i < sizeof(passive) / sizeof(passive[0]); i++) {
        for (size_t bytes = 1; bytes < 100000; bytes = bytes * 40 + 7) {
            struct transfer t = {.bytes = bytes, .target_type = MPI_BYTE, .requests = true};

            one_transfer(CREATED, passive[i], &t, true, (unsigned) i);
            one_transfer(CREATED, passive[i], &t, false, (unsigned) i);
        }
    }
}

/* Only some ranks take part in an epoch: each rank exposes to the one below only. */
static void epoch_of_two(void)
{
    const int above = (mt.rank + 1) % mt.ranks;
    const int below = (mt.rank + mt.ranks - 1) % mt.ranks;
    struct window w = window_new(CREATED, 5000);
    struct mt_buffer out = mt_buffer_new(5000);
    MPI_Group world;
    MPI_Group origin;
    MPI_Group target;

    MT_MPI(MPI_Comm_group(MPI_COMM_WORLD, &world));
    MT_MPI(MPI_Group_incl(world, 1, &below, &origin));
    MT_MPI(MPI_Group_incl(world, 1, &above, &target));
    for (unsigned round = 0; round < mt_count(50, 5); round++) {
        mt_buffer_fill(&out, 5000, key(mt.rank, above, 5000, round));
        MT_MPI(MPI_Win_post(origin, 0, w.win));
        MT_MPI(MPI_Win_start(target, 0, w.win));
        MT_MPI(MPI_Put(out.data, 5000, MPI_BYTE, above, 0, 5000, MPI_BYTE, w.win));
        MT_MPI(MPI_Win_complete(w.win));
        MT_MPI(MPI_Win_wait(w.win));
        mt_expect(w.data, 5000, key(below, mt.rank, 5000, round), "put of a neighbour", below,
                  round);
    }
    MT_MPI(MPI_Group_free(&world));
    MT_MPI(MPI_Group_free(&origin));
    MT_MPI(MPI_Group_free(&target));
    mt_buffer_free(&out);
    window_free(&w);
}

/* --- accumulate and atomics -------------------------------------------------------------- */

#define NUM_VALUES 2000

static long long value_of(int origin, int i)
{
    return (long long) (mt_key(mt.options.seed + 6, (uint64_t) origin, (uint64_t) i, 0) % 1000) + 1;
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
    if (op == MPI_BAND) {
        return a & b;
    }
    if (op == MPI_BOR) {
        return a | b;
    }
    return a ^ b;
}

struct accumulation {
    MPI_Op op;
    long long *values;
    long long *fetched; /* of MPI_Get_accumulate; NULL: MPI_Accumulate */
};

static void accumulate(struct window *w, int target, void *arg)
{
    const struct accumulation *a = arg;
    const MPI_Aint at = w->bases[target];

    if (a->fetched == NULL) {
        MT_MPI(MPI_Accumulate(a->values, NUM_VALUES, MPI_LONG_LONG, target, at, NUM_VALUES,
                              MPI_LONG_LONG, a->op, w->win));
    } else {
        MT_MPI(MPI_Get_accumulate(a->values, NUM_VALUES, MPI_LONG_LONG,
                                  a->fetched + target * NUM_VALUES, NUM_VALUES, MPI_LONG_LONG,
                                  target, at, NUM_VALUES, MPI_LONG_LONG, a->op, w->win));
    }
}

/* All ranks accumulate into all others at the same time, into the same elements. */
static void accumulate_under(enum kind kind, enum sync sync, MPI_Op op, bool fetch)
{
    struct window w = window_new(kind, NUM_VALUES * sizeof(long long));
    long long *mine = (long long *) (void *) w.data;
    struct accumulation a = {.op = op, .values = mt_calloc(NUM_VALUES, sizeof(long long))};

    if (fetch) {
        a.fetched = mt_calloc((size_t) (mt.ranks * NUM_VALUES), sizeof(long long));
    }
    own_window(&w, true);
    for (int i = 0; i < NUM_VALUES; i++) {
        a.values[i] = value_of(mt.rank, i);
        mine[i] = a.values[i];
    }
    own_window(&w, false);
    access_all(&w, sync, accumulate, &a);
    for (int i = 0; i < NUM_VALUES; i++) {
        long long expected = value_of(0, i);

        for (int rank = 1; rank < mt.ranks; rank++) {
            expected = combine(op, expected, value_of(rank, i));
        }
        mt_expect_number(mine[i], expected, sync_names[sync], (unsigned) i);
    }
    for (int target = 0; fetch && mt.ranks == 2 && target < mt.ranks; target++) {
        /* With two ranks there is but one origin: what was there before is known. */
        for (int i = 0; target != mt.rank && i < NUM_VALUES; i++) {
            mt_expect_number(a.fetched[target * NUM_VALUES + i], value_of(target, i), "fetched",
                             (unsigned) i);
        }
    }
    access_done(&w, sync);
    free(a.values);
    free(a.fetched);
    window_free(&w);
}

static void accumulates(bool fetch)
{
    const MPI_Op ops[] = {MPI_SUM, MPI_MIN, MPI_MAX, MPI_BAND, MPI_BOR, MPI_BXOR};
    const unsigned num_ops = sizeof(ops) / sizeof(ops[0]);

    for (enum kind kind = ALLOCATED; kind < NUM_KINDS; kind++) {
        for (enum sync sync = FENCE; sync < NUM_SYNCS; sync++) {
            accumulate_under(kind, sync, ops[(unsigned) sync % num_ops], fetch);
        }
    }
    for (unsigned i = 0; i < num_ops; i++) {
        accumulate_under(CREATED, LOCK_SHARED, ops[i], fetch);
    }
}

static void accumulate_everywhere(void)
{
    accumulates(false);
}

static void get_accumulate_everywhere(void)
{
    accumulates(true);
}

/* All ranks draw numbers from a counter at rank 0: each number is drawn once. */
static void counter(void)
{
    const int draws = (int) mt_count(300, 30);

    for (enum kind kind = ALLOCATED; kind < NUM_KINDS; kind++) {
        struct window w = window_new(kind, sizeof(long long));
        const size_t all = (size_t) (draws * mt.ranks);
        long long *drawn = mt_calloc((size_t) draws, sizeof(drawn[0]));
        long long *everybodys = mt_calloc(all, sizeof(everybodys[0]));
        bool *seen = mt_calloc(all, sizeof(seen[0]));
        const long long one = 1;

        MT_MPI(MPI_Win_lock_all(0, w.win));
        for (int i = 0; i < draws; i++) {
            MT_MPI(MPI_Fetch_and_op(&one, &drawn[i], MPI_LONG_LONG, 0, w.bases[0], MPI_SUM, w.win));
            MT_MPI(MPI_Win_flush(0, w.win));
        }
        MT_MPI(MPI_Win_unlock_all(w.win));
        MT_MPI(MPI_Allgather(drawn, draws, MPI_LONG_LONG, everybodys, draws, MPI_LONG_LONG,
                             MPI_COMM_WORLD));
        for (size_t i = 0; i < all; i++) {
            const long long number = everybodys[i];

            if (number < 0 || number >= (long long) all || seen[number]) {
                mt_fail("%lld was drawn twice, or is none of the numbers up to %zu", number, all);
            }
            seen[number] = true;
        }
        mt_expect_number((long long) all, draws * (long long) mt.ranks, "numbers drawn", 0);
        free(drawn);
        free(everybodys);
        free(seen);
        window_free(&w);
    }
}

/* A counter that is raised by compare-and-swap until that succeeds. */
static void compare_and_swap(void)
{
    const int raises = (int) mt_count(100, 10);
    struct window w = window_new(CREATED, sizeof(long long));
    long long last;

    MT_MPI(MPI_Win_lock_all(0, w.win));
    for (int i = 0; i < raises; i++) {
        long long expected = 0;
        long long found = -1;

        for (;;) {
            const long long next = expected + 1;

            MT_MPI(MPI_Compare_and_swap(&next, &expected, &found, MPI_LONG_LONG, 0, w.bases[0],
                                        w.win));
            MT_MPI(MPI_Win_flush(0, w.win));
            if (found == expected) {
                break;
            }
            expected = found;
        }
    }
    MT_MPI(MPI_Win_unlock_all(w.win));
    MT_MPI(MPI_Barrier(MPI_COMM_WORLD));
    MT_MPI(MPI_Win_lock(MPI_LOCK_SHARED, 0, 0, w.win));
    MT_MPI(MPI_Get(&last, 1, MPI_LONG_LONG, 0, w.bases[0], 1, MPI_LONG_LONG, w.win));
    MT_MPI(MPI_Win_unlock(0, w.win));
    mt_expect_number(last, (long long) raises * mt.ranks, "a counter raised by compare-and-swap", 0);
    window_free(&w);
}

/* Get, change, put under an exclusive lock: nobody's change is lost. */
static void exclusive_lock(void)
{
    const int rounds = (int) mt_count(100, 10);
    struct window w = window_new(CREATED, 8000);
    long long numbers[1000];

    for (int round = 0; round < rounds; round++) {
        const int target = round % mt.ranks;

        MT_MPI(MPI_Win_lock(MPI_LOCK_EXCLUSIVE, target, 0, w.win));
        MT_MPI(MPI_Get(numbers, 1000, MPI_LONG_LONG, target, w.bases[target], 1000, MPI_LONG_LONG,
                       w.win));
        MT_MPI(MPI_Win_flush(target, w.win));
        for (int i = 0; i < 1000; i++) {
            numbers[i] += i + mt.rank;
        }
        MT_MPI(MPI_Put(numbers, 1000, MPI_LONG_LONG, target, w.bases[target], 1000, MPI_LONG_LONG,
                       w.win));
        MT_MPI(MPI_Win_unlock(target, w.win));
    }
    MT_MPI(MPI_Barrier(MPI_COMM_WORLD));
    own_window(&w, true);
    for (int i = 0; i < 1000; i++) {
        const long long times = rounds / mt.ranks + (mt.rank < rounds % mt.ranks);

        memcpy(&numbers[i], w.data + (size_t) i * sizeof(numbers[i]), sizeof(numbers[i]));
        mt_expect_number(numbers[i],
                         times * (i * (long long) mt.ranks + mt.ranks * (mt.ranks - 1) / 2),
                         "changed under an exclusive lock", (unsigned) i);
    }
    own_window(&w, false);
    window_free(&w);
}

static const struct mt_case cases[] = {
    {"put_lands_under_every_synchronisation", put_under_every_sync, 0},
    {"get_fetches_under_every_synchronisation", get_under_every_sync, 0},
    {"put_and_get_carry_every_size", every_size, 0},
    {"put_and_get_leave_gaps_at_the_target_alone", gaps_at_the_target, 0},
    {"request_based_put_and_get_complete", with_requests, 0},
    {"epoch_of_two_ranks_is_their_own", epoch_of_two, 0},
    {"accumulate_combines_what_all_bring", accumulate_everywhere, 0},
    {"get_accumulate_fetches_and_combines", get_accumulate_everywhere, 0},
    {"fetch_and_op_draws_each_number_once", counter, 0},
    {"compare_and_swap_loses_no_raise", compare_and_swap, 0},
    {"exclusive_lock_excludes_others", exclusive_lock, 0},
};

int main(int argc, char **argv)
{
    return mt_cases_main(argc, argv, &program, cases, sizeof(cases) / sizeof(cases[0]));
}

/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * One-sided operations that combine: accumulate and get-accumulate under every
 * synchronisation, also with datatypes that take long to describe, fetch-and-op, compare-and-swap, and what
 * exclusive locks keep apart.
 */
#include "windows.h"

#include <stdlib.h>
#include <string.h>

static const struct mt_program program = {
    .name = "atomics",
    .doc = "Accumulate, fetch-and-op, compare-and-swap, exclusive locks.",
    .known = MT_CASES_OPTIONS,
    .defaults = MT_CASES_DEFAULTS,
};

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

/* --- datatypes with a long description ------------------------------------------------ */

/* Blocks of six to eight elements with a gap of one behind each: both the description and the data are longer than what is sent in one piece. */
#define NUM_BLOCKS 4000

struct scattered {
    MPI_Datatype type;
    int span;  /* elements from the first to the end of the last gap */
    bool *hit; /* is that element in a block? */
    long long *values;
    unsigned times;
};

static struct scattered scattered_new(unsigned times)
{
    struct scattered s = {.times = times};
    int *at = mt_calloc(NUM_BLOCKS, sizeof(*at));
    int *length = mt_calloc(NUM_BLOCKS, sizeof(*length));

    for (int i = 0; i < NUM_BLOCKS; i++) {
        at[i] = s.span;
        length[i] = 6 + i % 3;
        s.span += length[i] + 1;
    }
    s.hit = mt_calloc((size_t) s.span, sizeof(*s.hit));
    s.values = mt_calloc((size_t) s.span, sizeof(*s.values));
    for (int i = 0; i < NUM_BLOCKS; i++) {
        for (int k = 0; k < length[i]; k++) {
            s.hit[at[i] + k] = true;
        }
    }
    for (int i = 0; i < s.span; i++) {
        s.values[i] = value_of(mt.rank, i);
    }
    MT_MPI(MPI_Type_indexed(NUM_BLOCKS, length, at, MPI_LONG_LONG, &s.type));
    MT_MPI(MPI_Type_commit(&s.type));
    free(at);
    free(length);
    return s;
}

static void scattered_free(struct scattered *s)
{
    MT_MPI(MPI_Type_free(&s->type));
    free(s->hit);
    free(s->values);
}

static void accumulate_scattered(struct window *w, int target, void *arg)
{
    const struct scattered *s = arg;

    for (unsigned i = 0; i < s->times; i++) {
        MT_MPI(MPI_Accumulate(s->values, 1, s->type, target, w->bases[target], 1, s->type, MPI_SUM, w->win));
    }
}

/*
 * Many at a time in one window, of each origin several: whoever takes them in turns has the next one's description
 * while the data of the one before are still on their way.
 */
static void long_descriptions(void)
{
    static const enum sync syncs[] = {FENCE, LOCK_ALL};

    for (size_t n = 0; n < sizeof(syncs) / sizeof(syncs[0]); n++) {
        struct scattered s = scattered_new(mt_count(16, 4));
        struct window w = window_new(CREATED, (size_t) s.span * sizeof(long long));
        const long long *mine = (const long long *) (const void *) w.data;

        access_all(&w, syncs[n], accumulate_scattered, &s);
        own_window(&w, true);
        for (int i = 0; i < s.span; i++) {
            long long expected = 0;

            for (int rank = 0; rank < mt.ranks; rank++) {
                expected += s.hit[i] && rank != mt.rank ? (long long) s.times * value_of(rank, i) : 0;
            }
            mt_expect_number(mine[i], expected, sync_names[syncs[n]], (unsigned) i);
        }
        own_window(&w, false);
        access_done(&w, syncs[n]);
        window_free(&w);
        scattered_free(&s);
    }
}

static const struct mt_case cases[] = {
    {"accumulate_combines_what_all_bring", accumulate_everywhere, 0},
    {"get_accumulate_fetches_and_combines", get_accumulate_everywhere, 0},
    {"fetch_and_op_draws_each_number_once", counter, 0},
    {"compare_and_swap_loses_no_raise", compare_and_swap, 0},
    {"exclusive_lock_excludes_others", exclusive_lock, 0},
    {"accumulates_with_long_descriptions_do_not_wait_for_each_other", long_descriptions, 0},
};

int main(int argc, char **argv)
{
    return mt_cases_main(argc, argv, &program, cases, sizeof(cases) / sizeof(cases[0]));
}

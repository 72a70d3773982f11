/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Put and get under every synchronisation: fence; post, start, complete, wait;
 * lock; lock_all with flush; requests. Every rank's window is divided into one
 * part for each origin, so that what each wrote can be told.
 */
#include "windows.h"

#include <stdlib.h>

static const struct mt_program program = {
    .name = "onesided",
    .doc = "Put and get under every synchronisation.",
    .known = MT_CASES_OPTIONS,
    .defaults = MT_CASES_DEFAULTS,
};

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

static const struct mt_case cases[] = {
    {"put_lands_under_every_synchronisation", put_under_every_sync, 0},
    {"get_fetches_under_every_synchronisation", get_under_every_sync, 0},
    {"put_and_get_carry_every_size", every_size, 0},
    {"put_and_get_leave_gaps_at_the_target_alone", gaps_at_the_target, 0},
    {"request_based_put_and_get_complete", with_requests, 0},
    {"epoch_of_two_ranks_is_their_own", epoch_of_two, 0},
};

int main(int argc, char **argv)
{
    return mt_cases_main(argc, argv, &program, cases, sizeof(cases) / sizeof(cases[0]));
}

/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Windows of all kinds, and epochs of all kinds in which they are accessed.
 */
#ifndef MPI_TESTS_WINDOWS_H
#define MPI_TESTS_WINDOWS_H

#include "cases.h"

enum kind { ALLOCATED, CREATED, DYNAMIC, NUM_KINDS };
extern const char *const kind_names[NUM_KINDS];

struct window {
    MPI_Win win;
    enum kind kind;
    struct mt_buffer memory; /* data only, where the window is allocated by MPI */
    uint8_t *data;
    size_t bytes;
    MPI_Aint *bases; /* [ranks]: what a displacement begins at */
};

/** Collective. The window's memory is all zero. */
struct window window_new(enum kind kind, size_t bytes);

/** Collective. */
void window_free(struct window *w);

enum sync { FENCE, PSCW, LOCK_SHARED, LOCK_EXCLUSIVE, LOCK_ALL, FLUSH, FLUSH_ALL, NUM_SYNCS };
extern const char *const sync_names[NUM_SYNCS];

/** Accesses @p target's part; called inside an epoch. */
typedef void access_fn(struct window *w, int target, void *arg);

/**
 * Collective. Calls @p access for every other rank, in an epoch of the kind. At
 * return all accesses are complete at both sides, and may be looked at.
 */
void access_all(struct window *w, enum sync sync, access_fn *access, void *arg);

/** Collective. Ends what access_all() left open, so that its caller could look in between. */
void access_done(struct window *w, enum sync sync);

/** Collective at its end. Loads and stores in our own window need a lock outside of other epochs. */
void own_window(struct window *w, bool begin);

#endif /* MPI_TESTS_WINDOWS_H */

/* SPDX-License-Identifier: BSD-3-Clause */
#include "windows.h"

#include <stdlib.h>
#include <string.h>

/* --- windows ------------------------------------------------------------------------ */

const char *const kind_names[NUM_KINDS] = {"allocated", "created", "dynamic"};

struct window window_new(enum kind kind, size_t bytes)
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

void window_free(struct window *w)
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

const char *const sync_names[NUM_SYNCS] = {
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

void access_all(struct window *w, enum sync sync, access_fn *access, void *arg)
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

void access_done(struct window *w, enum sync sync)
{
    if (sync == FLUSH || sync == FLUSH_ALL) {
        MT_MPI(MPI_Win_unlock_all(w->win));
    }
    MT_MPI(MPI_Barrier(MPI_COMM_WORLD));
}

void own_window(struct window *w, bool begin)
{
    if (begin) {
        MT_MPI(MPI_Win_lock(MPI_LOCK_EXCLUSIVE, mt.rank, 0, w->win));
    } else {
        MT_MPI(MPI_Win_unlock(mt.rank, w->win));
        MT_MPI(MPI_Barrier(MPI_COMM_WORLD));
    }
}

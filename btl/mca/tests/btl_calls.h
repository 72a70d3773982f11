/* SPDX-License-Identifier: BSD-3-Clause */
/* What programs share that call the component's functions as the layers above do. */
#ifndef BTL_CALLS_H
#define BTL_CALLS_H

#include "btl_vfring_component.h"
#include "btl_vfring_module.h"

#include "opal/runtime/opal_progress.h"

#include <fcntl.h>
#include <mpi.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LIMIT_S 100.0 /* against hanging only */

static mca_btl_base_module_t *btl;
static struct mca_btl_base_endpoint_t *endpoint; /* the other process */
static int rank, bad;

#define CHECK(cond)                                                        \
    do {                                                                   \
        if (!(cond)) {                                                     \
            bad = 1;                                                       \
            printf("%s:%d: rank %d: %s\n", __FILE__, __LINE__, rank, #cond); \
        }                                                                  \
    } while (0)

/* Progress until @p cond, or for so long that it will not come. */
#define AWAIT(cond)                                                         \
    do {                                                                    \
        const double start_ = MPI_Wtime();                                  \
        while (!(cond) && MPI_Wtime() - start_ < LIMIT_S) {                 \
            opal_progress();                                                \
        }                                                                   \
        CHECK(cond);                                                        \
    } while (0)

/*
 * A peer that takes nothing: it sleeps outside of MPI until the other one has seen what
 * there is to see, and the other one begins when it is asleep, however long both take on
 * a busy machine. Two processes, at most one of them asleep.
 */
static sem_t *fallen_asleep, *woken;

static char alarm_names[2][64];

static sem_t *alarm_create(char name[64], const char *what)
{
    sem_t *made;

    (void) snprintf(name, 64, "/vfring-%s-%ld", what, (long) getppid());
    made = sem_open(name, O_CREAT, 0600, 0);
    if (made == SEM_FAILED) {
        perror(name);
        exit(1);
    }
    return made;
}

/* Before MPI_Init(). Both processes are children of one mpirun. */
static void alarm_open(void)
{
    fallen_asleep = alarm_create(alarm_names[0], "asleep");
    woken = alarm_create(alarm_names[1], "woken");
}

/* After MPI_Init(): both have them. */
static void alarm_unlink(void)
{
    (void) sem_unlink(alarm_names[0]);
    (void) sem_unlink(alarm_names[1]);
}

static inline void sleep_until_woken(void)
{
    struct timespec limit;

    CHECK(!sem_post(fallen_asleep));
    (void) clock_gettime(CLOCK_REALTIME, &limit);
    limit.tv_sec += (time_t) LIMIT_S;
    CHECK(!sem_timedwait(woken, &limit));
}

/* Until the other process's end of the job ends this one. */
_Noreturn static inline void sleep_for_good(void)
{
    CHECK(!sem_post(fallen_asleep));
    for (;;) {
        (void) pause();
    }
}

/* Progress until the other one has posted it. */
static inline void await_post(sem_t *semaphore)
{
    bool posted = false;

    AWAIT(posted || (posted = !sem_trywait(semaphore)));
}

static inline void await_asleep(void)
{
    await_post(fallen_asleep);
}

static inline void wake_other(void)
{
    CHECK(!sem_post(woken));
}

/* Without adding anybody. NULL: it is not there. */
static inline mca_btl_base_module_t *find_module(void)
{
    mca_btl_base_selected_module_t *selected;

    OPAL_LIST_FOREACH(selected, &mca_btl_base_modules_initialized, mca_btl_base_selected_module_t)
    {
        if (!strcmp(selected->btl_component->btl_version.mca_component_name, "vfring")) {
            return selected->btl_module;
        }
    }
    return NULL;
}

/* Finds the module, and the endpoint of @p peer; without them the job ends. */
static inline struct mca_btl_base_endpoint_t *find(int peer)
{
    struct mca_btl_base_endpoint_t *found = NULL;
    opal_process_name_t name = opal_proc_local_get()->proc_name;
    opal_proc_t *proc;

    btl = find_module();
    name.vpid = (opal_vpid_t) peer;
    proc = opal_proc_for_name(name);
    if (!btl || !proc || btl->btl_add_procs(btl, 1, &proc, &found, NULL) || !found) {
        printf("rank %d: no vfring to rank %d\n", rank, peer);
        MPI_Abort(MPI_COMM_WORLD, 1);
    }
    return found;
}

static inline mca_btl_vfring_module_t *module_of(void)
{
    return btl_vfring_to_module(btl);
}

/* --- what the layers above are told ------------------------------------------------------- */

static void (*on_message)(const mca_btl_base_segment_t *segment); /* may be NULL */

#if VFRING_OMPI_MAJOR >= 5
static inline void message_came(struct mca_btl_base_module_t *module, const mca_btl_base_receive_descriptor_t *descriptor)
{
    if (on_message) {
        on_message(descriptor->des_segments);
    }
}
#else
static inline void message_came(struct mca_btl_base_module_t *module, mca_btl_base_tag_t tag,
                                mca_btl_base_descriptor_t *descriptor, void *cbdata)
{
    if (on_message) {
        on_message(descriptor->des_segments);
    }
}
#endif

/* Messages with @p tag come to @p take; NULL: to nobody. One tag a program. */
static inline void take_messages(mca_btl_base_tag_t tag, void (*take)(const mca_btl_base_segment_t *segment))
{
    on_message = take;
    mca_btl_base_active_message_trigger[tag].cbfunc = message_came;
}

static volatile int num_lost; /* times that somebody was said to be lost */

static inline void count_lost(struct mca_btl_base_module_t *module, int32_t flags, struct opal_proc_t *proc, char *info)
{
    num_lost++;
}

/* Instead of ending the job for it. */
static inline void count_losses(void)
{
    btl->btl_register_error(btl, count_lost);
}

#endif /* BTL_CALLS_H */

/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Stands in for a header of the same name that Open MPI 5.0 and 6.0 do not
 * install, though opal/mca/threads/threads.h includes it.
 */
#ifndef VFRING_REPLACES_THREADS_PTHREADS_THREADS_H
#define VFRING_REPLACES_THREADS_PTHREADS_THREADS_H

#include <pthread.h>
#include <sched.h>
#include <signal.h>

/**
 * Gives the processor away. Open MPI's own looks up the strategy set by
 * mca_threads_pthreads_yield_strategy, of which sched_yield() is the default;
 * a component has opal_progress() to call and needs neither.
 */
static inline void opal_thread_yield(void)
{
    (void) sched_yield();
}

#endif /* VFRING_REPLACES_THREADS_PTHREADS_THREADS_H */

/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Stands in for a header of the same name that Open MPI 5.0 and 6.0 do not
 * install, though opal/mca/threads/mutex.h includes it. It must agree with the
 * library's ABI: on POSIX systems opal_mutex_t holds a pthread_mutex_t, and
 * opal_cond_t is a pthread_cond_t. Only what the installed headers use is
 * here; mutexes and conditions are made and destroyed by libopen-pal.
 */
#ifndef VFRING_REPLACES_THREADS_PTHREADS_MUTEX_H
#define VFRING_REPLACES_THREADS_PTHREADS_MUTEX_H

#include <pthread.h>

#include "opal/class/opal_object.h"

typedef pthread_mutex_t opal_thread_internal_mutex_t;
typedef pthread_cond_t opal_thread_internal_cond_t;

#define OPAL_THREAD_INTERNAL_MUTEX_INITIALIZER PTHREAD_MUTEX_INITIALIZER
#define OPAL_THREAD_INTERNAL_RECURSIVE_MUTEX_INITIALIZER PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP
#define OPAL_THREAD_INTERNAL_COND_INITIALIZER PTHREAD_COND_INITIALIZER

/** 0: locked, 1: somebody else holds it. */
static inline int opal_thread_internal_mutex_trylock(opal_thread_internal_mutex_t *mutex)
{
    return pthread_mutex_trylock(mutex) != 0;
}

static inline void opal_thread_internal_mutex_lock(opal_thread_internal_mutex_t *mutex)
{
    (void) pthread_mutex_lock(mutex);
}

static inline void opal_thread_internal_mutex_unlock(opal_thread_internal_mutex_t *mutex)
{
    (void) pthread_mutex_unlock(mutex);
}

#endif /* VFRING_REPLACES_THREADS_PTHREADS_MUTEX_H */

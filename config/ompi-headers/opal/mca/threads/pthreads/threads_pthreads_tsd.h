/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Stands in for a header of the same name that Open MPI 5.0 and 6.0 do not
 * install, though opal/mca/threads/tsd.h includes it. On POSIX systems
 * a key of OPAL is a key of pthreads.
 */
#ifndef VFRING_REPLACES_THREADS_PTHREADS_TSD_H
#define VFRING_REPLACES_THREADS_PTHREADS_TSD_H

#include <pthread.h>

#include "opal/constants.h"

typedef pthread_key_t opal_tsd_key_t;

static inline int opal_tsd_key_delete(opal_tsd_key_t key)
{
    return pthread_key_delete(key) == 0 ? OPAL_SUCCESS : OPAL_ERR_IN_ERRNO;
}

static inline int opal_tsd_set(opal_tsd_key_t key, void *value)
{
    return pthread_setspecific(key, value) == 0 ? OPAL_SUCCESS : OPAL_ERR_IN_ERRNO;
}

static inline int opal_tsd_get(opal_tsd_key_t key, void **value)
{
    *value = pthread_getspecific(key);
    return OPAL_SUCCESS;
}

#endif /* VFRING_REPLACES_THREADS_PTHREADS_TSD_H */

/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Do the headers we compile with (some of them replaced, see
 * config/vfring_ompi.m4) describe the libopen-pal we run with? Each OPAL class
 * carries the size it had when the library was compiled.
 */
#include "config.h"

#include <stdio.h>

#include <opal_config.h>

#include <opal/class/opal_free_list.h>
#if VFRING_OMPI_MAJOR >= 5
#    include <opal/mca/threads/mutex.h>
#    include <opal/mca/threads/threads.h>
#    include <opal/mca/threads/tsd.h>
#else
#    include <opal/threads/mutex.h>
#    include <opal/threads/threads.h>
#endif

static int failures;

static void expect_same(const char *name, size_t header_bytes, size_t library_bytes)
{
    if (header_bytes != library_bytes) {
        printf("%s: %zu bytes in the headers, %zu in libopen-pal\n", name, header_bytes,
               library_bytes);
        failures++;
    }
}
#define EXPECT_SAME(type) expect_same(#type, sizeof(type), type##_class.cls_sizeof)

int main(void)
{
    EXPECT_SAME(opal_mutex_t);
    EXPECT_SAME(opal_thread_t);
    EXPECT_SAME(opal_free_list_t);
    EXPECT_SAME(opal_free_list_item_t);

    /* The replaced lock calls act on the library's mutex. */
    opal_mutex_t mutex;
    OBJ_CONSTRUCT(&mutex, opal_mutex_t);
    opal_mutex_lock(&mutex);
    if (opal_mutex_trylock(&mutex) == 0) {
        puts("a locked mutex could be locked again");
        failures++;
    }
    opal_mutex_unlock(&mutex);
    if (opal_mutex_trylock(&mutex) != 0) {
        puts("an unlocked mutex could not be locked");
        failures++;
    }
    opal_mutex_unlock(&mutex);
    OBJ_DESTRUCT(&mutex);
    return failures != 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "wire_memory.h"

#include <stddef.h>

void *__real_calloc(size_t count, size_t bytes);
void __real_free(void *p);
void *__wrap_calloc(size_t count, size_t bytes);
void __wrap_free(void *p);

int allocs_live, allocs_total;
int allocs_until_failure = -1;

void *__wrap_calloc(size_t count, size_t bytes)
{
    if (allocs_until_failure == 0) {
        return NULL;
    }
    if (allocs_until_failure > 0) {
        allocs_until_failure--;
    }
    allocs_live++;
    allocs_total++;
    return __real_calloc(count, bytes);
}

void __wrap_free(void *p)
{
    allocs_live -= p != NULL;
    __real_free(p);
}

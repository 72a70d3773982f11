/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Preloaded, makes the process of one rank one that differs from the others in a
 * byte of what it tells them of its VF, and so they from it: another version,
 * VLAN, MTU or kind of VF. MODEX_CHANGE="RANK OFFSET VALUE". With MODEX_NO_HOST nobody
 * learns from Open MPI where others run. Run by mpi.sh.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pmix.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void change(const char *key, pmix_value_t *value)
{
    const char *what = getenv("MODEX_CHANGE"), *rank = getenv("OMPI_COMM_WORLD_RANK");
    unsigned int whose, offset, byte;

    if (strstr(key, "btl.vfring") && value && value->type == PMIX_BYTE_OBJECT && what && rank
        && sscanf(what, "%u %u %u", &whose, &offset, &byte) == 3 && whose == (unsigned int) atoi(rank)
        && offset < value->data.bo.size) {
        value->data.bo.bytes[offset] = (char) byte;
    }
}

pmix_status_t PMIx_Put(pmix_scope_t scope, const pmix_key_t key, pmix_value_t *value)
{
    pmix_status_t (*next)(pmix_scope_t, const pmix_key_t, pmix_value_t *);

    *(void **) &next = dlsym(RTLD_NEXT, "PMIx_Put");
    change(key, value);
    return next(scope, key, value);
}

pmix_status_t PMIx_Get(const pmix_proc_t *proc, const pmix_key_t key, const pmix_info_t *info,
                       size_t num_infos, pmix_value_t **value)
{
    pmix_status_t (*next)(const pmix_proc_t *, const pmix_key_t, const pmix_info_t *, size_t, pmix_value_t **);
    pmix_status_t rc;

    if (getenv("MODEX_NO_HOST") && key && !strcmp(key, PMIX_HOSTNAME)) {
        return PMIX_ERR_NOT_FOUND;
    }
    *(void **) &next = dlsym(RTLD_NEXT, "PMIx_Get");
    rc = next(proc, key, info, num_infos, value);
    if (rc == PMIX_SUCCESS && key) {
        change(key, *value);
    }
    return rc;
}

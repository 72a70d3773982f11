/* SPDX-License-Identifier: BSD-3-Clause */
/* What programs share that call the component's functions as the layers above do. */
#ifndef BTL_CALLS_H
#define BTL_CALLS_H

#include "btl_vfring_compat.h"

#include "opal/runtime/opal_progress.h"

#include <mpi.h>
#include <stdio.h>
#include <string.h>

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

/* Finds the module, and the endpoint of @p peer; without them the job ends. */
static struct mca_btl_base_endpoint_t *find(int peer)
{
    struct mca_btl_base_endpoint_t *found = NULL;
    opal_process_name_t name = opal_proc_local_get()->proc_name;
    mca_btl_base_selected_module_t *selected;
    opal_proc_t *proc;

    OPAL_LIST_FOREACH(selected, &mca_btl_base_modules_initialized, mca_btl_base_selected_module_t)
    {
        if (!strcmp(selected->btl_component->btl_version.mca_component_name, "vfring")) {
            btl = selected->btl_module;
        }
    }
    name.vpid = (opal_vpid_t) peer;
    proc = opal_proc_for_name(name);
    if (!btl || !proc || btl->btl_add_procs(btl, 1, &proc, &found, NULL) || !found) {
        printf("rank %d: no vfring to rank %d\n", rank, peer);
        MPI_Abort(MPI_COMM_WORLD, 1);
    }
    return found;
}

#endif /* BTL_CALLS_H */

/* SPDX-License-Identifier: BSD-3-Clause */
/* A process that needs no VF. */
#include "btl_vfring_bystander.h"

#include "btl_vfring_endpoint.h"
#include "btl_vfring_help.h"
#include "btl_vfring_modex.h"
#include "btl_vfring_need.h"

#include <stdlib.h>

struct bystander {
    mca_btl_base_module_t super; /* first */
    struct btl_vfring_endpoints endpoints; /* none ever; what is published is in it */
};

/* Known when the job runs: all BTLs have started by then, or have not. */
static bool shared_memory_started(void)
{
    mca_btl_base_selected_module_t *module;

    OPAL_LIST_FOREACH(module, &mca_btl_base_modules_initialized, mca_btl_base_selected_module_t)
    {
        if (btl_vfring_is_shared_memory(module->btl_component->btl_version.mca_component_name)) {
            return true;
        }
    }
    return false;
}

static int add_procs(struct mca_btl_base_module_t *btl, size_t nprocs, struct opal_proc_t **procs,
                     struct mca_btl_base_endpoint_t **endpoints, struct opal_bitmap_t *reachable)
{
    struct bystander *bystander = (struct bystander *) btl;
    const opal_process_name_t ours = opal_proc_local_get()->proc_name;
    mca_btl_vfring_endpoint_t *none;

    for (size_t i = 0; i < nprocs; i++) {
        const opal_process_name_t *name = &procs[i]->proc_name;
        const bool ourself = name->jobid == ours.jobid && name->vpid == ours.vpid;

        if (!ourself && (name->jobid != ours.jobid || !shared_memory_started())) {
            /* It finds that there is no way, and tells. */
            (void) btl_vfring_endpoint_get(&bystander->endpoints, NULL, name, procs[i], &none);
        }
        endpoints[i] = NULL;
    }
    return OPAL_SUCCESS;
}

static int del_procs(struct mca_btl_base_module_t *btl, size_t nprocs, struct opal_proc_t **procs,
                     struct mca_btl_base_endpoint_t **endpoints)
{
    return OPAL_SUCCESS;
}

static int finalize(struct mca_btl_base_module_t *btl)
{
    free(btl);
    return OPAL_SUCCESS;
}

mca_btl_base_module_t *btl_vfring_bystander_create(const mca_btl_base_module_t *defaults)
{
    struct bystander *bystander = calloc(1, sizeof(*bystander));

    if (!bystander) {
        btl_vfring_help_unusable("none needed", "out of memory", "free memory on the node");
        return NULL;
    }
    /* Nobody calls what else is in it: that takes an endpoint. */
    bystander->super = *defaults;
    bystander->super.btl_flags = MCA_BTL_FLAGS_SEND;
    bystander->super.btl_add_procs = add_procs;
    bystander->super.btl_del_procs = del_procs;
    bystander->super.btl_finalize = finalize;
    bystander->super.btl_put = NULL;
    bystander->super.btl_get = NULL;
    bystander->super.btl_register_mem = NULL;
    bystander->super.btl_deregister_mem = NULL;
    bystander->super.btl_register_error = NULL;
    bystander->endpoints.component = &defaults->btl_component->btl_version;
    if (btl_vfring_modex_make(&bystander->endpoints.published) != OPAL_SUCCESS
        || btl_vfring_modex_send(bystander->endpoints.component, &bystander->endpoints.published) != OPAL_SUCCESS) {
        free(bystander);
        return NULL;
    }
    return &bystander->super;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Whether a process needs a VF. */
#include "btl_vfring_need.h"

#include "btl_vfring_help.h"
#include "btl_vfring_params.h"

#include "opal/mca/base/mca_base_component_repository.h"

#include <stdlib.h>
#include <string.h>

static const char *const shared_memory[] = {"sm", "vader", "smcuda"};
#define NUM_SHARED_MEMORY (sizeof(shared_memory) / sizeof(shared_memory[0]))

bool btl_vfring_is_shared_memory(const char *name)
{
    for (size_t i = 0; i < NUM_SHARED_MEMORY; i++) {
        if (!strcmp(name, shared_memory[i])) {
            return true;
        }
    }
    return false;
}

/* A process that is alone has nobody to share memory with: none has started then. What does the user allow? */
static bool shared_memory_allowed(void)
{
    for (size_t i = 0; i < NUM_SHARED_MEMORY; i++) {
        if (btl_vfring_params_btl_allowed(shared_memory[i])) {
            return true;
        }
    }
    return false;
}

/* Does bml/r2 take the BTL of that name rather than one of @p exclusivity? */
static bool goes_first(const char *name, uint32_t exclusivity)
{
    const unsigned int *value = NULL;
    const int index = mca_base_var_find("opal", "btl", name, "exclusivity");

    return index >= 0 && mca_base_var_get_value(index, &value, NULL, NULL) == OPAL_SUCCESS && value
           && *value > exclusivity;
}

/* Of those that the user has not ruled out. Who could not start is no more in the list; who has yet to is. */
static bool shared_memory_goes_first(uint32_t exclusivity)
{
    mca_base_component_list_item_t *item;

    OPAL_LIST_FOREACH(item, &opal_btl_base_framework.framework_components, mca_base_component_list_item_t)
    {
        const char *name = item->cli_component->mca_component_name;

        if (btl_vfring_is_shared_memory(name) && goes_first(name, exclusivity)) {
            return true;
        }
    }
    return false;
}

/* Of the batch system's allocation; where there is none it is not known. */
static bool has_other_nodes(void)
{
    const char *nodes = getenv("SLURM_JOB_NUM_NODES");

    return nodes && strtoul(nodes, NULL, 10) > 1;
}

int btl_vfring_need_none(uint32_t exclusivity, bool *needless)
{
    const uint32_t here = (uint32_t) opal_process_info.num_local_peers + 1;
    const char *lease = btl_vfring_params.lease;
    uint32_t processes = 0;

    *needless = false;
    if (!strcmp(lease, "always")) {
        return OPAL_SUCCESS;
    }
    if (*lease && strcmp(lease, "needed")) {
        btl_vfring_help_unusable("any", "btl_vfring_lease does not say when to lease a VF", "give needed or always");
        return OPAL_ERR_BAD_PARAM;
    }
    if (*btl_vfring_params.devices || getenv("OMPI_PARENT_PORT") /* it was spawned: its parents are another job */
        || btl_vfring_ask_job_size(&processes) != OPAL_SUCCESS || !processes || processes != here || has_other_nodes()
        || !(processes > 1 ? shared_memory_goes_first(exclusivity) : shared_memory_allowed())) {
        return OPAL_SUCCESS;
    }
    *needless = true;
    if (processes == 1) {
        btl_vfring_verbose("no VF is needed: this process is the whole job");
    } else {
        btl_vfring_verbose("no VF is needed: shared memory reaches all %u processes of the job", processes);
    }
    return OPAL_SUCCESS;
}

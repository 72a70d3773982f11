/* SPDX-License-Identifier: BSD-3-Clause */
/* Life of the component: from Open MPI's discovery to a running VF, and back. */
#include "btl_vfring_bystander.h"
#include "btl_vfring_clock.h"
#include "btl_vfring_component.h"
#include "btl_vfring_depart.h"
#include "btl_vfring_entry.h"
#include "btl_vfring_help.h"
#include "btl_vfring_helper.h"
#include "btl_vfring_lease_socket.h"
#include "btl_vfring_module.h"
#include "btl_vfring_multirail.h"
#include "btl_vfring_need.h"
#include "btl_vfring_params.h"
#include "btl_vfring_path.h"
#include "btl_vfring_pvars.h"
#include "btl_vfring_queue.h"
#include "btl_vfring_wait.h"

#include <stdlib.h>

static int component_register(void);
static int component_close(void);
static int module_finalize(struct mca_btl_base_module_t *btl);
static mca_btl_base_module_t **component_init(int *num_modules, bool enable_progress_threads,
                                              bool enable_mpi_threads);

mca_btl_vfring_component_t mca_btl_vfring_component = {
    .super = {
        .btl_version = {
            MCA_BTL_DEFAULT_VERSION("vfring"),
            .mca_close_component = component_close,
            .mca_register_component_params = component_register,
        },
        .btl_data = {
            .param_field = MCA_BASE_METADATA_PARAM_CHECKPOINT,
        },
        .btl_init = component_init,
        .btl_progress = btl_vfring_progress,
    },
    .params = &btl_vfring_params,
};

static mca_btl_base_module_t param_defaults; /* and with what the user set */

static int component_register(void)
{
    mca_base_component_t *component = &mca_btl_vfring_component.super.btl_version;
    static const int release[] = {VFRING_VERSION_NUMBERS};

    /* ompi_info tells it; the macro above has that of Open MPI. */
    component->mca_component_major_version = release[0];
    component->mca_component_minor_version = release[1];
    component->mca_component_release_version = release[2];
    btl_vfring_params_register(component);
    btl_vfring_pvars_register(component);
    param_defaults = btl_vfring_entry;
    param_defaults.btl_component = &mca_btl_vfring_component.super;
    param_defaults.btl_finalize = module_finalize;
    return mca_btl_base_param_register(component, &param_defaults);
}

static int component_close(void)
{
    btl_vfring_params_forget();
    return OPAL_SUCCESS;
}

static mca_btl_base_module_t **component_init(int *num_modules, bool enable_progress_threads,
                                              bool enable_mpi_threads)
{
    const struct btl_vfring_params *p = &btl_vfring_params;
    mca_btl_base_module_t **modules;
    uint64_t spin_ns;
    bool needless;

    (void) enable_progress_threads;
    (void) enable_mpi_threads;
    *num_modules = 0;
    btl_vfring_help_init();
    btl_vfring_clock_begin();
    if (btl_vfring_params_keep()) {
        btl_vfring_help_unusable("none yet", "no memory for the MCA parameters", "free memory on the node");
        return NULL;
    }
    /*
     * Where the component is installed it is offered to every MPI program.
     * Nobody who did not ask for it shall hear of a node without VFs.
     */
    if (!p->asked_for && !*p->devices && !vfring_lease_daemon_present(p->run_dir)) {
        btl_vfring_verbose("not asked for, and no vfringd at %s", p->run_dir);
        return NULL;
    }
    if (btl_vfring_wait_choose(&spin_ns) || btl_vfring_need_none(param_defaults.btl_exclusivity, &needless)) {
        return NULL;
    }
    modules = malloc(sizeof(*modules));
    if (!modules) {
        return NULL;
    }
    if (needless) {
        modules[0] = btl_vfring_bystander_create(&param_defaults);
        if (!modules[0]) {
            free(modules);
            return NULL;
        }
        mca_btl_vfring_component.super.btl_progress = NULL;
        *num_modules = 1;
        return modules;
    }
    btl_vfring_module = btl_vfring_module_create(&param_defaults, &btl_vfring_wire_ops, &btl_vfring_rails_wire_ops);
    if (!btl_vfring_module) {
        free(modules);
        return NULL;
    }
    if (btl_vfring_module->rails.others) {
        btl_vfring_module->super.btl_send = btl_vfring_rails_send;
        btl_vfring_module->super.btl_sendi = btl_vfring_rails_sendi;
        mca_btl_vfring_component.super.btl_progress = btl_vfring_rails_progress;
    }
    btl_vfring_module->wait.spin_ns = spin_ns;
    btl_vfring_clock_end();
    btl_vfring_helper_start(btl_vfring_module);
    modules[0] = &btl_vfring_module->super;
    *num_modules = 1;
    return modules;
}

static int module_finalize(struct mca_btl_base_module_t *btl)
{
    mca_btl_vfring_module_t *module = btl_vfring_to_module(btl);

    btl_vfring_helper_stop(module);
    /*
     * Open MPI has synchronised all processes: what we sent has been received.
     * Pay the acknowledgements we owe, so that nobody repeats frames to a VF
     * that has a new owner.
     */
    btl_vfring_lock(module);
    module->in_progress = true;
    module->unsettled++;
    module->progress_thread = pthread_self();
    vfring_wire_progress(module->wire, btl_vfring_now_ns() + 1000000000u);
    for (mca_btl_vfring_endpoint_t *e = module->endpoints.head; e; e = e->next) {
        if (!btl_vfring_endpoint_is_gone(&module->endpoints, e)) {
            btl_vfring_say_goodbye(module, e); /* as a rule Open MPI had it said by del_procs */
        }
    }
    btl_vfring_rails_doorbells(&module->rails);
    btl_vfring_unlock(module);
    if (btl_vfring_params.stats) {
        btl_vfring_pvars_print(module);
    }
    btl_vfring_module = NULL;
    btl_vfring_pvars_freeze(module);
    btl_vfring_module_stop(module);
    for (mca_btl_vfring_endpoint_t *e = module->endpoints.head; e; e = e->next) {
        btl_vfring_queue_drop(module, e, false);
    }
    btl_vfring_module_destroy(module);
    return OPAL_SUCCESS;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Life of the component: from Open MPI's discovery to a running VF, and back. */
#include "btl_vfring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Who looks less often than this does not know what was in between. */
#define LOOK_SELDOM_NS 5000000000u

static int component_register(void);
static int component_close(void);
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
};

static mca_btl_vfring_module_t param_defaults;

static int component_register(void)
{
    (void) btl_vfring_params_register();
    btl_vfring_pvars_register();
    param_defaults = mca_btl_vfring_module_template;
    return mca_btl_base_param_register(&mca_btl_vfring_component.super.btl_version,
                                       &param_defaults.super);
}

static int component_close(void)
{
    btl_vfring_params_forget();
    return OPAL_SUCCESS;
}

/* --- a module ------------------------------------------------------------------ */

static void module_destroy(mca_btl_vfring_module_t *module)
{
    struct vfring_lease_report report = {.fallbacks = module->fallbacks};

    if (module->wire) {
        const struct vfring_wire_stats *stats = vfring_wire_stats(module->wire);

        report.retransmitted_frames = stats->tx_fast_retransmits + stats->tx_timeout_retransmits;
    }
    module->closing = true;
    /* From here on the VF reads nothing: slots and registered memory may go. */
    if (module->vf) {
        vfring_vf_stop(module->vf);
    }
    vfring_wire_destroy(module->wire);
    while (module->endpoints) {
        mca_btl_vfring_endpoint_t *endpoint = module->endpoints;

        module->endpoints = endpoint->next;
        btl_vfring_queue_drop(module, endpoint, false);
        btl_vfring_assembly_drop(&module->assemblies, &endpoint->assembly);
        free(endpoint);
    }
    btl_vfring_frags_destroy(module);
    btl_vfring_messages_destroy(module);
    vfring_vf_close(module->vf);
    btl_vfring_device_give_back(&module->lease, &report);
    (void) pthread_mutex_destroy(&module->lock);
    free(module);
}

/* Opens the VF, or a spare one when that is in use. @p error is that of our own. */
static int open_free_vf(mca_btl_vfring_module_t *module, struct vfring_vf_params *params,
                        struct vfring_vf_error *error)
{
    struct vfring_lease spare = module->lease;
    struct vfring_vf_error ignored;
    int rc = vfring_vf_open(params, &module->vf, error);

    params->path = spare.device;
    for (unsigned i = 0; rc == -EBUSY && btl_vfring_device_spare(i, &spare); i++) {
        if (!vfring_vf_open(params, &module->vf, &ignored)) {
            module->lease = spare;
            rc = 0;
        }
    }
    return rc;
}

static int open_vf(mca_btl_vfring_module_t *module)
{
    const mca_btl_vfring_component_t *c = &mca_btl_vfring_component;
    struct vfring_vf_params params = {
        .path = module->lease.device,
        .mtu_bytes = c->mtu_bytes ? c->mtu_bytes : module->lease.mtu_bytes,
        .tx_entries = c->tx_entries,
        .rx_entries = c->rx_entries,
        .soft_faults = *c->soft_faults ? c->soft_faults : NULL,
    };
    struct vfring_vf_error error = {0};
    int rc;

    rc = open_free_vf(module, &params, &error);
    if (!rc) {
        module->hot = vfring_vf_hot(module->vf);
        vfring_vf_counters(module->vf, &module->hw_last);
        vfring_vf_query(module->vf, &module->info);
        module->max_payload = vfring_wire_max_payload(module->info.mtu_bytes);
        rc = btl_vfring_frags_create(module, &error);
    }
    if (rc) {
        btl_vfring_help_unusable(module->lease.device, error.text, error.remedy);
        return OPAL_ERR_NOT_AVAILABLE;
    }
    return OPAL_SUCCESS;
}

static int start_wire(mca_btl_vfring_module_t *module)
{
    const mca_btl_vfring_component_t *c = &mca_btl_vfring_component;
    struct vfring_wire_config config = {
        .key = module->published.key,
        .id = module->published.id,
        .crc_payload = c->checksum,
        .window_frames = c->window,
        .rx_entries = module->info.rx_entries,
        .max_payload_bytes = module->max_payload,
        .max_peers_hint = module->job_size > 1 ? module->job_size - 1 : 1,
        .ack_delay_ns = (uint64_t) c->ack_delay_us * 1000,
        .rto_min_ns = (uint64_t) c->rto_min_us * 1000,
        .silence_warn_ns = (uint64_t) c->silence_warn_s * 1000000000u,
        .peer_timeout_ns = (uint64_t) c->peer_timeout_s * 1000000000u,
        .control_frames = module->control_frames,
        .num_control_frames = BTL_VFRING_CONTROL_FRAMES,
    };

    memcpy(config.mac, module->info.mac, 6);
    if (vfring_wire_create(&config, &btl_vfring_wire_ops, module, &module->wire)) {
        btl_vfring_help_unusable(module->info.name,
                                 "the wire cannot be set up with these MCA parameters, or there "
                                 "is no memory",
                                 "btl_vfring_window must be 0 or 2 to 64");
        return OPAL_ERR_BAD_PARAM;
    }
    return OPAL_SUCCESS;
}

static size_t at_most(size_t bytes, size_t most)
{
    return bytes < most ? bytes : most;
}

/* The PML cuts messages by these. Up to max_message we cut them into frames ourselves. */
static void set_limits(mca_btl_vfring_module_t *module)
{
    mca_btl_base_module_t *btl = &module->super;
    const size_t most = BTL_VFRING_MESSAGE_MAX_BYTES;

    btl->btl_eager_limit = at_most(btl->btl_eager_limit, most);
    btl->btl_max_send_size = at_most(btl->btl_max_send_size, most);
    module->max_message = module->max_payload;
    if (module->max_message < btl->btl_eager_limit) {
        module->max_message = (uint32_t) btl->btl_eager_limit;
    }
    if (module->max_message < btl->btl_max_send_size) {
        module->max_message = (uint32_t) btl->btl_max_send_size;
    }
    /* The first piece of a message that is fetched by put or get: more would only be copied. */
    btl->btl_rndv_eager_limit = at_most(btl->btl_rndv_eager_limit, module->max_payload);
}

static mca_btl_vfring_module_t *module_create(void)
{
    const mca_btl_vfring_component_t *c = &mca_btl_vfring_component;
    mca_btl_vfring_module_t *module = calloc(1, sizeof(*module));
    pthread_mutexattr_t recursive;
    int rc;

    if (!module) {
        return NULL;
    }
    *module = param_defaults; /* with what the user set */
    (void) pthread_mutexattr_init(&recursive);
    (void) pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
    (void) pthread_mutex_init(&module->lock, &recursive);
    (void) pthread_mutexattr_destroy(&recursive);
    module->num_frags = c->slots < BTL_VFRING_SLOTS_MIN ? BTL_VFRING_SLOTS_MIN
                        : c->slots > 65536              ? 65536
                                                        : c->slots;

    module->job_size = btl_vfring_job_size();
    rc = btl_vfring_device_get(&module->lease);
    if (rc == OPAL_SUCCESS) {
        rc = open_vf(module);
    }
    if (rc == OPAL_SUCCESS) {
        rc = btl_vfring_modex_make(module);
    }
    if (rc == OPAL_SUCCESS) {
        rc = start_wire(module);
    }
    if (rc == OPAL_SUCCESS) {
        set_limits(module);
        rc = OPAL_SUCCESS;
        if (btl_vfring_messages_create(module)) {
            btl_vfring_help_unusable(module->info.name, "no memory for messages longer than a frame",
                                     "smaller btl_vfring_eager_limit, btl_vfring_max_send_size or "
                                     "btl_vfring_assembly_buffers");
            rc = OPAL_ERR_OUT_OF_RESOURCE;
        }
    }
    if (rc == OPAL_SUCCESS) {
        rc = btl_vfring_modex_send(module);
        if (rc != OPAL_SUCCESS) {
            btl_vfring_help_unusable(module->info.name, "the VF's address could not be published",
                                     "is the program started by mpirun?");
        }
    }
    if (rc != OPAL_SUCCESS) {
        module_destroy(module);
        return NULL;
    }
    BTL_VERBOSE(("VF %s at %s, MTU %u, rings %u/%u, %zu bytes registered", module->info.name,
                 module->lease.device, module->info.mtu_bytes, module->info.tx_entries,
                 module->info.rx_entries, vfring_vf_dma_bytes(module->vf)));
    return module;
}

static mca_btl_base_module_t **component_init(int *num_modules, bool enable_progress_threads,
                                              bool enable_mpi_threads)
{
    mca_btl_vfring_component_t *c = &mca_btl_vfring_component;
    mca_btl_base_module_t **modules;

    (void) enable_progress_threads;
    (void) enable_mpi_threads;
    *num_modules = 0;
    btl_vfring_help_init();
    btl_vfring_clock_begin();
    if (btl_vfring_params_keep()) {
        return NULL;
    }
    /*
     * Where the component is installed it is offered to every MPI program.
     * Nobody who did not ask for it shall hear of a node without VFs.
     */
    if (!c->asked_for && !*c->devices && !vfring_lease_daemon_present(c->run_dir)) {
        BTL_VERBOSE(("not asked for, and no vfringd at %s", c->run_dir));
        return NULL;
    }
    modules = malloc(sizeof(*modules));
    if (!modules) {
        return NULL;
    }
    c->module = module_create();
    if (!c->module) {
        free(modules);
        return NULL;
    }
    btl_vfring_clock_end();
    modules[0] = &c->module->super;
    *num_modules = 1;
    return modules;
}

int btl_vfring_module_finalize(struct mca_btl_base_module_t *btl)
{
    mca_btl_vfring_module_t *module = (mca_btl_vfring_module_t *) btl;

    /*
     * Open MPI has synchronised all processes: what we sent has been received.
     * Pay the acknowledgements we owe, so that nobody repeats frames to a VF
     * that has a new owner.
     */
    btl_vfring_lock(module);
    module->in_progress = true;
    vfring_wire_progress(module->wire, btl_vfring_now_ns() + 1000000000u);
    vfring_vf_tx_doorbell(module->vf);
    btl_vfring_unlock(module);
    if (mca_btl_vfring_component.stats) {
        btl_vfring_print_stats(module);
    }
    mca_btl_vfring_component.module = NULL;
    btl_vfring_pvars_freeze(module);
    module_destroy(module);
    return OPAL_SUCCESS;
}

/*
 * Is the link gone for good, and not only for a moment? Counted is a time in which
 * we have looked again and again, so that it was not up in between; and only
 * where the job speaks over vfring at all.
 */
static void look_after_link(mca_btl_vfring_module_t *module, bool down)
{
    const struct vfring_wire_stats *stats = vfring_wire_stats(module->wire);
    const uint64_t now_ns = btl_vfring_now_ns(), limit_s = mca_btl_vfring_component.link_timeout_s;
    const char *held;
    char cause[256];

    module->link_downs += down && !module->link_was_down;
    if (!module->link_was_down || now_ns - module->link_seen_ns > LOOK_SELDOM_NS) {
        module->link_since_ns = now_ns;
    }
    module->link_seen_ns = now_ns;
    module->link_was_down = down;
    if (!down || !limit_s || now_ns - module->link_since_ns < limit_s * 1000000000u || module->fatal_reported
        || !(stats->tx_data_frames | stats->rx_data_frames)) {
        return;
    }
    module->fatal_reported = true;
    held = vfring_vf_cause(module->vf);
    if (held) {
        (void) snprintf(cause, sizeof(cause), "the kernel has held the VF for %u s: %s", (unsigned) limit_s, held);
    } else {
        (void) snprintf(cause, sizeof(cause),
                        "the VF has had no link for %u s (btl_vfring_link_timeout): is the cable out, the switch "
                        "off or the PF set down?", (unsigned) limit_s);
    }
    btl_vfring_report_failure(module, NULL, cause);
}

/* Frames stay unanswered: is it the VF? A link that is down may come back; a reset VF does not. */
void btl_vfring_look_after_vf(mca_btl_vfring_module_t *module)
{
    const int state = vfring_vf_check(module->vf);

    btl_vfring_clock_check(); /* frames that stay unanswered may be a clock that is fast */
    look_after_link(module, state == -ENETDOWN);
    btl_vfring_contact_check(module);
    module->timeouts_seen = vfring_wire_stats(module->wire)->timeouts;
    if ((state == -ENETRESET || state == -ENODEV) && !module->fatal_reported) {
        module->fatal_reported = true;
        const char *cause = vfring_vf_cause(module->vf);

        if (!cause) {
            cause = state == -ENODEV ? "the VF was unbound from uio_vf or removed"
                                     : "the PF was reset or set down while the job ran; a new MTU or "
                                       "number of ring entries of the PF is a reset of it, too";
        }
        btl_vfring_report_failure(module, NULL, cause);
    }
}

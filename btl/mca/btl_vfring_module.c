/* SPDX-License-Identifier: BSD-3-Clause */
/* The life of a module: from a VF to what peers know of it, and back. */
#include "btl_vfring_module.h"

#include "btl_vfring_device.h"
#include "btl_vfring_help.h"
#include "btl_vfring_modex.h"
#include "btl_vfring_params.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/** As many as have a number: what is open is what the layers above asked for. */
#define MAX_EXPOSURES (UINT32_MAX - 255u)

/** Frames under way to a peer for each of several rails. */
#define WINDOW_A_RAIL 128u

/** Frames hold the head of a put or a request of a get, and what a convertor leaves empty at their end is a small part. */
#define MTU_LEAST_BYTES 256u

mca_btl_vfring_module_t *btl_vfring_module;

static int check_mtu(const struct btl_vfring_rails *rails)
{
    const uint32_t mtu_bytes = btl_vfring_rails_mtu(rails);
    char text[96];

    if (mtu_bytes >= MTU_LEAST_BYTES) {
        return OPAL_SUCCESS;
    }
    (void) snprintf(text, sizeof(text), "an MTU of %u bytes is too small: %u are the least", mtu_bytes, MTU_LEAST_BYTES);
    btl_vfring_help_unusable(rails->names, text, "give btl_vfring_mtu and the PF a larger one");
    return OPAL_ERR_NOT_AVAILABLE;
}

/* Slots start on cache lines; the longest frame fits, padding of short ones too. */
static uint32_t slot_bytes(const mca_btl_vfring_module_t *module)
{
    return (VFRING_WIRE_HDR_BYTES + module->max_payload + 63u) & ~63u;
}

static int make_frags(mca_btl_vfring_module_t *module)
{
    const unsigned int wanted = btl_vfring_params.slots;
    const uint32_t num = wanted < BTL_VFRING_SLOTS_MIN   ? BTL_VFRING_SLOTS_MIN
                         : wanted > BTL_VFRING_SLOTS_MAX ? BTL_VFRING_SLOTS_MAX
                                                         : wanted;
    const char *names = module->rails.names;
    struct vfring_vf_error error = {0};
    uint64_t iova;
    void *vaddr;

    if (btl_vfring_rails_slots(&module->rails, num, slot_bytes(module), &vaddr, &iova, &error)) {
        btl_vfring_help_unusable(names, error.text, error.remedy);
        return OPAL_ERR_NOT_AVAILABLE;
    }
    if (btl_vfring_frags_create(&module->frags, num, vaddr, iova, slot_bytes(module))) {
        (void) snprintf(error.text, sizeof(error.text), "no memory for %u fragments", num);
        btl_vfring_help_unusable(names, error.text, NULL);
        return OPAL_ERR_NOT_AVAILABLE;
    }
    btl_vfring_exposures_init(&module->exposures, MAX_EXPOSURES);
    if (btl_vfring_ops_create(&module->ops)) {
        btl_vfring_help_unusable(names, "no memory for operations", NULL);
        return OPAL_ERR_NOT_AVAILABLE;
    }
    return OPAL_SUCCESS;
}

/* Of several rails by default: what is under way on a slow one is not to hold up the others. */
static uint32_t window_of(uint32_t num_rails)
{
    const uint32_t frames = num_rails * WINDOW_A_RAIL;

    return frames < VFRING_WIRE_WINDOW ? frames : VFRING_WIRE_WINDOW;
}

static int start_wire(mca_btl_vfring_module_t *module, const struct vfring_wire_ops *ops)
{
    const struct btl_vfring_params *p = &btl_vfring_params;
    const struct btl_vfring_rails *rails = &module->rails;
    struct vfring_wire_config config = {
        .key = module->endpoints.published.key,
        .id = module->endpoints.published.id,
        .crc_payload = p->checksum,
        .window_frames = p->window || !rails->others ? p->window : window_of(rails->num),
        .rx_entries = btl_vfring_rails_rx_entries(rails),
        .max_payload_bytes = module->max_payload,
        .max_peers_hint = module->job_size > 1 ? module->job_size - 1 : 1,
        .ack_delay_ns = (uint64_t) p->ack_delay_us * 1000,
        .rto_min_ns = (uint64_t) p->rto_min_us * 1000,
        .silence_warn_ns = (uint64_t) p->silence_warn_s * 1000000000u,
        .peer_timeout_ns = (uint64_t) p->peer_timeout_s * 1000000000u,
        .control_frames = module->rails.control_frames,
        .num_control_frames = BTL_VFRING_CONTROL_FRAMES,
    };

    memcpy(config.mac, rails->rail[0].info.mac, 6);
    if (vfring_wire_create(&config, ops, module, &module->wire)) {
        btl_vfring_help_unusable(rails->names,
                                 "the wire cannot be set up with these MCA parameters, or there "
                                 "is no memory",
                                 "btl_vfring_window must be 0 or 2 to 512");
        return OPAL_ERR_BAD_PARAM;
    }
    for (uint32_t i = 1; i < rails->num; i++) {
        (void) vfring_wire_rail_add(module->wire, rails->rail[i].info.mac); /* it has room for as many as we may have */
    }
    module->endpoints.wire = module->wire;
    module->endpoints.rails = &module->rails;
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

static int make_assemblies(mca_btl_vfring_module_t *module)
{
    if (module->max_message > module->max_payload
        && btl_vfring_assemblies_create(&module->assemblies, btl_vfring_params.assembly_buffers,
                                        module->max_message)) {
        btl_vfring_help_unusable(module->rails.names, "no memory for messages longer than a frame",
                                 "smaller btl_vfring_eager_limit, btl_vfring_max_send_size or "
                                 "btl_vfring_assembly_buffers");
        return OPAL_ERR_OUT_OF_RESOURCE;
    }
    return OPAL_SUCCESS;
}

static int publish(mca_btl_vfring_module_t *module)
{
    const int rc = btl_vfring_modex_send(module->endpoints.component, &module->endpoints.published);

    if (rc != OPAL_SUCCESS) {
        btl_vfring_help_unusable(module->rails.names, "the VF's address could not be published",
                                 "is the program started by mpirun?");
    }
    return rc;
}

mca_btl_vfring_module_t *btl_vfring_module_create(const mca_btl_base_module_t *defaults,
                                                  const struct vfring_wire_ops *ops,
                                                  const struct vfring_wire_ops *rails_ops)
{
    mca_btl_vfring_module_t *module = calloc(1, sizeof(*module));
    pthread_mutexattr_t recursive;
    int rc;

    if (!module) {
        return NULL;
    }
    module->super = *defaults;
    module->endpoints.component = &defaults->btl_component->btl_version;
    module->senders_tail = &module->senders;
    (void) pthread_mutexattr_init(&recursive);
    (void) pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
    (void) pthread_mutex_init(&module->lock, &recursive);
    (void) pthread_mutexattr_destroy(&recursive);

    module->job_size = btl_vfring_job_size();
    rc = btl_vfring_rails_open(&module->rails);
    if (rc == OPAL_SUCCESS) {
        rc = check_mtu(&module->rails);
    }
    if (rc == OPAL_SUCCESS) {
        module->max_payload = vfring_wire_max_payload(btl_vfring_rails_mtu(&module->rails));
        rc = make_frags(module);
    }
    if (rc == OPAL_SUCCESS) {
        rc = btl_vfring_modex_make(&module->endpoints.published);
    }
    for (uint32_t i = 0; i < module->rails.num && rc == OPAL_SUCCESS; i++) {
        const struct btl_vfring_rail *rail = &module->rails.rail[i];

        rc = btl_vfring_modex_add(&module->endpoints.published, &rail->info, &rail->lease);
    }
    if (rc == OPAL_SUCCESS) {
        rc = start_wire(module, module->rails.others ? rails_ops : ops);
    }
    if (rc == OPAL_SUCCESS) {
        set_limits(module);
        rc = make_assemblies(module);
    }
    if (rc == OPAL_SUCCESS) {
        rc = publish(module);
    }
    if (rc != OPAL_SUCCESS) {
        btl_vfring_module_stop(module);
        btl_vfring_module_destroy(module);
        return NULL;
    }
    btl_vfring_verbose("VF %s, MTU %u, %zu bytes registered", module->rails.names, btl_vfring_rails_mtu(&module->rails),
                       btl_vfring_rails_registered(&module->rails));
    return module;
}

/* What the wire and the endpoints know. */
static void gather_report(mca_btl_vfring_module_t *module)
{
    module->report.fallbacks = module->endpoints.fallbacks;
    if (module->wire) {
        const struct vfring_wire_stats *stats = vfring_wire_stats(module->wire);

        module->report.retransmitted_frames = stats->tx_fast_retransmits + stats->tx_timeout_retransmits;
        for (uint32_t i = 0; i < module->rails.num; i++) {
            module->report.vf[i].retransmitted_frames = stats->tx_retransmits_of[i];
        }
    }
}

void btl_vfring_module_tell(mca_btl_vfring_module_t *module)
{
    gather_report(module);
    btl_vfring_rails_report(&module->rails, &module->report);
    btl_vfring_device_tell(&module->rails.lease, &module->report);
}

void btl_vfring_module_stop(mca_btl_vfring_module_t *module)
{
    gather_report(module);
    module->closing = true;
    btl_vfring_rails_stop(&module->rails);
    vfring_wire_destroy(module->wire);
    module->wire = NULL;
}

void btl_vfring_module_destroy(mca_btl_vfring_module_t *module)
{
    mca_btl_vfring_frag_t *frag;

    for (mca_btl_vfring_endpoint_t *e = module->endpoints.head; e; e = e->next) {
        btl_vfring_assembly_drop(&module->assemblies, &e->assembly);
    }
    btl_vfring_endpoints_destroy(&module->endpoints);
    btl_vfring_exposures_fini(&module->exposures);
    btl_vfring_ops_destroy(&module->ops);
    while ((frag = module->told_head)) { /* nobody is told any more */
        module->told_head = frag->next;
        if (frag->buffer_kind) {
            btl_vfring_buffer_free(frag);
        }
    }
    btl_vfring_frags_destroy(&module->frags);
    btl_vfring_assemblies_destroy(&module->assemblies);
    btl_vfring_rails_close(&module->rails, &module->report);
    (void) pthread_mutex_destroy(&module->lock);
    free(module);
}

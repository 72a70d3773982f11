/* SPDX-License-Identifier: BSD-3-Clause */
/* What arrives for put and get (btl_vfring_rdma.c): bytes to be placed, and peers' gets. */
#include "btl_vfring.h"

#include <string.h>

/*
 * A peer that names memory it was never given, or that was taken back, is
 * wrong in a way that only a fault can explain, its or ours. Data is missing
 * now: going on would be silent corruption.
 */
static void rejected(mca_btl_vfring_module_t *module, mca_btl_vfring_endpoint_t *endpoint,
                     const char *what)
{
    module->rdma_stats.rejected++;
    if (!module->fatal_reported) {
        module->fatal_reported = true;
        btl_vfring_report_failure(module, endpoint, what);
    }
}

static void place_input(mca_btl_vfring_module_t *module, mca_btl_vfring_endpoint_t *endpoint,
                        const void *payload, uint32_t bytes)
{
    const struct btl_vfring_place *place = payload;
    struct btl_vfring_exposure *exposure;

    if (bytes < sizeof(*place)) {
        rejected(module, endpoint, "it sent a put without a destination");
        return;
    }
    bytes -= (uint32_t) sizeof(*place);
    exposure = btl_vfring_exposure_check(&module->exposures, place->index, place->nonce,
                                     endpoint->number, BTL_VFRING_REMOTE_WRITE, place->address, bytes);
    if (OPAL_UNLIKELY(!exposure || place->reserved || (exposure->op && bytes > exposure->left))) {
        rejected(module, endpoint, "it wrote to memory that is not open to it");
        return;
    }
    memcpy((void *) (uintptr_t) place->address, place + 1, bytes);
    module->rdma_stats.bytes_placed += bytes;
    if (exposure->op) {
        exposure->left -= bytes;
        if (!exposure->left) {
            btl_vfring_get_over(module, exposure, OPAL_SUCCESS);
        }
    }
}

static void get_input(mca_btl_vfring_module_t *module, mca_btl_vfring_endpoint_t *endpoint,
                      const void *payload, uint32_t bytes)
{
    const struct btl_vfring_get *get = payload;
    mca_btl_vfring_op_t *op;

    if (bytes != sizeof(*get)
        || !btl_vfring_exposure_check(&module->exposures, get->source_index, get->source_nonce,
                                    endpoint->number, BTL_VFRING_REMOTE_READ, get->source_address,
                                    get->bytes)) {
        rejected(module, endpoint, "it asked for memory that is not open to it");
        return;
    }
    /*
     * A get is over for the peer when all its bytes are there, and for us when
     * that was acknowledged: until then it has at least one of our slots.
     */
    if (endpoint->gets_served >= BTL_VFRING_GETS_AT_PEER + module->num_frags) {
        rejected(module, endpoint, "it asked for more memory at a time than a process may");
        return;
    }
    op = btl_vfring_op_get(module);
    if (!op) {
        rejected(module, endpoint, "this process has no memory to serve its get");
        return;
    }
    endpoint->gets_served++;
    *op = (mca_btl_vfring_op_t){
        .all_next = op->all_next,
        .endpoint = endpoint,
        .by_peer = true,
        .from = (const char *) (uintptr_t) get->source_address,
        .to = get->target_address,
        .left = get->bytes,
        .handle = {.index = get->target_index, .nonce = get->target_nonce},
        .zero_copy = module->reg_cache && get->bytes >= mca_btl_vfring_component.zero_copy_min,
    };
    btl_vfring_op_enqueue(module, op);
}

void btl_vfring_rdma_input(mca_btl_vfring_module_t *module, mca_btl_vfring_endpoint_t *endpoint,
                           uint32_t msg, const void *payload, uint32_t bytes)
{
    switch (msg) {
    case BTL_VFRING_MSG_LAST:
        vfring_wire_ack_now(module->wire, endpoint->peer);
        place_input(module, endpoint, payload, bytes);
        return;
    case BTL_VFRING_MSG_PLACE:
        place_input(module, endpoint, payload, bytes);
        return;
    case BTL_VFRING_MSG_GET:
        get_input(module, endpoint, payload, bytes);
        return;
    case BTL_VFRING_MSG_PROBE:
        return; /* the wire acknowledges it: that is all there is to it */
    default:
        rejected(module, endpoint, "it sent a message of a kind that does not exist");
        return;
    }
}

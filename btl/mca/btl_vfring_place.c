/* SPDX-License-Identifier: BSD-3-Clause */
/* What arrives for put and get (btl_vfring_pump.c): bytes to be placed, and peers' gets. */
#include "btl_vfring_place.h"

#include "btl_vfring_get.h"
#include "btl_vfring_params.h"
#include "btl_vfring_pump.h"
#include "btl_vfring_upcall.h"

#include <string.h>

/*
 * A peer that names memory it was never given, or that was taken back, is
 * wrong in a way that only a fault can explain, its or ours. Data is missing
 * now: going on would be silent corruption.
 */
static void rejected(mca_btl_vfring_module_t *module, mca_btl_vfring_endpoint_t *endpoint,
                     const char *what)
{
    module->ops.stats.rejected++;
    btl_vfring_upcall_lost_once(module, endpoint, what);
}

static void place(mca_btl_vfring_module_t *module, mca_btl_vfring_endpoint_t *endpoint, const void *payload,
                  uint32_t bytes)
{
    const struct btl_vfring_place *to = payload;
    struct btl_vfring_exposure *exposure;

    if (bytes < sizeof(*to)) {
        rejected(module, endpoint, "it sent a put without a destination");
        return;
    }
    bytes -= (uint32_t) sizeof(*to);
    exposure = btl_vfring_exposure_check(&module->exposures, to->index, to->nonce, endpoint->number,
                                         BTL_VFRING_REMOTE_WRITE, to->address, bytes);
    if (OPAL_UNLIKELY(!exposure || to->reserved || (exposure->op && bytes > exposure->left))) {
        rejected(module, endpoint, "it wrote to memory that is not open to it");
        return;
    }
    memcpy((void *) (uintptr_t) to->address, to + 1, bytes);
    module->ops.stats.bytes_placed += bytes;
    if (exposure->op) {
        exposure->left -= bytes;
        if (!exposure->left) {
            btl_vfring_get_over(module, exposure, OPAL_SUCCESS);
        }
    }
}

static void serve_get(mca_btl_vfring_module_t *module, mca_btl_vfring_endpoint_t *endpoint,
                      const void *payload, uint32_t bytes)
{
    const struct btl_vfring_get *get = payload;
    struct btl_vfring_exposure *source = NULL;
    mca_btl_vfring_op_t *op;

    if (bytes == sizeof(*get)) {
        source = btl_vfring_exposure_check(&module->exposures, get->source_index, get->source_nonce, endpoint->number,
                                           BTL_VFRING_REMOTE_READ, get->source_address, get->bytes);
    }
    if (!source) {
        rejected(module, endpoint, "it asked for memory that is not open to it");
        return;
    }
    /*
     * A get is over for the peer when all its bytes are there, and for us when
     * that was acknowledged: until then it has at least one of our slots.
     */
    if (endpoint->gets_served >= BTL_VFRING_GETS_AT_PEER + module->frags.num) {
        rejected(module, endpoint, "it asked for more memory at a time than a process may");
        return;
    }
    op = btl_vfring_op_get(&module->ops);
    if (!op) {
        rejected(module, endpoint, "this process has no memory to serve its get");
        return;
    }
    endpoint->gets_served++;
    source->num_served++;
    *op = (mca_btl_vfring_op_t){
        .all_next = op->all_next,
        .endpoint = endpoint,
        .by_peer = true,
        .exposure = source,
        .from = (const char *) (uintptr_t) get->source_address,
        .to = get->target_address,
        .left = get->bytes,
        .handle = {.index = get->target_index, .nonce = get->target_nonce},
        .zero_copy = module->rails.reg_cache && get->bytes >= btl_vfring_params.zero_copy_min,
    };
    btl_vfring_pump_add(module, op);
}

void btl_vfring_place_input(mca_btl_vfring_module_t *module, mca_btl_vfring_endpoint_t *endpoint, uint32_t msg,
                            const void *payload, uint32_t bytes)
{
    switch (msg) {
    case BTL_VFRING_MSG_LAST:
        vfring_wire_ack_now(module->wire, endpoint->peer);
        place(module, endpoint, payload, bytes);
        return;
    case BTL_VFRING_MSG_PLACE:
        place(module, endpoint, payload, bytes);
        return;
    case BTL_VFRING_MSG_GET:
        serve_get(module, endpoint, payload, bytes);
        return;
    case BTL_VFRING_MSG_PROBE:
        return; /* the wire acknowledges it: that is all there is to it */
    default:
        rejected(module, endpoint, "it sent a message of a kind that does not exist");
        return;
    }
}

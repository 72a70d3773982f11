/* SPDX-License-Identifier: BSD-3-Clause */
/* Gets of ours. */
#include "btl_vfring_get.h"

#include "btl_vfring_post.h"
#include "btl_vfring_upcall.h"

/*
 * Asks for the bytes of a get. OPAL_ERR_OUT_OF_RESOURCE: no slot or no memory now;
 * OPAL_ERR_UNREACH: the peer is lost.
 */
static int ask(mca_btl_vfring_module_t *module, mca_btl_vfring_op_t *op)
{
    mca_btl_vfring_frag_t *frag = btl_vfring_slot_take_bulk(&module->frags, op->endpoint,
                                                           BTL_VFRING_PRIORITY_SHARE * 2);
    mca_btl_vfring_endpoint_t *endpoint = op->endpoint;
    struct btl_vfring_exposure *exposure;
    int rc;

    if (!frag) {
        return OPAL_ERR_OUT_OF_RESOURCE;
    }
    /* Open to this peer, for this get alone; what the caller registered is not needed. */
    exposure = btl_vfring_exposure_add(&module->exposures, op->local_address, op->left, endpoint->number,
                                   BTL_VFRING_REMOTE_WRITE);
    if (!exposure) {
        btl_vfring_slot_put(&module->frags, frag);
        return OPAL_ERR_OUT_OF_RESOURCE;
    }
    *(struct btl_vfring_get *) frag->segment.seg_addr.pval = (struct btl_vfring_get){
        .source_index = op->handle.index,
        .source_nonce = op->handle.nonce,
        .source_address = op->to,
        .target_index = exposure->handle.index,
        .target_nonce = exposure->handle.nonce,
        .target_address = (uintptr_t) op->local_address,
        .bytes = op->left,
    };
    frag->segment.seg_len = sizeof(struct btl_vfring_get);
    btl_vfring_frag_out(frag, BTL_VFRING_OUT);
    rc = btl_vfring_post(module, frag, 0, BTL_VFRING_MSG_GET);
    if (rc != OPAL_SUCCESS) {
        btl_vfring_slot_put(&module->frags, frag);
        btl_vfring_exposure_remove(&module->exposures, exposure);
        return rc;
    }
    btl_vfring_ring(module);
    exposure->op = op;
    exposure->left = op->left;
    op->exposure = exposure;
    endpoint->gets_asked++;
    return OPAL_SUCCESS;
}

bool btl_vfring_gets_run(mca_btl_vfring_module_t *module, mca_btl_vfring_endpoint_t *endpoint)
{
    while (endpoint->gets_tail && endpoint->gets_asked < BTL_VFRING_GETS_AT_PEER) {
        const int rc = ask(module, btl_vfring_ops_head(endpoint->gets_tail));

        if (rc != OPAL_SUCCESS) {
            return rc != OPAL_ERR_OUT_OF_RESOURCE; /* else the peer is lost, and what waits ends with it */
        }
        btl_vfring_ops_pop(&endpoint->gets_tail);
    }
    return true;
}

void btl_vfring_get_over(mca_btl_vfring_module_t *module, struct btl_vfring_exposure *exposure, int status)
{
    mca_btl_vfring_op_t *op = exposure->op;
    mca_btl_vfring_endpoint_t *endpoint = op->endpoint;

    btl_vfring_exposure_remove(&module->exposures, exposure);
    endpoint->gets_asked--;
    op->exposure = NULL;
    op->status = status;
    if (endpoint->gets_tail) {
        btl_vfring_turns_join(&module->pump, &endpoint->turn);
    }
    btl_vfring_upcall_op_over(module, op);
}

void btl_vfring_gets_drop(mca_btl_vfring_module_t *module, mca_btl_vfring_endpoint_t *endpoint, bool tell)
{
    struct btl_vfring_exposure *exposure;
    mca_btl_vfring_op_t *op;
    uint32_t at = 0;

    while ((op = btl_vfring_ops_head(endpoint->gets_tail))) {
        btl_vfring_ops_pop(&endpoint->gets_tail);
        op->cancelled |= !tell;
        op->status = OPAL_ERR_UNREACH;
        btl_vfring_upcall_op_over(module, op);
    }
    while (endpoint->gets_asked
           && (exposure = btl_vfring_exposure_next_get(&module->exposures, endpoint->number, &at))) {
        op = exposure->op;
        op->cancelled |= !tell;
        btl_vfring_get_over(module, exposure, OPAL_ERR_UNREACH);
    }
}

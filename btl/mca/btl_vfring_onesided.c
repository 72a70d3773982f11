/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory registration, put and get as Open MPI calls them; the work is in btl_vfring_rdma.c. */
#include "btl_vfring.h"

/* Nothing is pinned here: that happens when the memory is sent, piece by piece. */
mca_btl_base_registration_handle_t *btl_vfring_register_mem(struct mca_btl_base_module_t *btl,
                                                            struct mca_btl_base_endpoint_t *endpoint,
                                                            void *base, size_t size, uint32_t flags)
{
    mca_btl_vfring_module_t *module = (mca_btl_vfring_module_t *) btl;
    const uint32_t peer = endpoint == MCA_BTL_ENDPOINT_ANY ? BTL_VFRING_ANY_PEER
                                                           : endpoint->number;
    struct btl_vfring_exposure *exposure;
    uint32_t access = BTL_VFRING_LOCAL;

    /*
     * Open for reading and no more, that is pml/ob1 about to let the receiver of a
     * message fetch it: all of it, also into a receive that is shorter, and over what
     * lies behind that. With no for an answer it asks the receiver to open as much
     * as the receive holds, and puts.
     */
    if (flags == MCA_BTL_REG_FLAG_REMOTE_READ && (btl->btl_flags & MCA_BTL_FLAGS_PUT)
        && !mca_btl_vfring_component.fetch) {
        return NULL;
    }
    access |= flags & MCA_BTL_REG_FLAG_REMOTE_READ ? BTL_VFRING_REMOTE_READ : 0;
    access |= flags & MCA_BTL_REG_FLAG_REMOTE_WRITE ? BTL_VFRING_REMOTE_WRITE : 0;
    btl_vfring_lock(module);
    exposure = btl_vfring_exposure_add(&module->exposures, base, size, peer, access);
    btl_vfring_unlock(module);
    return (mca_btl_base_registration_handle_t *) exposure;
}

int btl_vfring_deregister_mem(struct mca_btl_base_module_t *btl,
                              mca_btl_base_registration_handle_t *handle)
{
    mca_btl_vfring_module_t *module = (mca_btl_vfring_module_t *) btl;

    btl_vfring_lock(module);
    btl_vfring_exposure_remove(&module->exposures, (struct btl_vfring_exposure *) handle);
    btl_vfring_unlock(module);
    return OPAL_SUCCESS;
}

/* The lock is held. An operation, or NULL and why there is none. */
static mca_btl_vfring_op_t *begin(mca_btl_vfring_module_t *module,
                                  const mca_btl_vfring_endpoint_t *endpoint, int *rc)
{
    mca_btl_vfring_op_t *op;

    if (OPAL_UNLIKELY(!endpoint->peer || vfring_wire_peer_lost(endpoint->peer))) {
        *rc = OPAL_ERR_UNREACH;
        return NULL;
    }
    op = btl_vfring_op_get(module);
    *rc = op ? OPAL_SUCCESS : OPAL_ERR_OUT_OF_RESOURCE;
    return op;
}

int btl_vfring_put(struct mca_btl_base_module_t *btl, struct mca_btl_base_endpoint_t *endpoint,
                   void *local_address, uint64_t remote_address,
                   mca_btl_base_registration_handle_t *local_handle,
                   mca_btl_base_registration_handle_t *remote_handle, size_t size, int flags,
                   int order, mca_btl_base_rdma_completion_fn_t cbfunc, void *cbcontext,
                   void *cbdata)
{
    mca_btl_vfring_module_t *module = (mca_btl_vfring_module_t *) btl;
    mca_btl_vfring_op_t *op;
    int rc;

    btl_vfring_lock(module);
    op = begin(module, endpoint, &rc);
    if (op) {
        *op = (mca_btl_vfring_op_t){
            .all_next = op->all_next,
            .endpoint = endpoint,
            .from = local_address,
            .to = remote_address,
            .left = size,
            .handle = *(const struct btl_vfring_handle *) remote_handle,
            .zero_copy = module->reg_cache && size >= mca_btl_vfring_component.zero_copy_min,
            .in_order = ((const struct btl_vfring_handle *) remote_handle)->flags & BTL_VFRING_HANDLE_WRITTEN,
            .cbfunc = cbfunc,
            .context = cbcontext,
            .cbdata = cbdata,
            .local_address = local_address,
            .local_handle = local_handle,
        };
        module->rdma_stats.puts++;
        btl_vfring_op_start(module, op);
    }
    btl_vfring_unlock(module);
    return rc;
}

int btl_vfring_send_request(mca_btl_vfring_module_t *module, mca_btl_vfring_op_t *op)
{
    mca_btl_vfring_frag_t *frag = btl_vfring_frag_get_bulk(module, op->endpoint,
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
        btl_vfring_frag_put(module, frag);
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
    rc = btl_vfring_frag_send(module, frag, 0, BTL_VFRING_MSG_GET);
    if (rc != OPAL_SUCCESS) {
        btl_vfring_frag_put(module, frag);
        btl_vfring_exposure_remove(&module->exposures, exposure);
        return rc;
    }
    exposure->op = op;
    exposure->left = op->left;
    op->exposure = exposure;
    endpoint->gets_asked++;
    return OPAL_SUCCESS;
}

bool btl_vfring_gets_run(mca_btl_vfring_module_t *module, mca_btl_vfring_endpoint_t *endpoint)
{
    while (endpoint->gets_tail && endpoint->gets_asked < BTL_VFRING_GETS_AT_PEER) {
        const int rc = btl_vfring_send_request(module, btl_vfring_ops_head(endpoint->gets_tail));

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
    btl_vfring_op_finish(module, op);
}

int btl_vfring_get(struct mca_btl_base_module_t *btl, struct mca_btl_base_endpoint_t *endpoint,
                   void *local_address, uint64_t remote_address,
                   mca_btl_base_registration_handle_t *local_handle,
                   mca_btl_base_registration_handle_t *remote_handle, size_t size, int flags,
                   int order, mca_btl_base_rdma_completion_fn_t cbfunc, void *cbcontext,
                   void *cbdata)
{
    mca_btl_vfring_module_t *module = (mca_btl_vfring_module_t *) btl;
    mca_btl_vfring_op_t *op;
    int rc;

    if (!size) {
        return OPAL_ERR_BAD_PARAM;
    }
    btl_vfring_lock(module);
    op = begin(module, endpoint, &rc);
    if (op) {
        *op = (mca_btl_vfring_op_t){
            .all_next = op->all_next,
            .endpoint = endpoint,
            .to = remote_address,
            .left = size,
            .handle = *(const struct btl_vfring_handle *) remote_handle,
            .cbfunc = cbfunc,
            .context = cbcontext,
            .cbdata = cbdata,
            .local_address = local_address,
            .local_handle = local_handle,
        };
        module->rdma_stats.gets++;
        /*
         * At once, or as soon as it may: a get that failed for want of a slot, or
         * because there are so many, might never be tried again.
         */
        btl_vfring_ops_append(&endpoint->gets_tail, op);
        if (!btl_vfring_gets_run(module, endpoint)) {
            btl_vfring_turns_join(&module->pump, &endpoint->turn);
        }
    }
    btl_vfring_unlock(module);
    return rc;
}

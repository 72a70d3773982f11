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
                                                           : endpoint->name.vpid;
    struct btl_vfring_region *region;
    uint32_t access = BTL_VFRING_LOCAL;

    access |= flags & MCA_BTL_REG_FLAG_REMOTE_READ ? BTL_VFRING_REMOTE_READ : 0;
    access |= flags & MCA_BTL_REG_FLAG_REMOTE_WRITE ? BTL_VFRING_REMOTE_WRITE : 0;
    btl_vfring_lock(module);
    region = btl_vfring_region_add(&module->regions, base, size, peer, access);
    btl_vfring_unlock(module);
    return (mca_btl_base_registration_handle_t *) region;
}

int btl_vfring_deregister_mem(struct mca_btl_base_module_t *btl,
                              mca_btl_base_registration_handle_t *handle)
{
    mca_btl_vfring_module_t *module = (mca_btl_vfring_module_t *) btl;

    btl_vfring_lock(module);
    btl_vfring_region_remove(&module->regions, (struct btl_vfring_region *) handle);
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
    int rc;

    if (!frag) {
        return OPAL_ERR_OUT_OF_RESOURCE;
    }
    *(struct btl_vfring_get *) frag->segment.seg_addr.pval = (struct btl_vfring_get){
        .source_index = op->handle.index,
        .source_nonce = op->handle.nonce,
        .source_address = op->to,
        .target_index = op->target.index,
        .target_nonce = op->target.nonce,
        .target_address = (uintptr_t) op->local_address,
        .bytes = op->left,
    };
    frag->segment.seg_len = sizeof(struct btl_vfring_get);
    rc = btl_vfring_frag_send(module, frag, 0, BTL_VFRING_MSG_GET);
    if (rc != OPAL_SUCCESS) {
        btl_vfring_frag_put(module, frag);
    }
    return rc;
}

/*
 * At once, or as soon as there is a slot: a get that failed for want of one
 * might never be tried again.
 */
static void request(mca_btl_vfring_module_t *module, mca_btl_vfring_op_t *op)
{
    if (btl_vfring_send_request(module, op) == OPAL_SUCCESS) {
        op->left = 0; /* the rest is in its region */
        return;
    }
    /* Before the bulk: it is short, and others may wait for what it brings. */
    op->is_get = true;
    btl_vfring_op_enqueue(module, op, true);
}

int btl_vfring_get(struct mca_btl_base_module_t *btl, struct mca_btl_base_endpoint_t *endpoint,
                   void *local_address, uint64_t remote_address,
                   mca_btl_base_registration_handle_t *local_handle,
                   mca_btl_base_registration_handle_t *remote_handle, size_t size, int flags,
                   int order, mca_btl_base_rdma_completion_fn_t cbfunc, void *cbcontext,
                   void *cbdata)
{
    mca_btl_vfring_module_t *module = (mca_btl_vfring_module_t *) btl;
    struct btl_vfring_region *region = NULL;
    mca_btl_vfring_op_t *op;
    int rc;

    if (!size) {
        return OPAL_ERR_BAD_PARAM;
    }
    btl_vfring_lock(module);
    op = begin(module, endpoint, &rc);
    if (op) {
        /* Open to this peer, for this get alone; what the caller registered is not needed. */
        region = btl_vfring_region_add(&module->regions, local_address, size, endpoint->name.vpid,
                                       BTL_VFRING_REMOTE_WRITE);
    }
    if (OPAL_LIKELY(region)) {
        *op = (mca_btl_vfring_op_t){
            .all_next = op->all_next,
            .endpoint = endpoint,
            .to = remote_address,
            .left = size,
            .handle = *(const struct btl_vfring_handle *) remote_handle,
            .target = region->handle,
            .cbfunc = cbfunc,
            .context = cbcontext,
            .cbdata = cbdata,
            .local_address = local_address,
            .local_handle = local_handle,
        };
        region->op = op;
        region->left = size;
        module->rdma_stats.gets++;
        request(module, op);
    } else if (op) {
        op->next = module->free_ops;
        module->free_ops = op;
        rc = OPAL_ERR_OUT_OF_RESOURCE;
    }
    btl_vfring_unlock(module);
    return rc;
}

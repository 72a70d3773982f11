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

int btl_vfring_put(struct mca_btl_base_module_t *btl, struct mca_btl_base_endpoint_t *endpoint,
                   void *local_address, uint64_t remote_address,
                   mca_btl_base_registration_handle_t *local_handle,
                   mca_btl_base_registration_handle_t *remote_handle, size_t size, int flags,
                   int order, mca_btl_base_rdma_completion_fn_t cbfunc, void *cbcontext,
                   void *cbdata)
{
    mca_btl_vfring_module_t *module = (mca_btl_vfring_module_t *) btl;
    mca_btl_vfring_op_t *op;

    btl_vfring_lock(module);
    op = btl_vfring_op_get(module);
    if (op) {
        *op = (mca_btl_vfring_op_t){
            .all_next = op->all_next,
            .endpoint = endpoint,
            .queued = true,
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
    return op ? OPAL_SUCCESS : OPAL_ERR_OUT_OF_RESOURCE;
}

int btl_vfring_get(struct mca_btl_base_module_t *btl, struct mca_btl_base_endpoint_t *endpoint,
                   void *local_address, uint64_t remote_address,
                   mca_btl_base_registration_handle_t *local_handle,
                   mca_btl_base_registration_handle_t *remote_handle, size_t size, int flags,
                   int order, mca_btl_base_rdma_completion_fn_t cbfunc, void *cbcontext,
                   void *cbdata)
{
    mca_btl_vfring_module_t *module = (mca_btl_vfring_module_t *) btl;
    const struct btl_vfring_handle *source = (const struct btl_vfring_handle *) remote_handle;
    struct btl_vfring_region *region = NULL;
    mca_btl_vfring_frag_t *frag = NULL;
    mca_btl_vfring_op_t *op;
    int rc = OPAL_ERR_OUT_OF_RESOURCE;

    if (!size) {
        return OPAL_ERR_BAD_PARAM;
    }
    btl_vfring_lock(module);
    op = btl_vfring_op_get(module);
    if (op) {
        frag = btl_vfring_frag_get_bulk(module, BTL_VFRING_PRIORITY_SHARE);
    }
    if (frag) {
        /* Open to this peer, for this get alone; what the caller registered is not needed. */
        region = btl_vfring_region_add(&module->regions, local_address, size, endpoint->name.vpid,
                                       BTL_VFRING_REMOTE_WRITE);
    }
    if (region) {
        *op = (mca_btl_vfring_op_t){
            .all_next = op->all_next,
            .endpoint = endpoint,
            .cbfunc = cbfunc,
            .context = cbcontext,
            .cbdata = cbdata,
            .local_address = local_address,
            .local_handle = local_handle,
        };
        region->op = op;
        region->left = size;
        *(struct btl_vfring_get *) frag->segment.seg_addr.pval = (struct btl_vfring_get){
            .source_index = source->index,
            .source_nonce = source->nonce,
            .source_address = remote_address,
            .target_index = region->handle.index,
            .target_nonce = region->handle.nonce,
            .target_address = (uintptr_t) local_address,
            .bytes = size,
        };
        frag->segment.seg_len = sizeof(struct btl_vfring_get);
        frag->endpoint = endpoint;
        frag->base.des_flags = MCA_BTL_DES_FLAGS_PRIORITY;
        rc = btl_vfring_frag_send(module, frag, 0, BTL_VFRING_MSG_GET);
        module->rdma_stats.gets += rc == OPAL_SUCCESS;
    }
    if (OPAL_UNLIKELY(rc != OPAL_SUCCESS)) {
        if (region) {
            btl_vfring_region_remove(&module->regions, region);
        }
        if (op) {
            op->next = module->free_ops;
            module->free_ops = op;
        }
        if (frag) {
            btl_vfring_frag_put(module, frag);
        }
    }
    btl_vfring_unlock(module);
    return rc;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory registration, put and get as Open MPI calls them; the work is in btl_vfring_pump.c and btl_vfring_get.c. */
#include "btl_vfring_onesided.h"

#include "btl_vfring_depart.h"
#include "btl_vfring_get.h"
#include "btl_vfring_module.h"
#include "btl_vfring_params.h"
#include "btl_vfring_pump.h"

/* Nothing is pinned here: that happens when the memory is sent, piece by piece. */
mca_btl_base_registration_handle_t *btl_vfring_register_mem(struct mca_btl_base_module_t *btl,
                                                            struct mca_btl_base_endpoint_t *endpoint,
                                                            void *base, size_t size, uint32_t flags)
{
    mca_btl_vfring_module_t *module = btl_vfring_to_module(btl);
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
        && !btl_vfring_params.fetch) {
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
    mca_btl_vfring_module_t *module = btl_vfring_to_module(btl);

    btl_vfring_lock(module);
    btl_vfring_pump_close(module, (struct btl_vfring_exposure *) handle);
    btl_vfring_exposure_remove(&module->exposures, (struct btl_vfring_exposure *) handle);
    btl_vfring_unlock(module);
    return OPAL_SUCCESS;
}

/* The lock is held. An operation, or NULL and why there is none. */
static mca_btl_vfring_op_t *begin(mca_btl_vfring_module_t *module,
                                  mca_btl_vfring_endpoint_t *endpoint, int *rc)
{
    mca_btl_vfring_op_t *op;

    if (OPAL_UNLIKELY(vfring_wire_peer_lost(endpoint->peer))) {
        *rc = btl_vfring_unreachable(module, endpoint);
        return NULL;
    }
    op = btl_vfring_op_get(&module->ops);
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
    mca_btl_vfring_module_t *module = btl_vfring_to_module(btl);
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
            .zero_copy = module->rails.reg_cache && size >= btl_vfring_params.zero_copy_min,
            .in_order = ((const struct btl_vfring_handle *) remote_handle)->flags & BTL_VFRING_HANDLE_WRITTEN,
            .cbfunc = cbfunc,
            .context = cbcontext,
            .cbdata = cbdata,
            .local_address = local_address,
            .local_handle = local_handle,
        };
        module->ops.stats.puts++;
        btl_vfring_pump_start(module, op);
    }
    btl_vfring_unlock(module);
    return rc;
}

int btl_vfring_get(struct mca_btl_base_module_t *btl, struct mca_btl_base_endpoint_t *endpoint,
                   void *local_address, uint64_t remote_address,
                   mca_btl_base_registration_handle_t *local_handle,
                   mca_btl_base_registration_handle_t *remote_handle, size_t size, int flags,
                   int order, mca_btl_base_rdma_completion_fn_t cbfunc, void *cbcontext,
                   void *cbdata)
{
    mca_btl_vfring_module_t *module = btl_vfring_to_module(btl);
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
        module->ops.stats.gets++;
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

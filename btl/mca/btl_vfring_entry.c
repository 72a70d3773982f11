/* SPDX-License-Identifier: BSD-3-Clause */
/* What Open MPI calls of the module: the table of it all, and what is short enough to be here. */
#include "btl_vfring_entry.h"

#include "btl_vfring_module.h"
#include "btl_vfring_onesided.h"
#include "btl_vfring_path.h"
#include "btl_vfring_post.h"
#include "btl_vfring_proc.h"

/* --- fragments ------------------------------------------------------------ */

static mca_btl_base_descriptor_t *btl_alloc(struct mca_btl_base_module_t *btl,
                                            struct mca_btl_base_endpoint_t *endpoint, uint8_t order,
                                            size_t size, uint32_t flags)
{
    mca_btl_vfring_module_t *module = btl_vfring_to_module(btl);
    mca_btl_vfring_frag_t *frag;

    if (size > module->max_message) {
        return NULL;
    }
    btl_vfring_lock(module);
    if (size <= module->max_payload && module->frags.num_free > endpoint->threshold) {
        frag = btl_vfring_slot_take(&module->frags, endpoint);
    } else {
        frag = btl_vfring_buffer_take(&module->frags, endpoint, size);
    }
    if (frag) {
        btl_vfring_frag_lend(frag);
    }
    btl_vfring_unlock(module);
    if (!frag) {
        return NULL;
    }
    frag->base.des_flags = flags;
    frag->segment.seg_len = size;
    return &frag->base;
}

static int btl_free(struct mca_btl_base_module_t *btl, mca_btl_base_descriptor_t *descriptor)
{
    mca_btl_vfring_module_t *module = btl_vfring_to_module(btl);
    mca_btl_vfring_frag_t *frag = (mca_btl_vfring_frag_t *) descriptor;

    btl_vfring_lock(module);
    btl_vfring_frag_freed(&module->frags, frag);
    btl_vfring_unlock(module);
    return OPAL_SUCCESS;
}

static struct mca_btl_base_descriptor_t *btl_prepare_src(struct mca_btl_base_module_t *btl,
                                                         struct mca_btl_base_endpoint_t *endpoint,
                                                         struct opal_convertor_t *convertor,
                                                         uint8_t order, size_t reserve,
                                                         size_t *size, uint32_t flags)
{
    mca_btl_vfring_module_t *module = btl_vfring_to_module(btl);
    mca_btl_base_descriptor_t *des;
    mca_btl_vfring_frag_t *frag;

    if (reserve > module->max_message) {
        return NULL;
    }
    if (*size > module->max_message - reserve) {
        *size = module->max_message - reserve;
    }
    des = btl_alloc(btl, endpoint, order, reserve + *size, flags);
    if (!des) {
        return NULL;
    }
    frag = (mca_btl_vfring_frag_t *) des;
    if (*size && btl_vfring_pack(convertor, (char *) frag->segment.seg_addr.pval + reserve, size)) {
        (void) btl_free(btl, des);
        return NULL;
    }
    frag->segment.seg_len = reserve + *size;
    return des;
}

static int btl_register_error(struct mca_btl_base_module_t *btl,
                              mca_btl_base_module_error_cb_fn_t cbfunc)
{
    btl_vfring_to_module(btl)->error_cb = cbfunc;
    return OPAL_SUCCESS;
}

const mca_btl_base_module_t btl_vfring_entry = {
    .btl_eager_limit = 16 * 1024,
    .btl_rndv_eager_limit = 16 * 1024, /* cut to one frame when the MTU is known */
    .btl_max_send_size = 16 * 1024,
    .btl_exclusivity = MCA_BTL_EXCLUSIVITY_DEFAULT,
    .btl_latency = 5,
    .btl_bandwidth = 1000,
    .btl_flags = MCA_BTL_FLAGS_SEND | MCA_BTL_FLAGS_RDMA | BTL_VFRING_FLAGS_COMPLETION,
    .btl_rdma_pipeline_frag_size = 1024 * 1024,
    .btl_registration_handle_size = sizeof(struct btl_vfring_handle),
    /* Any address, any length: the frames are cut to measure. */
    .btl_put_limit = SIZE_MAX,
    .btl_get_limit = SIZE_MAX,
    .btl_put_local_registration_threshold = SIZE_MAX,
    .btl_get_local_registration_threshold = SIZE_MAX,
    .btl_add_procs = btl_vfring_add_procs,
    .btl_del_procs = btl_vfring_del_procs,
    .btl_alloc = btl_alloc,
    .btl_free = btl_free,
    .btl_prepare_src = btl_prepare_src,
    .btl_send = btl_vfring_send,
    .btl_sendi = btl_vfring_sendi,
    .btl_put = btl_vfring_put,
    .btl_get = btl_vfring_get,
    .btl_register_mem = btl_vfring_register_mem,
    .btl_deregister_mem = btl_vfring_deregister_mem,
    .btl_dump = mca_btl_base_dump,
    .btl_register_error = btl_register_error,
};

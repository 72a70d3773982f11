/* SPDX-License-Identifier: BSD-3-Clause */
/* The functions of a BTL module but for sending (btl_vfring_path.c), and what the wire asks of it now and then. */
#include "btl_vfring.h"

#include <errno.h>
#include <string.h>

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
    if (size <= module->max_payload && module->num_free > endpoint->threshold) {
        frag = btl_vfring_slot_take(module, endpoint);
        frag->base.des_flags = flags;
        frag->upper_owns = true;
    } else {
        frag = btl_vfring_buffer_get(module, endpoint, size, flags);
    }
    btl_vfring_unlock(module);
    if (!frag) {
        return NULL;
    }
    frag->segment.seg_len = size;
    return &frag->base;
}

static int btl_free(struct mca_btl_base_module_t *btl, mca_btl_base_descriptor_t *descriptor)
{
    mca_btl_vfring_module_t *module = btl_vfring_to_module(btl);
    mca_btl_vfring_frag_t *frag = (mca_btl_vfring_frag_t *) descriptor;

    btl_vfring_lock(module);
    btl_vfring_frag_disown(module, frag);
    btl_vfring_unlock(module);
    return OPAL_SUCCESS;
}

int btl_vfring_pack(struct opal_convertor_t *convertor, void *to, size_t *bytes)
{
    struct iovec iov = {.iov_base = to, .iov_len = *bytes};
    uint32_t iov_count = 1;

    if (opal_convertor_pack(convertor, &iov, &iov_count, bytes) < 0) {
        return OPAL_ERROR;
    }
    return OPAL_SUCCESS;
}

int btl_vfring_pack_all(struct opal_convertor_t *convertor, void *to, size_t bytes)
{
    size_t packed = bytes;
    int rc = btl_vfring_pack(convertor, to, &packed);

    return rc == OPAL_SUCCESS && packed != bytes ? OPAL_ERROR : rc;
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

void btl_vfring_run_callbacks(mca_btl_vfring_module_t *module)
{
    mca_btl_vfring_frag_t *frag = module->callbacks_head;

    module->callbacks_head = module->callbacks_tail = NULL;
    while (frag) {
        mca_btl_vfring_frag_t *next = frag->next;
        const bool ours = frag->base.des_flags & MCA_BTL_DES_FLAGS_BTL_OWNERSHIP;
        const int status = frag->failed ? OPAL_ERR_UNREACH : OPAL_SUCCESS;

        frag->failed = false;
        if (frag->base.des_cbfunc) { /* who gave us the descriptor may not care */
            btl_vfring_unlock(module);
            frag->base.des_cbfunc(&module->super, frag->endpoint, &frag->base, status);
            btl_vfring_lock(module);
        }
        if (ours) {
            btl_vfring_frag_disown(module, frag);
        }
        frag = next;
    }
}

/* --- what the wire asks for, now and then ------------------------------------ */

/*
 * A process that speaks before Open MPI has told us of it. The ids of our own job
 * tell the rank, and so whom to look up in the modex. Those of another job
 * are known after MPI_Comm_connect or the like; until then what they send is as
 * good as lost, and comes again.
 */
struct vfring_wire_peer *btl_vfring_unknown_peer(void *ctx, uint32_t id, const uint8_t mac[6])
{
    mca_btl_vfring_module_t *module = ctx;
    const struct vfring_wire_peer *known = vfring_wire_peer_find(module->wire, id, NULL);
    opal_process_name_t name = {.jobid = opal_proc_local_get()->proc_name.jobid, .vpid = 0};
    mca_btl_vfring_endpoint_t *endpoint;

    name.vpid = id - btl_vfring_id_of(&name);
    if (name.vpid >= module->job_size || name.vpid == opal_proc_local_get()->proc_name.vpid) {
        return NULL;
    }
    if (known) {
        endpoint = vfring_wire_peer_upper(known);
        if (endpoint->name.jobid == name.jobid) {
            return NULL; /* that one has another MAC address */
        }
    }
    if (btl_vfring_endpoint_get(module, &name, NULL, &endpoint) != OPAL_SUCCESS) {
        return NULL;
    }
    return vfring_wire_peer_find(module->wire, id, mac);
}

void btl_vfring_peer_silent(void *ctx, struct vfring_wire_peer *peer, const struct vfring_wire_silence *silence)
{
    btl_vfring_help_silent(ctx, vfring_wire_peer_upper(peer), silence);
}

void btl_vfring_peer_failed(void *ctx, struct vfring_wire_peer *peer, const struct vfring_wire_silence *silence)
{
    const unsigned long long silent_s = silence->silent_ns / 1000000000u;
    char cause[192];

    if (silence->out_of_step) {
        (void) snprintf(cause, sizeof(cause), "it has acknowledged nothing for %llu s, but frames of it come that "
                        "belong to another exchange: one of the two has forgotten the other", silent_s);
    } else {
        (void) snprintf(cause, sizeof(cause), "it has acknowledged nothing for %llu s, the limit that "
                        "btl_vfring_peer_timeout sets", silent_s);
    }
    btl_vfring_report_failure(ctx, vfring_wire_peer_upper(peer), cause);
    btl_vfring_queue_drop(ctx, vfring_wire_peer_upper(peer), true);
    btl_vfring_rdma_drop(ctx, vfring_wire_peer_upper(peer), true);
}

/* --- processes ------------------------------------------------------------- */

static int btl_add_procs(struct mca_btl_base_module_t *btl, size_t nprocs,
                         struct opal_proc_t **procs, struct mca_btl_base_endpoint_t **endpoints,
                         struct opal_bitmap_t *reachable)
{
    mca_btl_vfring_module_t *module = btl_vfring_to_module(btl);
    const opal_process_name_t ours = opal_proc_local_get()->proc_name;
    int rc = OPAL_SUCCESS;

    btl_vfring_lock(module);
    for (size_t i = 0; i < nprocs && rc == OPAL_SUCCESS; i++) {
        const opal_process_name_t *name = &procs[i]->proc_name;
        int found;

        if (name->jobid == ours.jobid && name->vpid == ours.vpid) {
            continue; /* btl/self serves ourselves */
        }
        found = btl_vfring_endpoint_get(module, name, procs[i], &endpoints[i]);
        if (found == OPAL_SUCCESS) {
            if (reachable) {
                rc = opal_bitmap_set_bit(reachable, (int) i);
            }
        } else if (found == OPAL_ERR_UNREACH) {
            module->fallbacks++;
        } else {
            rc = found;
        }
    }
    btl_vfring_unlock(module);
    return rc;
}

static int btl_del_procs(struct mca_btl_base_module_t *btl, size_t nprocs,
                         struct opal_proc_t **procs, struct mca_btl_base_endpoint_t **endpoints)
{
    mca_btl_vfring_module_t *module = btl_vfring_to_module(btl);

    btl_vfring_lock(module);
    for (size_t i = 0; i < nprocs; i++) {
        /*
         * bml/r2 has each endpoint in two arrays, and compares them to give it
         * back once: so the caller's pointer stays as it is.
         */
        if (endpoints[i]) {
            btl_vfring_endpoint_release(module, endpoints[i]);
        }
    }
    btl_vfring_unlock(module);
    return OPAL_SUCCESS;
}

static int btl_register_error(struct mca_btl_base_module_t *btl,
                              mca_btl_base_module_error_cb_fn_t cbfunc)
{
    btl_vfring_to_module(btl)->error_cb = cbfunc;
    return OPAL_SUCCESS;
}

const mca_btl_vfring_module_t mca_btl_vfring_module_template = {
    .super = {
        .btl_component = &mca_btl_vfring_component.super,
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
        .btl_add_procs = btl_add_procs,
        .btl_del_procs = btl_del_procs,
        .btl_finalize = btl_vfring_module_finalize,
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
    },
};

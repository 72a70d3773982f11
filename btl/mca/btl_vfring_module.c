/* SPDX-License-Identifier: BSD-3-Clause */
/* The functions of a BTL module, and what the wire asks of it. */
#include "btl_vfring.h"

#include <errno.h>
#include <string.h>

static inline mca_btl_vfring_module_t *to_module(struct mca_btl_base_module_t *btl)
{
    return (mca_btl_vfring_module_t *) btl;
}

static inline mca_btl_vfring_frag_t *frag_of_frame(struct vfring_wire_frame *frame)
{
    return (mca_btl_vfring_frag_t *) ((char *) frame - offsetof(mca_btl_vfring_frag_t, frame));
}

/* Headers and tiny payloads: two overlapping moves instead of a call. */
static inline void copy_small(char *to, const char *from, size_t bytes)
{
    if (bytes > 32) {
        memcpy(to, from, bytes);
    } else if (bytes >= 16) {
        memcpy(to, from, 16);
        memcpy(to + bytes - 16, from + bytes - 16, 16);
    } else if (bytes >= 8) {
        memcpy(to, from, 8);
        memcpy(to + bytes - 8, from + bytes - 8, 8);
    } else if (bytes >= 4) {
        memcpy(to, from, 4);
        memcpy(to + bytes - 4, from + bytes - 4, 4);
    } else {
        for (size_t i = 0; i < bytes; i++) {
            to[i] = from[i];
        }
    }
}

/* --- fragments ------------------------------------------------------------ */

static inline mca_btl_vfring_frag_t *frag_get(mca_btl_vfring_module_t *module,
                                              mca_btl_vfring_endpoint_t *endpoint, uint32_t flags)
{
    mca_btl_vfring_frag_t *frag = module->free_frags;
    uint32_t reserved = 0;

    /*
     * ob1 looks again at a control message that found no slot only when another
     * one completes, and then it may be the last: so eager messages (PRIORITY
     * without SIGNAL) leave slots to control messages, and the rest to both.
     */
    if (!(flags & MCA_BTL_DES_FLAGS_SIGNAL)) {
        reserved = flags & MCA_BTL_DES_FLAGS_PRIORITY ? module->num_reserved / 2
                                                      : module->num_reserved;
    }

    if (module->num_free <= reserved) {
        return NULL;
    }
    module->free_frags = frag->next;
    module->num_free--;
    frag->endpoint = endpoint;
    frag->base.des_flags = flags;
    frag->in_flight = false;
    frag->upper_owns = true;
    frag->callback_due = false;
    return frag;
}

/* A fragment is free once neither the PML nor the wire holds it. */
static inline void frag_put_if_unused(mca_btl_vfring_module_t *module, mca_btl_vfring_frag_t *frag)
{
    if (!frag->in_flight && !frag->upper_owns) {
        frag->next = module->free_frags;
        module->free_frags = frag;
        module->num_free++;
    }
}

static mca_btl_base_descriptor_t *btl_alloc(struct mca_btl_base_module_t *btl,
                                            struct mca_btl_base_endpoint_t *endpoint, uint8_t order,
                                            size_t size, uint32_t flags)
{
    mca_btl_vfring_module_t *module = to_module(btl);
    mca_btl_vfring_frag_t *frag;

    if (size > module->max_payload) {
        return NULL;
    }
    btl_vfring_lock(module);
    frag = frag_get(module, endpoint, flags);
    btl_vfring_unlock(module);
    if (!frag) {
        return NULL;
    }
    frag->segment.seg_len = size;
    return &frag->base;
}

static int btl_free(struct mca_btl_base_module_t *btl, mca_btl_base_descriptor_t *descriptor)
{
    mca_btl_vfring_module_t *module = to_module(btl);
    mca_btl_vfring_frag_t *frag = (mca_btl_vfring_frag_t *) descriptor;

    btl_vfring_lock(module);
    frag->upper_owns = false;
    frag_put_if_unused(module, frag);
    btl_vfring_unlock(module);
    return OPAL_SUCCESS;
}

/* Packs up to *@p bytes of the convertor's data to @p to; *@p bytes becomes what it was. */
static int pack(struct opal_convertor_t *convertor, void *to, size_t *bytes)
{
    struct iovec iov = {.iov_base = to, .iov_len = *bytes};
    uint32_t iov_count = 1;

    if (opal_convertor_pack(convertor, &iov, &iov_count, bytes) < 0) {
        return OPAL_ERROR;
    }
    return OPAL_SUCCESS;
}

static __attribute__((noinline)) int pack_all(struct opal_convertor_t *convertor, void *to,
                                               size_t bytes)
{
    size_t packed = bytes;
    int rc = pack(convertor, to, &packed);

    return rc == OPAL_SUCCESS && packed != bytes ? OPAL_ERROR : rc;
}

static struct mca_btl_base_descriptor_t *btl_prepare_src(struct mca_btl_base_module_t *btl,
                                                         struct mca_btl_base_endpoint_t *endpoint,
                                                         struct opal_convertor_t *convertor,
                                                         uint8_t order, size_t reserve,
                                                         size_t *size, uint32_t flags)
{
    mca_btl_vfring_module_t *module = to_module(btl);
    mca_btl_base_descriptor_t *des;
    mca_btl_vfring_frag_t *frag;

    if (reserve > module->max_payload) {
        return NULL;
    }
    if (*size > module->max_payload - reserve) {
        *size = module->max_payload - reserve;
    }
    des = btl_alloc(btl, endpoint, order, reserve + *size, flags);
    if (!des) {
        return NULL;
    }
    frag = (mca_btl_vfring_frag_t *) des;
    if (*size && pack(convertor, (char *) frag->segment.seg_addr.pval + reserve, size)) {
        (void) btl_free(btl, des);
        return NULL;
    }
    frag->segment.seg_len = reserve + *size;
    return des;
}

/* --- sending -------------------------------------------------------------- */

/* The lock is held. 0, or OPAL_ERR_UNREACH: the peer is lost. */
static inline int frag_send(mca_btl_vfring_module_t *module, mca_btl_vfring_frag_t *frag,
                            mca_btl_base_tag_t tag, uint32_t msg)
{
    int rc;

    frag->frame.tag = tag;
    frag->frame.msg = msg;
    /* Open MPI unpacks fragments of a nested datatype wrongly when they are out of order. */
    frag->frame.unordered = msg != BTL_VFRING_MSG_ACTIVE;
    /* Of messages that ob1 has to match all are urgent or none: they keep their order. */
    frag->frame.urgent = frag->base.des_flags & MCA_BTL_DES_FLAGS_PRIORITY;
    frag->frame.inline_bytes = (uint32_t) frag->segment.seg_len;
    frag->frame.gather_bytes = 0;
    frag->in_flight = true;
    if (OPAL_UNLIKELY(!frag->endpoint->contact)) {
        btl_vfring_contact_start(module, frag->endpoint);
    }
    rc = vfring_wire_send(module->wire, frag->endpoint->peer, &frag->frame, btl_vfring_now_ns());
    if (OPAL_UNLIKELY(rc)) {
        frag->in_flight = false;
        return rc == -ENOMEM ? OPAL_ERR_OUT_OF_RESOURCE : OPAL_ERR_UNREACH;
    }
    /* Inside progress one doorbell at its end serves all that was sent. */
    if (!module->in_progress) {
        vfring_vf_tx_doorbell(module->vf);
    }
    return OPAL_SUCCESS;
}

int btl_vfring_frag_send(mca_btl_vfring_module_t *module, mca_btl_vfring_frag_t *frag,
                         mca_btl_base_tag_t tag, uint32_t msg)
{
    return frag_send(module, frag, tag, msg);
}

/* The PML is told of the send in the next progress. */
static void callback_queue(mca_btl_vfring_module_t *module, mca_btl_vfring_frag_t *frag)
{
    frag->next = NULL;
    if (module->callbacks_head) {
        module->callbacks_tail->next = frag;
    } else {
        module->callbacks_head = frag;
    }
    module->callbacks_tail = frag;
}

static int btl_send(struct mca_btl_base_module_t *btl, struct mca_btl_base_endpoint_t *endpoint,
                    struct mca_btl_base_descriptor_t *descriptor, mca_btl_base_tag_t tag)
{
    mca_btl_vfring_module_t *module = to_module(btl);
    mca_btl_vfring_frag_t *frag = (mca_btl_vfring_frag_t *) descriptor;
    int rc;

    btl_vfring_lock(module);
    frag->endpoint = endpoint;
    rc = frag_send(module, frag, tag, BTL_VFRING_MSG_ACTIVE);
    if (OPAL_LIKELY(rc == OPAL_SUCCESS)) {
        /*
         * The data is in our slot and will arrive: for the PML the send is
         * complete. The slot stays taken until the peer has confirmed it. Who
         * keeps the descriptor may fill it anew when told (one-sided operations
         * of Open MPI 5 in several pieces do), and so is told only then.
         */
        if (frag->base.des_flags & MCA_BTL_DES_SEND_ALWAYS_CALLBACK) {
            if (frag->in_flight && !(frag->base.des_flags & MCA_BTL_DES_FLAGS_BTL_OWNERSHIP)) {
                frag->callback_due = true;
            } else {
                callback_queue(module, frag);
            }
        } else {
            if (frag->base.des_flags & MCA_BTL_DES_FLAGS_BTL_OWNERSHIP) {
                frag->upper_owns = false;
                frag_put_if_unused(module, frag);
            }
            rc = 1;
        }
    }
    btl_vfring_unlock(module);
    return rc;
}

static int btl_sendi(struct mca_btl_base_module_t *btl, struct mca_btl_base_endpoint_t *endpoint,
                     struct opal_convertor_t *convertor, void *header, size_t header_size,
                     size_t payload_size, uint8_t order, uint32_t flags, mca_btl_base_tag_t tag,
                     mca_btl_base_descriptor_t **descriptor)
{
    mca_btl_vfring_module_t *module = to_module(btl);
    mca_btl_vfring_frag_t *frag;
    int rc = OPAL_ERR_OUT_OF_RESOURCE;

    if (OPAL_LIKELY(header_size + payload_size <= module->max_payload)) {
        btl_vfring_lock(module);
        frag = frag_get(module, endpoint, flags);
        if (OPAL_LIKELY(NULL != frag)) {
            char *to = frag->segment.seg_addr.pval;

            copy_small(to, header, header_size);
            rc = OPAL_SUCCESS;
            if (payload_size && !opal_convertor_need_buffers(convertor)) {
                void *from; /* contiguous: no need to set the convertor in motion */

                opal_convertor_get_current_pointer(convertor, &from);
                copy_small(to + header_size, from, payload_size);
            } else if (payload_size) {
                rc = pack_all(convertor, to + header_size, payload_size);
            }
            if (OPAL_LIKELY(rc == OPAL_SUCCESS)) {
                frag->segment.seg_len = header_size + payload_size;
                rc = frag_send(module, frag, tag, BTL_VFRING_MSG_ACTIVE);
            }
            frag->upper_owns = false;
            frag_put_if_unused(module, frag);
        }
        btl_vfring_unlock(module);
    }
    if (OPAL_UNLIKELY(rc != OPAL_SUCCESS && descriptor)) {
        *descriptor = NULL;
    }
    return rc;
}

void btl_vfring_run_callbacks(mca_btl_vfring_module_t *module)
{
    mca_btl_vfring_frag_t *frag = module->callbacks_head;

    module->callbacks_head = module->callbacks_tail = NULL;
    while (frag) {
        mca_btl_vfring_frag_t *next = frag->next;
        const bool ours = frag->base.des_flags & MCA_BTL_DES_FLAGS_BTL_OWNERSHIP;

        frag->base.des_cbfunc(&module->super, frag->endpoint, &frag->base, OPAL_SUCCESS);
        if (ours) {
            frag->upper_owns = false;
            frag_put_if_unused(module, frag);
        }
        frag = next;
    }
}

/* --- what the wire asks for ------------------------------------------------- */

static int xmit_gather(mca_btl_vfring_module_t *module, struct vfring_wire_frame *frame,
                       uint32_t bytes)
{
    const struct vfring_tx_seg segs[2] = {
        {.iova = frame->hdr_iova, .bytes = bytes - frame->gather_bytes},
        {.iova = frame->gather_iova, .bytes = frame->gather_bytes},
    };
    const unsigned num_segs = frame->gather_bytes ? 2 : 1;
    int rc;

    rc = vfring_vf_tx_post(module->vf, segs, num_segs, &frame->tx_seq);
    if (OPAL_UNLIKELY(rc == -EAGAIN)) {
        (void) vfring_vf_tx_done(module->vf);
        rc = vfring_vf_tx_post(module->vf, segs, num_segs, &frame->tx_seq);
    }
    module->last_tx_seq = OPAL_LIKELY(!rc) ? frame->tx_seq : module->last_tx_seq;
    return rc;
}

static int wire_xmit(void *ctx, struct vfring_wire_frame *frame, uint32_t bytes)
{
    mca_btl_vfring_module_t *module = ctx;

    if (OPAL_LIKELY(!frame->gather_bytes)) {
        frame->tx_seq = vfring_vf_tx_post_one(module->vf, frame->hdr_iova, bytes);
        if (OPAL_LIKELY(frame->tx_seq)) {
            module->last_tx_seq = frame->tx_seq;
            return 0;
        }
    }
    return xmit_gather(module, frame, bytes);
}

static bool wire_xmit_busy(void *ctx, uint32_t tx_seq)
{
    mca_btl_vfring_module_t *module = ctx;

    return (int32_t) (vfring_vf_tx_done(module->vf) - tx_seq) < 0;
}

static void wire_deliver(void *ctx, struct vfring_wire_peer *peer,
                         const struct vfring_wire_hdr *hdr, const void *payload, uint32_t bytes)
{
    mca_btl_vfring_module_t *module = ctx;
    mca_btl_base_segment_t segment = {.seg_addr.pval = (void *) payload, .seg_len = bytes};

    if (hdr->msg != BTL_VFRING_MSG_ACTIVE) {
        btl_vfring_rdma_input(module, vfring_wire_peer_upper(peer), hdr->msg, payload, bytes);
        return;
    }
    /* The tag comes from a member of the job, yet a stray one must not crash us. */
    if (OPAL_UNLIKELY(hdr->tag >= MCA_BTL_TAG_MAX
                      || !mca_btl_base_active_message_trigger[hdr->tag].cbfunc)) {
        BTL_ERROR(("message with tag %u, which nobody here has registered", hdr->tag));
        return;
    }
    btl_vfring_hand_up(&module->super, vfring_wire_peer_upper(peer), hdr->tag, &segment);
}

static void wire_complete(void *ctx, struct vfring_wire_frame *frame, int status)
{
    mca_btl_vfring_module_t *module = ctx;
    mca_btl_vfring_frag_t *frag = frag_of_frame(frame);

    if (frag->op) {
        btl_vfring_place_done(module, frag, status);
        return;
    }
    /* A lost peer is reported once, by wire_peer_failed(). */
    frag->in_flight = false;
    if (OPAL_UNLIKELY(frag->callback_due)) {
        frag->callback_due = false;
        if (status == 0) {
            callback_queue(module, frag);
            return;
        }
    }
    frag_put_if_unused(module, frag);
}

/* A peer that speaks before Open MPI has told us of it: ask the modex. */
static struct vfring_wire_peer *wire_unknown_peer(void *ctx, uint32_t src)
{
    mca_btl_vfring_module_t *module = ctx;
    opal_process_name_t name = opal_proc_local_get()->proc_name;
    mca_btl_vfring_endpoint_t *endpoint;

    name.vpid = src;
    if (btl_vfring_endpoint_get(module, &name, &endpoint) != OPAL_SUCCESS) {
        return NULL;
    }
    return endpoint->peer;
}

static void wire_peer_silent(void *ctx, struct vfring_wire_peer *peer, uint64_t silent_ns)
{
    btl_vfring_help_silent(ctx, vfring_wire_peer_upper(peer), silent_ns);
}

static void wire_peer_failed(void *ctx, struct vfring_wire_peer *peer, uint64_t silent_ns)
{
    char cause[128];

    (void) snprintf(cause, sizeof(cause), "it has acknowledged nothing for %llu s",
                    (unsigned long long) (silent_ns / 1000000000u));
    btl_vfring_report_failure(ctx, vfring_wire_peer_upper(peer), cause);
    btl_vfring_rdma_drop(ctx, vfring_wire_peer_upper(peer), true);
}

const struct vfring_wire_ops btl_vfring_wire_ops = {
    .xmit = wire_xmit,
    .xmit_busy = wire_xmit_busy,
    .deliver = wire_deliver,
    .complete = wire_complete,
    .unknown_peer = wire_unknown_peer,
    .peer_silent = wire_peer_silent,
    .peer_failed = wire_peer_failed,
};

/* --- processes ------------------------------------------------------------- */

static int btl_add_procs(struct mca_btl_base_module_t *btl, size_t nprocs,
                         struct opal_proc_t **procs, struct mca_btl_base_endpoint_t **endpoints,
                         struct opal_bitmap_t *reachable)
{
    mca_btl_vfring_module_t *module = to_module(btl);
    const opal_process_name_t ours = opal_proc_local_get()->proc_name;
    int rc = OPAL_SUCCESS;

    btl_vfring_lock(module);
    for (size_t i = 0; i < nprocs && rc == OPAL_SUCCESS; i++) {
        const opal_process_name_t *name = &procs[i]->proc_name;
        int found;

        /* btl/self serves ourselves; other jobs (spawn) have other frame keys. */
        if (name->jobid != ours.jobid || name->vpid == ours.vpid) {
            continue;
        }
        found = btl_vfring_endpoint_get(module, name, &endpoints[i]);
        if (found == OPAL_SUCCESS) {
            endpoints[i]->proc = procs[i];
            if (reachable) {
                rc = opal_bitmap_set_bit(reachable, (int) i);
            }
        } else if (found != OPAL_ERR_UNREACH) {
            rc = found;
        }
    }
    btl_vfring_unlock(module);
    return rc;
}

static int btl_del_procs(struct mca_btl_base_module_t *btl, size_t nprocs,
                         struct opal_proc_t **procs, struct mca_btl_base_endpoint_t **endpoints)
{
    mca_btl_vfring_module_t *module = to_module(btl);

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
    to_module(btl)->error_cb = cbfunc;
    return OPAL_SUCCESS;
}

const mca_btl_vfring_module_t mca_btl_vfring_module_template = {
    .super = {
        .btl_component = &mca_btl_vfring_component.super,
        .btl_eager_limit = 16 * 1024, /* cut to one frame when the MTU is known */
        .btl_rndv_eager_limit = 16 * 1024,
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
        .btl_send = btl_send,
        .btl_sendi = btl_sendi,
        .btl_put = btl_vfring_put,
        .btl_get = btl_vfring_get,
        .btl_register_mem = btl_vfring_register_mem,
        .btl_deregister_mem = btl_vfring_deregister_mem,
        .btl_dump = mca_btl_base_dump,
        .btl_register_error = btl_register_error,
    },
};

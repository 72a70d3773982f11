/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What every message of a process with one rail runs through, in one piece:
 * sending, and progress with what comes in. (With several: btl_vfring_multirail.c,
 * which calls what sends here.) The layers below are inlined here with the
 * operations that the wire asks for (vfring_wire_hot.h, vfring_vf_hot.h), so a
 * message costs few calls. Nothing here makes a system call, allocates, or logs,
 * but for errors.
 */
#include "btl_vfring_path.h"

#include "btl_vfring_clock.h"
#include "btl_vfring_hot.h"
#include "btl_vfring_inside.h"
#include "btl_vfring_message.h"
#include "btl_vfring_post.h"

/* Headers and tiny payloads: two overlapping moves instead of a call. Most have 8 to 16 bytes. */
static inline __attribute__((always_inline)) void copy_small(char *to, const char *from, size_t bytes)
{
    if (OPAL_LIKELY(bytes - 8 <= 8)) {
        memcpy(to, from, 8);
        memcpy(to + bytes - 8, from + bytes - 8, 8);
    } else if (bytes > 32) {
        memcpy(to, from, bytes);
    } else if (bytes >= 16) {
        memcpy(to, from, 16);
        memcpy(to + bytes - 16, from + bytes - 16, 16);
    } else if (bytes >= 4) {
        memcpy(to, from, 4);
        memcpy(to + bytes - 4, from + bytes - 4, 4);
    } else {
        for (size_t i = 0; i < bytes; i++) {
            to[i] = from[i];
        }
    }
}

/* --- what the wire asks for ------------------------------------------------- */

/* In two pieces, or the ring may be full, or there is none. */
static __attribute__((noinline)) int xmit_otherwise(mca_btl_vfring_module_t *module, struct vfring_wire_frame *frame,
                                                    uint32_t bytes)
{
    struct vfring_tx_seg segs[2];
    int rc;

    if (module->rails.rail[0].down) {
        return -EAGAIN;
    }
    btl_vfring_hot_keep_repeated(frame);
    segs[0] = (struct vfring_tx_seg){.iova = frame->hdr_iova, .bytes = bytes - frame->gather_bytes};
    segs[1] = (struct vfring_tx_seg){.iova = frame->gather_iova, .bytes = frame->gather_bytes};
    rc = btl_vfring_hot_post_segs(module->rails.rail[0].vf, segs, &frame->tx_seq);
    if (!rc) {
        btl_vfring_hot_note_gathered(frame);
    }
    return rc;
}

/* By the only rail. */
static inline int wire_xmit(void *ctx, struct vfring_wire_frame *frame, uint32_t bytes, uint32_t rail)
{
    mca_btl_vfring_module_t *module = ctx;

    (void) rail;
    return OPAL_LIKELY(!frame->gather_bytes
                       && vfring_hot_tx_post_one(module->rails.rail[0].rings.tx, frame->hdr_iova, bytes,
                                                 &frame->tx_seq))
               ? 0
               : xmit_otherwise(module, frame, bytes);
}

/* Inside progress one doorbell at its end serves all that was sent. */
static inline __attribute__((always_inline)) void doorbell(mca_btl_vfring_module_t *module)
{
    if (!btl_vfring_rings_later(module)) {
        vfring_hot_tx_doorbell(module->rails.rail[0].rings.tx, module->rails.rail[0].rings.mmio);
    }
}

static __attribute__((noinline)) int xmit_and_ring_otherwise(mca_btl_vfring_module_t *module,
                                                             struct vfring_wire_frame *frame, uint32_t bytes)
{
    const int rc = wire_xmit(module, frame, bytes, 0);

    doorbell(module);
    return rc;
}

/* The same of a frame that the PML sends: with the doorbell, unless that comes later. */
static inline __attribute__((always_inline)) int wire_xmit_and_ring(void *ctx, struct vfring_wire_frame *frame,
                                                                    uint32_t bytes, uint32_t rail)
{
    mca_btl_vfring_module_t *module = ctx;
    const struct btl_vfring_rail *first = &module->rails.rail[0];

    (void) rail;
    return OPAL_LIKELY(!frame->gather_bytes && !btl_vfring_rings_later(module)
                       && vfring_hot_tx_send_one(first->rings.tx, first->rings.mmio, frame->hdr_iova, bytes,
                                                 &frame->tx_seq))
               ? 0
               : xmit_and_ring_otherwise(module, frame, bytes);
}

static inline void wire_deliver(void *ctx, struct vfring_wire_peer *peer,
                                const struct vfring_wire_hdr *hdr, const void *payload, uint32_t bytes)
{
    btl_vfring_hot_deliver(ctx, peer, hdr, payload, bytes, opal_using_threads());
}

static inline void wire_deliver_alone(void *ctx, struct vfring_wire_peer *peer,
                                      const struct vfring_wire_hdr *hdr, const void *payload,
                                      uint32_t bytes)
{
    btl_vfring_hot_deliver(ctx, peer, hdr, payload, bytes, false);
}

const struct vfring_wire_ops btl_vfring_wire_ops = BTL_VFRING_HOT_WIRE_OPS(wire_xmit, wire_deliver);
/* For progress that has seen that there is but one thread. */
static const struct vfring_wire_ops ops_alone = BTL_VFRING_HOT_WIRE_OPS(wire_xmit, wire_deliver_alone);
/* For what the PML sends. */
static const struct vfring_wire_ops ops_ringing = BTL_VFRING_HOT_WIRE_OPS(wire_xmit_and_ring, wire_deliver);

/* --- sending -------------------------------------------------------------- */

/* The first frame to a peer, one to a peer that is lost, or to one that is reached by several rails. */
static __attribute__((noinline)) int post_otherwise(mca_btl_vfring_module_t *module, mca_btl_vfring_frag_t *frag,
                                                    mca_btl_base_tag_t tag)
{
    const int rc = btl_vfring_post(module, frag, tag, BTL_VFRING_MSG_ACTIVE);

    doorbell(module);
    return rc;
}

/* It waits for the window or the ring. While it looked for room in the window, others may have gone out. */
static __attribute__((noinline)) int post_waits(mca_btl_vfring_module_t *module)
{
    doorbell(module);
    return OPAL_SUCCESS;
}

/*
 * Gives a fragment that is out to the wire, and rings; the lock is held. 0, or the peer is lost, or it has no memory.
 * What is rare does not come back to this place: so the compiler knows what it has written into the frame.
 */
static inline __attribute__((always_inline)) int frag_post(mca_btl_vfring_module_t *module, mca_btl_vfring_frag_t *frag,
                            mca_btl_vfring_endpoint_t *endpoint, mca_btl_base_tag_t tag, uint32_t bytes)
{
    const uint64_t now_ns = btl_vfring_now_ns();

    /* Open MPI unpacks fragments of a nested datatype wrongly when they are out of order. */
    btl_vfring_frag_address(frag, tag, BTL_VFRING_MSG_ACTIVE, false, bytes);
    if (OPAL_UNLIKELY(!endpoint->contact || !vfring_wire_hot_plain(endpoint->peer))) {
        frag->segment.seg_len = bytes;
        return post_otherwise(module, frag, tag);
    }
    return OPAL_LIKELY(vfring_wire_hot_send(module->wire, endpoint->peer, &frag->frame, now_ns, &ops_ringing))
               ? OPAL_SUCCESS
               : post_waits(module);
}

static inline int frag_send(mca_btl_vfring_module_t *module, mca_btl_vfring_frag_t *frag,
                            mca_btl_vfring_endpoint_t *endpoint, mca_btl_base_tag_t tag)
{
    int rc;

    btl_vfring_frag_out(frag, BTL_VFRING_OUT);
    rc = frag_post(module, frag, endpoint, tag, (uint32_t) frag->segment.seg_len);
    if (OPAL_UNLIKELY(rc != OPAL_SUCCESS)) {
        btl_vfring_frag_not_out(frag);
    }
    return rc;
}

/*
 * Is the PML told of the send only later? Who keeps the descriptor may fill it
 * anew when told (one-sided operations of Open MPI 5 in several pieces do): a
 * slot when the peer has confirmed it, a buffer when it has been copied to
 * slots. And what waits in a long queue is told of when it leaves, so that its
 * sender waits; so are fragments of a long message, the next of which the PML
 * packs when it is told.
 */
static inline bool told_late(const mca_btl_vfring_frag_t *frag)
{
    const uint32_t flags = frag->base.des_flags;

    if (!btl_vfring_state_is_out(frag->state)) {
        return false; /* a buffer whose frames have slots of their own */
    }
    if (OPAL_UNLIKELY(frag->endpoint->queue_tail)) {
        return (flags & MCA_BTL_DES_SEND_ALWAYS_CALLBACK) || btl_vfring_queue_is_long(frag->endpoint);
    }
    return (flags & (MCA_BTL_DES_SEND_ALWAYS_CALLBACK | MCA_BTL_DES_FLAGS_BTL_OWNERSHIP))
           == MCA_BTL_DES_SEND_ALWAYS_CALLBACK;
}

int btl_vfring_send(struct mca_btl_base_module_t *btl, struct mca_btl_base_endpoint_t *endpoint,
                    struct mca_btl_base_descriptor_t *descriptor, mca_btl_base_tag_t tag)
{
    mca_btl_vfring_module_t *module = btl_vfring_to_module(btl);
    mca_btl_vfring_frag_t *frag = (mca_btl_vfring_frag_t *) descriptor;
    int rc;

    btl_vfring_lock(module);
    rc = OPAL_LIKELY(!frag->buffer_kind && endpoint->threshold < BTL_VFRING_QUEUE_GATE)
             ? frag_send(module, frag, endpoint, tag)
             : btl_vfring_queue_send(module, frag, tag);
    if (OPAL_LIKELY(rc == OPAL_SUCCESS)) {
        /*
         * The data is in our memory and will arrive: for the PML the send is
         * complete. The slot stays taken until the peer has confirmed it.
         */
        if (OPAL_UNLIKELY(told_late(frag))) {
            btl_vfring_frag_tell_late(frag);
        } else if (frag->base.des_flags & MCA_BTL_DES_SEND_ALWAYS_CALLBACK) {
            btl_vfring_upcall_later(module, frag);
        } else {
            if (frag->base.des_flags & MCA_BTL_DES_FLAGS_BTL_OWNERSHIP) {
                btl_vfring_frag_freed(&module->frags, frag);
            }
            rc = 1;
        }
    }
    btl_vfring_unlock(module);
    return rc;
}

/* There is a slot, and the lock is held, or there is but one thread. */
static inline __attribute__((always_inline)) int
sendi(mca_btl_vfring_module_t *module, mca_btl_vfring_endpoint_t *endpoint,
      struct opal_convertor_t *convertor, const void *header, size_t header_size,
      size_t payload_size, mca_btl_base_tag_t tag)
{
    mca_btl_vfring_frag_t *frag = btl_vfring_slot_take(&module->frags, endpoint);
    char *to;
    int rc;

    to = (char *) (frag->frame.hdr + 1);
    copy_small(to, header, header_size);
    if (OPAL_LIKELY(!payload_size || !opal_convertor_need_buffers(convertor))) {
        if (payload_size) {
            void *from; /* contiguous: no need to set the convertor in motion */

            opal_convertor_get_current_pointer(convertor, &from);
            copy_small(to + header_size, from, payload_size);
        }
        rc = OPAL_SUCCESS;
    } else {
        rc = btl_vfring_pack_all(convertor, to + header_size, payload_size);
    }
    if (OPAL_LIKELY(rc == OPAL_SUCCESS)) {
        btl_vfring_slot_out(frag);
        rc = frag_post(module, frag, endpoint, tag, (uint32_t) (header_size + payload_size));
    }
    if (OPAL_UNLIKELY(rc != OPAL_SUCCESS)) {
        btl_vfring_slot_put(&module->frags, frag);
    }
    return rc;
}

/* All that is not one frame of one thread that can go now. */
static __attribute__((noinline)) int
sendi_otherwise(mca_btl_vfring_module_t *module, mca_btl_vfring_endpoint_t *endpoint,
                struct opal_convertor_t *convertor, const void *header, size_t header_size,
                size_t payload_size, mca_btl_base_tag_t tag)
{
    int rc;

    btl_vfring_lock(module);
    if (header_size + payload_size <= module->max_payload && module->frags.num_free > endpoint->threshold) {
        rc = sendi(module, endpoint, convertor, header, header_size, payload_size, tag);
    } else {
        rc = btl_vfring_message_sendi(module, endpoint, convertor, header, header_size, payload_size, tag);
    }
    btl_vfring_unlock(module);
    return rc;
}

int btl_vfring_sendi(struct mca_btl_base_module_t *btl, struct mca_btl_base_endpoint_t *endpoint,
                     struct opal_convertor_t *convertor, void *header, size_t header_size,
                     size_t payload_size, uint8_t order, uint32_t flags, mca_btl_base_tag_t tag,
                     mca_btl_base_descriptor_t **descriptor)
{
    mca_btl_vfring_module_t *module = btl_vfring_to_module(btl);
    int rc;

    if (OPAL_UNLIKELY(opal_using_threads() || header_size + payload_size > module->max_payload
                      || module->frags.num_free <= endpoint->threshold)) {
        rc = sendi_otherwise(module, endpoint, convertor, header, header_size, payload_size, tag);
    } else {
        btl_vfring_gate_enter(&module->gate, &module->lock);
        rc = sendi(module, endpoint, convertor, header, header_size, payload_size, tag);
        btl_vfring_gate_leave(&module->gate);
    }
    if (OPAL_UNLIKELY(rc != OPAL_SUCCESS && descriptor)) {
        *descriptor = rc == OPAL_ERR_OUT_OF_RESOURCE
                          ? btl->btl_alloc(btl, endpoint, order, header_size + payload_size, flags)
                          : NULL;
    }
    return rc;
}

/* --- progress -------------------------------------------------------------------- */

static inline void rx_input_locked(void *ctx, const void *data, uint32_t bytes)
{
    mca_btl_vfring_module_t *module = ctx;

    vfring_wire_hot_input(module->wire, data, bytes, btl_vfring_hot_rx_now(module), &btl_vfring_wire_ops);
}

static inline void rx_input_alone(void *ctx, const void *data, uint32_t bytes)
{
    mca_btl_vfring_module_t *module = ctx;

    vfring_wire_hot_input(module->wire, data, bytes, btl_vfring_hot_rx_now(module), &ops_alone);
}

static inline uint32_t rx_entries(const mca_btl_vfring_module_t *module)
{
    return module->rails.rail[0].info.rx_entries;
}

static inline __attribute__((always_inline)) int
module_progress(mca_btl_vfring_module_t *module, void (*rx_input)(void *, const void *, uint32_t), bool locked)
{
    const struct btl_vfring_rail *rail = &module->rails.rail[0];
    unsigned count;

    module->rx_now_ns = 0;
    if (OPAL_UNLIKELY(module->told_head)) {
        btl_vfring_upcall_sent(module);
    }
    count = vfring_hot_rx_each(rail->rings.rx, rail->rings.mmio, BTL_VFRING_RX_BURST, rx_input, module);
    btl_vfring_hot_go_on(module, count, count == BTL_VFRING_RX_BURST, rx_entries, locked);
    vfring_hot_tx_doorbell(rail->rings.tx, rail->rings.mmio);
    btl_vfring_hot_end(module);
    return (int) count;
}

static inline int progress_alone(mca_btl_vfring_module_t *module)
{
    return module_progress(module, rx_input_alone, false);
}

static inline int progress_holding(mca_btl_vfring_module_t *module)
{
    return module_progress(module, rx_input_locked, true);
}

static __attribute__((noinline)) int progress_locked(mca_btl_vfring_module_t *module)
{
    return btl_vfring_hot_locked(module, progress_holding, btl_vfring_inside_progress);
}

int btl_vfring_progress(void)
{
    return btl_vfring_hot_progress(progress_alone, progress_locked, btl_vfring_inside_progress);
}
